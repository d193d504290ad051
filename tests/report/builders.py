"""Make reports, and the files in them."""

import json
from datetime import UTC, datetime

from cxr_sr.files import sha256_of
from cxr_sr.report.outcome import Outcome
from cxr_sr.report.writer import Report

CLOCK = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SAME = "a" * 64


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def done(job, settings_sha256=SAME) -> Outcome:
    facts = {
        "settings_sha256": settings_sha256,
        "input_sha256": sha256_of(job.source),
        "output_sha256": sha256_of(job.target),
    }
    return Outcome(job, "done", facts)


def a_run(settings_sha256=SAME):
    return {"clock": CLOCK.isoformat(), "settings_sha256": settings_sha256}


def written(report, *outcomes, settings_sha256=SAME):
    with Report(report) as writing:
        writing.begin(a_run(settings_sha256))
        for outcome in outcomes:
            writing.add(outcome)
