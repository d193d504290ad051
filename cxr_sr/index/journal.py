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
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeGuard, TypeVar, get_type_hints

from cxr_sr.errors import OutputError
from cxr_sr.files import fits, read_json_lines
from cxr_sr.formats.discover import Candidate
from cxr_sr.index.facts import Facts, Finding
from cxr_sr.index.split import Salt

VERSION = 3
"""Raised when a line changes its meaning."""
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
    """The findings of this run and of earlier runs, by file."""

    def __init__(self, path: Path, salt: Salt, tool: str) -> None:
        self._path = path
        # Another salt makes other hashes; another version may read files differently.
        self._head = {
            "journal": VERSION,
            "tool": tool,
            "salt": salt.name("journal"),
        }
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
            else:
                todo.append(candidate)
        return known, todo

    def add(self, examined: Finding) -> None:
        """Write the finding about a file; flush it to the system before the return."""
        state = self._states[examined.file]
        if state is None or examined.kind == "unreadable":
            return
        self._append(dataclasses.asdict(state) | dataclasses.asdict(examined))

    def _append(self, line: dict[str, Any] | None) -> None:
        # One write for each line: a killed run leaves at most one incomplete line.
        self._file.write((json.dumps(line) if line else "") + "\n")
        self._file.flush()

    def _learn(self, line: dict[str, Any]) -> None:
        """Take in a line; skip it if a value is missing or has a wrong type."""
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
