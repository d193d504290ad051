"""The report of a run: JSON lines, one a file, that survive being killed.

::

    {"type": "run", "version": 1, "tool": ..., "notice": ..., "settings": ..., ...}
    {"type": "file", "file": "a/1.dcm", "status": "done", "input_sha256": ..., ...}
    ...
    {"type": "summary", "done": 41, "kept": 0, "skipped": 2, "failed": 1, ...}

A report is only ever appended to. A later run adds its own lines, and what the last
line about a file says holds. Files are named relative to the input and the output
folder; nothing in a report comes from a header's patient, study or place.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cxr_sr.errors import OutputError, ReportError
from cxr_sr.report.outcome import Job, Outcome
from cxr_sr.superres.models.zoo import sha256_of

VERSION = 1
"""Raised when a key changes its meaning or goes away."""

Entry = dict[str, Any]


def fingerprint(settings: Entry) -> str:
    """Return the SHA-256 of all settings that decide an output's bytes."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def entry(outcome: Outcome) -> Entry:
    """Return what a report says of one file."""
    about: Entry = {"type": "file", "file": outcome.job.name}
    reason = {"reason": outcome.reason} if outcome.reason else {}
    return about | outcome.facts | {"status": outcome.status} | reason


class Report:
    """A report being written; each line is on its way to the disk when it returns.

    Raises
    ------
    OutputError
        On entering, if it cannot be written.
    ReportError
        With any line, if it can no longer be: a disk may be full by then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        torn = _ends_torn(self._path)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"the report {self._path.name} cannot be written: {error.strerror}; "
                "choose another --output folder or --report"
            ) from error
        if torn:
            self._file.write("\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        try:
            with self._file:
                end = {"type": "summary", "finished": kind is None}
                self._append(end | self.counts)
        except (OSError, ReportError):
            if kind is None:  # else what ended the run is what there is to tell
                raise

    @property
    def counts(self) -> dict[str, int]:
        """How many files came to each end so far."""
        return {s: self._counts[s] for s in ("done", "kept", "skipped", "failed")}

    def begin(self, run: Entry) -> None:
        """Write the line that says what was asked for."""
        self._append({"type": "run", "version": VERSION} | run)

    def add(self, outcome: Outcome) -> Entry:
        """Write the line about one file, and return it."""
        self._counts[outcome.status] += 1
        about = entry(outcome)
        self._append(about)
        return about

    def _append(self, line: Entry) -> None:
        # One write a line: a kill leaves at most one torn line, which readers skip.
        try:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
        except OSError as error:
            raise ReportError(
                f"the report {self._path.name} cannot be written: {error.strerror}; "
                "what was done is kept: make room, and go on with --resume"
            ) from error


def _ends_torn(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # no report yet, or an empty one
        return False


@dataclass(frozen=True)
class History:
    """What earlier runs reported."""

    clock: datetime | None = None
    """The time the last run wrote into its files, if its settings were these."""
    written: dict[str, Entry] = field(default_factory=dict)
    """By file name: the last line that says it was written, with these settings."""

    @classmethod
    def read(cls, path: Path, settings_sha256: str) -> Self:
        """Read a report; none, or a damaged one, is merely a shorter history."""
        clock, written = None, dict[str, Entry]()
        for line in _lines(path):
            same = line.get("settings_sha256") == settings_sha256
            if line.get("type") == "run" and same:
                clock = datetime.fromisoformat(line["clock"])
            if line.get("status") in ("done", "kept") and same:
                written[line["file"]] = line
        return cls(clock, written)

    def sift(
        self, jobs: Iterable[Job], note: Callable[[Outcome], None]
    ) -> Iterator[Job]:
        """Yield the jobs still to do; tell `note` of each that need not be."""
        for job in jobs:
            if self._holds(job):
                note(Outcome(job, "kept", self.written[job.name]))
            else:
                yield job

    def _holds(self, job: Job) -> bool:
        """Whether the output stands as it was reported, made of the same input.

        Hashes decide, not that a file exists: of the input as it is now, of the
        output as it is now, and of weights and settings (in `read`).
        """
        known = self.written.get(job.name)
        if known is None:
            return False
        hashes = known["input_sha256"], known["output_sha256"]
        try:
            return hashes == (sha256_of(job.source), sha256_of(job.target))
        except OSError:  # gone, or not to be read: the work will say
            return False


def _lines(path: Path) -> Iterator[Entry]:
    if not path.is_file():
        return
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:  # torn by a kill
            continue
        if isinstance(line, dict):
            yield line
