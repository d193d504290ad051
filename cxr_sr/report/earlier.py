"""Read the earlier runs in a report: find the outputs that need not be made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Self

from cxr_sr.errors import SettingsError
from cxr_sr.files import sha256_of
from cxr_sr.report.entries import FileEntry
from cxr_sr.report.outcome import Job, Outcome
from cxr_sr.report.results import Results


def outputs_of(report: Path) -> dict[str, str]:
    """Return the outputs in a report, by input file; empty without a report."""
    try:
        written = Results.read(report).written
    except SettingsError:
        return {}
    return {entry["file"]: entry["output"] for entry in written if "output" in entry}


def fingerprint(settings: dict[str, Any]) -> str:
    """Return the SHA-256, in hexadecimal, of settings that decide an output's bytes."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class EarlierRuns:
    """The reported outputs of earlier runs with the same settings."""

    clock: datetime | None = None
    """The time that the last run wrote into its results."""
    written: dict[str, FileEntry] = field(default_factory=dict)
    """The last line about each written file, by file name."""

    @classmethod
    def read(cls, report: Path, settings_sha256: str) -> Self:
        """Read a report; return no runs if the file is missing or is no report."""
        try:
            results = Results.read(report)
        except SettingsError:
            return cls()
        clocks = [
            run.get("clock")
            for run in results.runs
            if run.get("settings_sha256") == settings_sha256
        ]
        written = {
            entry["file"]: entry
            for entry in results.written
            if entry.get("settings_sha256") == settings_sha256
        }
        return cls(_time(clocks[-1]) if clocks else None, written)

    def sift(
        self, jobs: Iterable[Job], note: Callable[[Outcome], None]
    ) -> Iterator[Job]:
        """Yield the jobs to do; call `note` with the outcome of each other job."""
        for job in jobs:
            if self._holds(job):
                note(Outcome(job, "kept", self.written[job.name]))
            else:
                yield job

    def _holds(self, job: Job) -> bool:
        """Tell whether input, output and mask still have the hashes in the report.

        An existing output is not enough. `read` has compared the hash of the settings
        and weights.
        """
        known = self.written.get(job.name)
        if known is None:
            return False
        files = [(job.source, known.get("input_sha256"))]
        files.append((job.target, known.get("output_sha256")))
        if "mask" in known:  # only its name: a report may come from anyone
            mask = job.target.with_name(PurePosixPath(known["mask"]).name)
            files.append((mask, known.get("mask_sha256")))
        try:
            return all(sha256_of(path) == sha256 for path, sha256 in files)
        except (OSError, ValueError):  # a file is missing: do the job again
            return False


def _time(clock: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(clock or "")
    except ValueError:
        return None
    return time if time.tzinfo else None
