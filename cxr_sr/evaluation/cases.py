"""Which images to measure on."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cxr_sr.errors import SettingsError

COLUMNS = ("file", "split", "patient")
INDEX_NAMES = ("index.csv", "manifest.csv")
"""A folder that holds one of these is measured as it says: an image a network was
trained on is no evidence."""


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
    if not data.is_dir():
        return _rows(data, split)
    indexes = [data / name for name in INDEX_NAMES if (data / name).is_file()]
    return _rows(indexes[0], split) if indexes else list(_walk(data))


def _walk(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            yield Case(path, name, name)


def _rows(index: Path, split: str) -> list[Case]:
    rows = _table(index)
    cases = [
        Case(index.parent / row["file"], row["file"], row["patient"])
        for row in rows
        if row["split"] == split
    ]
    if rows and not cases:
        there = ", ".join(sorted({row["split"] for row in rows}))
        raise SettingsError(
            f"{index.name} has no image in the split {split!r}; expected one of {there}"
        )
    return cases


def _table(index: Path) -> list[dict[str, str]]:
    """Read an index, or say what is wrong with it."""
    try:
        with index.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows, found = list(reader), reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(
            f"{index.name} is no readable index ({error.__class__.__name__}); expected "
            "a folder of images, or a CSV file that `cxr-sr index` wrote"
        ) from error
    missing = [column for column in COLUMNS if column not in found]
    if missing:
        raise SettingsError(
            f"{index.name} lacks the column(s) {', '.join(missing)}; expected at least "
            f"{', '.join(COLUMNS)}, as `cxr-sr index` writes them"
        )
    return rows
