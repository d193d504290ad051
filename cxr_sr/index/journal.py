"""The journal beside an index: findings about each file, so that no file is read twice.

::

    {"journal": 1, "tool": "1.0", "salt": "5c..."}
    {"file": "a/IM0001", "size": 7340032, "mtime_ns": ..., "facts": {...}, ...}

Lines are only appended. A kill may leave an incomplete line, which is skipped.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cxr_sr.files import read_json_lines
from cxr_sr.formats.discover import Candidate
from cxr_sr.index.facts import Facts, Finding
from cxr_sr.index.split import Salt

VERSION = 2
"""Raised when a line changes its meaning."""


@dataclass(frozen=True, slots=True)
class State:
    """Size and time of a file when it was read; they tell whether it has changed."""

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
    """The findings of this run and of those before it, by file."""

    def __init__(self, path: Path, salt: Salt, tool: str) -> None:
        self._path = path
        # Another salt gives other hashes; another version may read files differently.
        self._head = {
            "journal": VERSION,
            "tool": tool,
            "salt": salt.name("journal"),
        }
        self._known: dict[str, tuple[State, Finding]] = {}
        self._states: dict[str, State | None] = {}

    def __enter__(self) -> Self:
        lines = read_json_lines(self._path) if self._path.is_file() else iter(())
        goes_on = next(lines, None) == self._head
        for line in lines if goes_on else ():
            self._learn(line)
        self._file = self._path.open("a" if goes_on else "w", encoding="ascii")
        # A torn line ends here; an empty line says nothing.
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
        """Return the known findings, and the files that are to be read.

        Files that could not be read are read again: the disk may have been at fault.
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
        """Write the finding about a file; the system has it on return."""
        state = self._states[examined.name]
        if state is None or examined.kind == "unreadable":
            return
        about = {"file": examined.name, **dataclasses.asdict(state)}
        found = dataclasses.asdict(examined)
        del found["name"]
        self._append(about | found)

    def _append(self, line: dict[str, Any] | None) -> None:
        # One write for each line: a kill leaves at most one incomplete line.
        self._file.write((json.dumps(line) if line else "") + "\n")
        self._file.flush()

    def _learn(self, line: dict[str, Any]) -> None:
        try:
            state = State(line["size"], line["mtime_ns"])
            facts = line["facts"] and Facts(**line["facts"])
            found = Finding(line["file"], facts, line["kind"], line["reason"])
        except (KeyError, TypeError):  # not a line of ours
            return
        self._known[found.name] = state, found
