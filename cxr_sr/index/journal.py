"""Keep a journal beside an index: a later run need not read the same file again.

::

    {"journal": 1, "tool": "1.0", "salt": "5c..."}
    {"file": "a/IM0001", "size": 7340032, "mtime_ns": ..., "facts": {...}, ...}

Lines are only appended. A killed run may leave an incomplete line; readers skip it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeGuard, TypeVar, get_type_hints

from cxr_sr.errors import OutputError, ReportError
from cxr_sr.files import fits, is_still_at, read_json_lines
from cxr_sr.formats.discover import Candidate
from cxr_sr.index.facts import Facts, Finding
from cxr_sr.index.split import Salt

VERSION = 3
"""Increased when a line changes its meaning."""
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class State:
    """Size and time of a file when it was read; they change when the file changes."""

    size: int
    """Bytes."""
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> State | None:
        """Return a file's state; None if it is gone."""
        try:
            status = path.stat()
        except OSError:
            return None
        return cls(status.st_size, status.st_mtime_ns)


class Journal:
    """The findings of this run and of earlier runs, by file.

    Raises
    ------
    OutputError
        On entering, if the journal is no regular file.
    ReportError
        If a line cannot be written, or the journal was removed during the run.
    """

    def __init__(self, path: Path, salt: Salt, tool: str) -> None:
        self._path = path
        # Another salt makes other hashes; another version may read files differently.
        self._head = {
            "journal": VERSION,
            "tool": tool,
            "salt": salt.name("journal"),
        }
        self.count = 0
        """Number of files whose findings the journal holds."""
        self._known: dict[str, tuple[State, Finding]] = {}
        self._states: dict[str, State | None] = {}

    def __enter__(self) -> Self:
        there = self._path.is_file()
        # Opening a FIFO would block until a reader comes.
        if self._path.exists() and not there:
            raise OutputError(
                f"{self._path.name} exists and is no regular file; choose another "
                "--output"
            )
        lines = read_json_lines(self._path) if there else iter(())
        goes_on = next(lines, None) == self._head
        for line in lines if goes_on else ():
            self._learn(line)
        self._file = self._path.open("a" if goes_on else "w", encoding="ascii")
        # End an incomplete line of a killed run; readers skip empty lines.
        self._append(None if goes_on else self._head)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # close() tries to write a failed line again
            self._file.close()

    def sift(
        self, candidates: Iterable[Candidate]
    ) -> tuple[list[Finding], list[Candidate]]:
        """Return the known findings, and the files that must be read.

        Files that an earlier run could not read are read again: the disk may have
        failed then.
        """
        known: list[Finding] = []
        todo: list[Candidate] = []
        for candidate in candidates:
            name = candidate.relative.as_posix()
            self._states[name] = state = State.of(candidate.path)
            then, found = self._known.get(name, (None, None))
            if found and then == state:
                known.append(found)
                self.count += 1
            else:
                todo.append(candidate)
        return known, todo

    def add(self, examined: Finding) -> None:
        """Write the finding about a file; flush it to the system before the return."""
        state = self._states[examined.file]
        if state is None or examined.kind == "unreadable":
            return
        self._append(dataclasses.asdict(state) | dataclasses.asdict(examined))
        self.count += 1

    def _append(self, line: dict[str, Any] | None) -> None:
        # One write for each line: a killed run leaves at most one incomplete line.
        try:
            self._file.write((json.dumps(line) if line else "") + "\n")
            self._file.flush()
        except OSError as error:
            raise ReportError(
                f"the journal {self._path.name} cannot be written: {error.strerror}; "
                "it keeps the findings so far: make room, and repeat the command"
            ) from error
        self.check()

    def check(self) -> None:
        """Make sure that the journal, and so its folder, is still in its place.

        Raises
        ------
        ReportError
            If it was removed, renamed or replaced.
        """
        if is_still_at(self._file.fileno(), self._path):
            return
        self.count = 0
        raise ReportError(
            f"the journal {self._path.name} or its folder was removed or replaced "
            "during the run; start the run again"
        )

    def _learn(self, line: dict[str, Any]) -> None:
        """Learn a finding; skip a line with a missing value or a wrong type."""
        stated = line.get("facts")
        about = line | {"facts": None}
        if not (_typed(line, State) and _typed(about, Finding)):
            return
        facts = _made(Facts, stated) if _typed(stated, Facts) else None
        if facts is None and stated is not None:
            return
        found = Finding(line["file"], facts, line["kind"], line["reason"])
        self._known[found.file] = _made(State, line), found


def _typed(line: object, kind: type[Any]) -> TypeGuard[dict[str, Any]]:
    """Tell whether a line has every field of a dataclass, with the right types."""
    hints = get_type_hints(kind)
    return isinstance(line, dict) and all(
        name in line and fits(line[name], hint) for name, hint in hints.items()
    )


def _made(kind: type[Made], line: dict[str, Any]) -> Made:
    return kind(**{name: line[name] for name in get_type_hints(kind)})
