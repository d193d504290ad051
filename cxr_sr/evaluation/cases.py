"""Find the images for an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cxr_sr.errors import SettingsError
from cxr_sr.index.table import (
    IndexEntry,
    find_index,
    images_in,
    read_index,
    split_folder,
)


@dataclass(frozen=True)
class Case:
    """One image of an evaluation."""

    path: Path
    name: str
    """Path relative to the index or the folder; reports use this name."""
    patient: str
    """Patient; images of the same patient are not independent. In a folder without an
    index, each file counts as its own patient."""
    source: str = ""
    """Name of the data set, if the index has a column `source`."""


def find_cases(data: Path, split: str | None = None) -> list[Case]:
    """Return the images of one split; of a folder without an index, all images.

    Parameters
    ----------
    data : a CSV with at least the columns file (relative to it), split and patient;
        or a folder, with an index of that kind in it or without
    split : the split to return; a folder without an index is split as in training.
        None: val of an index, or all images of a folder

    Raises
    ------
    SettingsError
        If the data or the split does not exist, the index is of another kind, or the
        index has a patient in two splits.
    """
    index = find_index(data)
    if index is not None:
        return _of_split(index.name, read_index(index), split or "val")
    if split is None:
        return [Case(p, name, name) for name, p in sorted(images_in(data).items())]
    return _of_split(data.name, split_folder(data), split)


def _of_split(name: str, entries: list[IndexEntry], split: str) -> list[Case]:
    cases = [
        Case(e.path, e.name, e.patient, e.source) for e in entries if e.split == split
    ]
    if entries and not cases:
        there = ", ".join(sorted({entry.split for entry in entries}))
        raise SettingsError(
            f"{name} has no image in the split {split!r}; expected one of {there}"
        )
    return cases
