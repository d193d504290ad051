"""Write the report of a run line by line, so that a killed run leaves a usable report.

Lines are only appended; a later run adds its own lines.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, get_args

from cxr_sr.errors import OutputError, ReportError
from cxr_sr.files import ends_torn, is_still_at, lock
from cxr_sr.report.entries import (
    VERSION,
    WRITTEN,
    DeliveryEntry,
    DeliveryFacts,
    Entry,
    FileEntry,
    RunEntry,
    SummaryEntry,
    entry,
)
from cxr_sr.report.outcome import Outcome, Status


class Report:
    """Writes a report; each method hands its line to the system before it returns.

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
        """Lock, because the threads of a node share one report."""

    def __enter__(self) -> Self:
        self._check_kind()
        torn = ends_torn(self._path)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"the report {self._path.name} cannot be written: {error.strerror}; "
                "choose another --output folder or --report"
            ) from error
        self._claim()
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
            if self._begun or self._counts:  # else no run began
                self._append(self._summary(finished=kind is None))
        except ReportError:
            if kind is None:  # else keep the error that ended the run
                raise
        finally:
            with suppress(OSError):  # close() tries to write a failed line again
                self._file.close()

    def _check_kind(self) -> None:
        """Refuse a path that is no regular file; opening a FIFO would block."""
        path = self._path
        if path.exists() and not (path.is_file() or path.is_char_device()):
            raise OutputError(
                f"the report {path.name} exists and is no regular file; choose "
                "another --report"
            )

    def _claim(self) -> None:
        """Lock the report against other runs; the lock ends with the process."""
        if not lock(self._file.fileno()):
            self._file.close()
            raise OutputError(
                f"another run is writing the report {self._path.name}; wait until that "
                "run ends, or choose another --output folder or --report"
            )

    @property
    def counts(self) -> dict[str, int]:
        """The number of files with each status so far."""
        return {status: self._counts[status] for status in get_args(Status)}

    @property
    def written(self) -> int:
        """The number of reported files with an output in the output folder."""
        return sum(self._counts[status] for status in WRITTEN)

    def begin(self, run: RunEntry) -> None:
        """Write the first line of the run; the last line will be a summary."""
        self._begun = True
        self._append({"type": "run", "version": VERSION, **run})

    def add(self, outcome: Outcome) -> FileEntry:
        """Write the line about one file, and return the line."""
        self._counts[outcome.status] += 1
        about = entry(outcome)
        self._append(about)
        return about

    def add_delivery(
        self,
        file: str,
        to: str,
        refusal: str | None,
        about: DeliveryFacts | None = None,
    ) -> DeliveryEntry:
        """Write the line about a sent result, and return the line.

        Parameters
        ----------
        to : the receiver's name
        refusal : the receiver's answer if the receiver refused the result, else None
        about : facts about the sent file
        """
        line: DeliveryEntry = {
            "type": "delivery",
            "file": file,
            "to": to,
            "status": "sent" if refusal is None else "refused",
            **(about or {}),
        }
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
        # One write for each line: a killed run leaves at most one incomplete line.
        try:
            with self._lock:
                self._file.write(json.dumps(line) + "\n")
                self._file.flush()
        except OSError as error:
            raise ReportError(
                f"the report {self._path.name} cannot be written: {error.strerror}; "
                "finished outputs are kept: make room, and continue with --resume"
            ) from error
        if os.fstat(self._file.fileno()).st_nlink == 0:
            raise ReportError(
                f"the report {self._path.name} or its folder was removed during the "
                "run; start the run again, with --resume to keep finished outputs"
            )


class OutputFolder:
    """The output folder of a run; `check` finds out if the folder was replaced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: int | None = None

    def __enter__(self) -> Self:
        # Keep the folder open, so that no later folder can get its inode number.
        with suppress(OSError):  # Windows cannot open a folder
            self._folder.mkdir(parents=True, exist_ok=True)
            self._opened = os.open(self._folder, os.O_RDONLY)
        return self

    def __exit__(self, *_: object) -> None:
        if self._opened is not None:
            os.close(self._opened)

    def check(self) -> None:
        """Make sure that the folder with the written files still exists.

        Raises
        ------
        ReportError
            If the folder was removed, renamed or replaced.
        """
        if self._opened is None or is_still_at(self._opened, self._folder):
            return
        raise ReportError(
            f"the output folder {self._folder.name} was removed or replaced during the "
            "run; start the run again (upscale goes on with --resume if it is back)"
        )
