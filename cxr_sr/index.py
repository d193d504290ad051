"""An index: a table that says which image is whose, and on which side of a split."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_sr.errors import SettingsError

COLUMNS = ("file", "split", "patient")
NAMES = ("index.csv", "manifest.csv")
"""A folder that holds one of these is split as it says: an image a network was trained
on is no evidence, and one kept for testing is not to be trained on."""


@dataclass(frozen=True)
class Entry:
    """One row of an index."""

    path: Path
    name: str
    """The file as the index gives it: relative, fit for a log."""
    split: str
    """train, val or test."""
    patient: str
    source: str = ""
    """Name of the data set, where the index states one."""
    licence: str = ""
    """Its terms, which weights trained on it must state."""


def find_index(data: Path) -> Path | None:
    """Return `data` if it is no folder, else the index in it; None if it has none."""
    if not data.is_dir():
        return data
    return next((data / name for name in NAMES if (data / name).is_file()), None)


def read_index(index: Path) -> list[Entry]:
    """Return the rows of an index, files taken relative to it.

    Raises
    ------
    SettingsError
        If it cannot be read, or lacks a column.
    """
    return [_entry(index.parent, row) for row in read_table(index)]


def read_table(table: Path, columns: Sequence[str] = COLUMNS) -> list[dict[str, str]]:
    """Return the rows of a CSV file that has at least `columns`; "" for a lacking cell.

    Raises
    ------
    SettingsError
        If it cannot be read, or lacks one of them.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            missing = [c for c in columns if c not in (reader.fieldnames or ())]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(
            f"{table.name} is no readable index ({reason}); expected a folder of "
            "images, or a CSV file that `cxr-sr index` wrote"
        ) from error
    if missing:
        raise SettingsError(
            f"{table.name} lacks the column(s) {', '.join(missing)}; expected at least "
            f"{', '.join(columns)}, as `cxr-sr index` writes them"
        )
    return rows


def _entry(folder: Path, row: dict[str, str]) -> Entry:
    source, licence = row.get("source", ""), row.get("licence", "")
    path = folder / row["file"]
    return Entry(path, row["file"], row["split"], row["patient"], source, licence)
