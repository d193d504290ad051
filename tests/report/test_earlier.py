"""A run does not repeat the work of earlier runs with the same settings."""

import pytest

from cxr_sr.files import sha256_of
from cxr_sr.report.earlier import EarlierRuns, fingerprint
from cxr_sr.report.outcome import Outcome
from cxr_sr.report.results import Results
from tests.report.builders import CLOCK, SAME, done, lines, written


def sifted(report, job, settings_sha256=SAME):
    kept: list[Outcome] = []
    todo = list(EarlierRuns.read(report, settings_sha256).sift([job], kept.append))
    return todo, kept


def test_a_line_torn_by_a_kill_costs_only_itself(report, job):
    written(report, done(job))
    with report.open("a") as file:
        file.write('{"type": "file", "file": "b')
    written(report)
    todo, kept = sifted(report, job)
    assert (len(todo), len(kept)) == (0, 1)


def test_what_was_written_of_the_same_input_is_kept_with_its_facts(report, job):
    written(report, done(job))
    todo, (kept,) = sifted(report, job)
    assert todo == []
    assert kept.status == "kept"
    assert kept.facts["output_sha256"] == sha256_of(job.target)


def test_what_was_kept_once_is_kept_again(report, job):
    written(report, done(job))
    for _ in range(2):
        _, (kept,) = sifted(report, job)
        written(report, kept)
    assert [x["status"] for x in lines(report) if x["type"] == "file"] == [
        "done",
        "kept",
        "kept",
    ]


def change_input(job):
    job.source.write_bytes(b"another exposure")


def change_output(job):
    job.target.write_bytes(b"half of it")


def lose_output(job):
    job.target.unlink()


@pytest.mark.parametrize("spoil", [change_input, change_output, lose_output])
def test_what_changed_since_is_done_again(report, job, spoil):
    written(report, done(job))
    spoil(job)
    todo, kept = sifted(report, job)
    assert (todo, kept) == ([job], [])


def test_what_other_settings_or_weights_made_is_done_again(report, job):
    written(report, done(job))
    todo, _ = sifted(report, job, settings_sha256="b" * 64)
    assert todo == [job]


def test_what_failed_is_tried_again(report, job):
    written(report, Outcome(job, "failed", {"settings_sha256": SAME}, "disk full"))
    todo, _ = sifted(report, job)
    assert todo == [job]


def test_an_output_that_no_report_vouches_for_is_done_again(report, job):
    todo, _ = sifted(report, job)
    assert todo == [job]


def test_a_report_that_is_no_report_is_merely_no_history(report, job):
    report.parent.mkdir(exist_ok=True)
    report.write_bytes(b"\xff\xfe[1, 2]\n[1, 2]\n")
    assert sifted(report, job)[0] == [job]


def test_a_resumed_run_goes_by_the_clock_of_the_run_it_resumes(report):
    written(report)
    assert EarlierRuns.read(report, SAME).clock == CLOCK
    assert EarlierRuns.read(report, "b" * 64).clock is None


def test_the_fingerprint_knows_settings_apart_but_not_their_order():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"a": 1, "b": 3})


def test_the_last_line_holds_here_too(report, job):
    """A file that was written first and failed later is tried again."""
    written(report, done(job))
    written(report, Outcome(job, "failed", {"settings_sha256": SAME}, "disk full"))
    assert [entry["file"] for entry in Results.read(report).missing] == [job.name]
    assert sifted(report, job)[0] == [job]


def test_a_report_of_a_later_version_is_no_history(report, job):
    written(report, done(job))
    text = report.read_text()
    report.write_text(text.replace('"version": 1', '"version": 2'))
    assert report.read_text() != text
    assert sifted(report, job)[0] == [job]
