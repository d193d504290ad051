"""What a finished run left: its report, read back, and the files it tells of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Self

from cxr_sr.errors import SettingsError

Entry = dict[str, Any]

WRITTEN = ("done", "kept")


@dataclass(frozen=True)
class Results:
    """A report of `cxr-sr upscale`, or of several runs that went on with one another.

    What the last line about a file says holds.
    """

    run: Entry = field(default_factory=dict)
    """The settings of the last run."""
    files: list[Entry] = field(default_factory=list)
    """The last entry of each file, in the order in which files were first met."""

    @classmethod
    def read(cls, report: Path) -> Self:
        """Read a report; lines that a killed run left torn are passed over.

        Raises
        ------
        SettingsError
            If it cannot be read, or holds no line of such a report.
        """
        try:
            text = report.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise SettingsError(
                f"the report {report.name} cannot be read: {error.strerror}"
            ) from error
        lines = list(_lines(text.splitlines()))
        run: Entry = {}
        files: dict[str, Entry] = {}
        for line in lines:
            if line.get("type") == "run":
                run = line
            elif line.get("type") == "file" and isinstance(line.get("file"), str):
                files[line["file"]] = line
        if not run and not files:
            raise SettingsError(
                f"{report.name} is no report of cxr-sr: expected JSON lines as `cxr-sr "
                "upscale` writes them to cxr-sr-report.jsonl"
            )
        return cls(run, list(files.values()))

    @property
    def written(self) -> list[Entry]:
        """The entries of files that stand in the output folder."""
        return [entry for entry in self.files if entry.get("status") in WRITTEN]

    @property
    def missing(self) -> list[Entry]:
        """The others: those that failed, then those that were skipped."""
        others = [entry for entry in self.files if entry.get("status") not in WRITTEN]
        return sorted(others, key=lambda entry: entry.get("status") != "failed")


def below(folder: Path, name: object) -> Path | None:
    """Return the file that a report calls `name`; None if that leads elsewhere.

    A report is a file like any other: what it says must not open what lies outside of
    the folder that the user named.
    """
    if not isinstance(name, str) or "\0" in name:
        return None
    path = PurePosixPath(name)
    plain = not path.is_absolute() and ".." not in path.parts
    return folder / path if plain and path.parts else None


def _lines(texts: Iterable[str]) -> Iterator[Entry]:
    for text in texts:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            yield line
