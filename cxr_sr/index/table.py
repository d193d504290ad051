"""Read an index: a table of images with their patients and splits."""

from __future__ import annotations

import csv
import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_sr.errors import SettingsError
from cxr_sr.formats.discover import Candidate, cause, discover
from cxr_sr.hints import similar_file
from cxr_sr.texts import read_rows

log = logging.getLogger(__name__)

INDEX_COLUMNS = ("file", "split", "patient")
NAMES = ("index.csv", "manifest.csv")
"""File names of an index. Training and evaluation keep to its splits: a network must
not be measured on images of its training, nor trained on images for testing."""

VALIDATION_SHARE = 10
"""In a folder without an index, one file in ten is for validation; at least one
file."""


@dataclass(frozen=True)
class IndexEntry:
    """One row of an index."""

    path: Path
    name: str
    """The relative path in the index; messages may show it."""
    split: str
    """train, val or test."""
    patient: str
    source: str = ""
    """Name of the data set; "" if the index states none."""
    licence: str = ""
    """Licence of the data set; weights that were trained with the data repeat it."""


def find_index(data: Path) -> Path | None:
    """Return the index in a folder, None if there is none; return a file unchanged."""
    if not data.is_dir():
        return data
    return next((data / name for name in NAMES if (data / name).is_file()), None)


def read_index(index: Path) -> list[IndexEntry]:
    """Return the rows of an index; files are relative to its folder.

    Raises
    ------
    SettingsError
        If the index cannot be read, lacks a column, or has a patient in two splits.
    """
    entries = [_entry(index.parent, row) for row in read_table(index)]
    _check_sides(index, entries)
    return entries


def split_folder(folder: Path) -> list[IndexEntry]:
    """Return the images in a folder without an index, a tenth of them for validation.

    The hashes of the file names choose the tenth. Only an index can keep all images of
    a patient in one split. A warning counts the files that are left out.
    """
    images = images_in(folder)
    names = sorted(images)
    drawn = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    kept = set(drawn[: max(1, len(names) // VALIDATION_SHARE)])
    splits = ["val" if name in kept else "train" for name in names]
    return [
        IndexEntry(images[name], name, split, name)
        for name, split in zip(names, splits, strict=True)
    ]


def images_in(folder: Path) -> dict[str, Path]:
    """Return the files of a folder that may be radiographs, by their relative paths.

    A warning states the number of files that are left out, and the reasons.
    """
    images: dict[str, Path] = {}
    left_out = Counter[str]()
    for found in discover([folder]):
        if isinstance(found, Candidate):
            images[found.relative.as_posix()] = found.path
        else:
            left_out[cause(found.reason)] += 1
    for reason, count in left_out.most_common():
        log.warning("%d files left out: %s", count, reason)
    return images


def _check_sides(index: Path, entries: Sequence[IndexEntry]) -> None:
    """Refuse a patient in two splits; the message names rows, not the patient."""
    first: dict[str, int] = {}
    for number, entry in enumerate(entries):
        other = first.setdefault(entry.patient, number) if entry.patient else number
        if entries[other].split != entry.split:
            raise SettingsError(
                f"rows {other + 1} and {number + 1} of {index.name} put the same "
                f"patient into {entries[other].split} and {entry.split}; a network "
                "must not be measured on patients of its training: give all images of "
                "a patient the same split"
            )


def read_table(
    table: Path, columns: Sequence[str] = INDEX_COLUMNS
) -> list[dict[str, str]]:
    """Return the rows of a CSV file that has `columns`; an empty or missing cell is "".

    Raises
    ------
    SettingsError
        If the file cannot be read, or lacks a column.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            known, rows = read_rows(file)
            missing = [c for c in columns if c not in known]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(
            f"{table.name} is no readable index ({reason}); expected a folder of "
            "images, or a CSV file that `cxr-sr index` wrote"
            f"{similar_file(table)}"
        ) from error
    if missing:
        hint = ", as `cxr-sr index` writes them" if columns == INDEX_COLUMNS else ""
        raise SettingsError(
            f"{table.name} lacks the column(s) {', '.join(missing)}; expected at least "
            f"{', '.join(columns)}{hint}; it has {', '.join(known) or 'no columns'}"
        )
    return rows


def _entry(folder: Path, row: dict[str, str]) -> IndexEntry:
    source, licence = row.get("source", ""), row.get("licence", "")
    path = folder / row["file"]
    return IndexEntry(path, row["file"], row["split"], row["patient"], source, licence)
