"""Which images to measure on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cxr_sr.errors import SettingsError
from cxr_sr.index import find_index, read_index


@dataclass(frozen=True)
class Case:
    """One image to measure on."""

    path: Path
    name: str
    """The file relative to the index or the folder: what reports call it."""
    patient: str
    """Images of one patient are no independent evidence; in a folder without an
    index each file counts as a patient."""


def find_cases(data: Path, split: str = "val") -> list[Case]:
    """Return the images of one split of an index, or all files of a folder.

    Parameters
    ----------
    data : a CSV with at least the columns file (relative to it), split and patient;
        or a folder, with an index of that kind in it or without
    split : which rows of an index count

    Raises
    ------
    SettingsError
        If there is no such data, or the index is of another kind or has no such split.
    """
    index = find_index(data)
    return list(_walk(data)) if index is None else _listed(index, split)


def _walk(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            yield Case(path, name, name)


def _listed(index: Path, split: str) -> list[Case]:
    entries = read_index(index)
    cases = [Case(e.path, e.name, e.patient) for e in entries if e.split == split]
    if entries and not cases:
        there = ", ".join(sorted({entry.split for entry in entries}))
        raise SettingsError(
            f"{index.name} has no image in the split {split!r}; expected one of {there}"
        )
    return cases
