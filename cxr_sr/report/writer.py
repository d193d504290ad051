"""Write the report of a run line by line, so that it survives a kill.

Lines are only appended; a later run adds its own lines.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self, get_args

from cxr_sr.errors import OutputError, ReportError
from cxr_sr.files import ends_torn
from cxr_sr.report.entries import (
    VERSION,
    DeliveryEntry,
    Entry,
    FileEntry,
    RunEntry,
    SummaryEntry,
    entry,
)
from cxr_sr.report.outcome import Outcome, Status


class Report:
    """Writes a report; each line is handed to the system before a method returns.

    Raises
    ------
    OutputError
        On entering, if the report cannot be written.
    ReportError
        If a line cannot be written, because the disk is full for example.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: Counter[str] = Counter()
        self._begun = False
        self._lock = threading.Lock()
        """A node's threads write into one report."""

    def __enter__(self) -> Self:
        torn = ends_torn(self._path)
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
                if self._begun or self._counts:  # else nothing was run
                    self._append(self._summary(finished=kind is None))
        except (OSError, ReportError):
            if kind is None:  # else the error that ended the run matters more
                raise

    @property
    def counts(self) -> dict[str, int]:
        """The number of files with each status so far."""
        return {status: self._counts[status] for status in get_args(Status)}

    def begin(self, run: RunEntry) -> None:
        """Write the first line of the run; its last will be a summary."""
        self._begun = True
        self._append({"type": "run", "version": VERSION, **run})

    def add(self, outcome: Outcome) -> FileEntry:
        """Write the line about one file, and return it."""
        self._counts[outcome.status] += 1
        about = entry(outcome)
        self._append(about)
        return about

    def add_delivery(
        self, file: str, to: str, refusal: str | None, sha256: str = ""
    ) -> DeliveryEntry:
        """Write the line about a result that was sent, and return it.

        Parameters
        ----------
        to : the receiver's name
        refusal : the receiver's answer if it refused the result; None if it has it
        sha256 : of what was sent
        """
        line: DeliveryEntry = {
            "type": "delivery",
            "file": file,
            "to": to,
            "status": "sent" if refusal is None else "refused",
        }
        if sha256:
            line["output_sha256"] = sha256
        if refusal is not None:
            line["reason"] = refusal
        self._append(line)
        return line

    def _summary(self, *, finished: bool) -> SummaryEntry:
        return {
            "type": "summary",
            "finished": finished,
            "done": self._counts["done"],
            "kept": self._counts["kept"],
            "skipped": self._counts["skipped"],
            "failed": self._counts["failed"],
        }

    def _append(self, line: Entry) -> None:
        # One write for each line: a kill leaves at most one incomplete line.
        try:
            with self._lock:
                self._file.write(json.dumps(line) + "\n")
                self._file.flush()
        except OSError as error:
            raise ReportError(
                f"the report {self._path.name} cannot be written: {error.strerror}; "
                "what was done is kept: make room, and go on with --resume"
            ) from error
