"""Read a table of labelled radiographs: images, patients, and masks or findings."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cxr_sr.errors import SettingsError
from cxr_sr.index.split import SPLITS
from cxr_sr.index.table import read_table
from cxr_sr.names import TaskKind
from cxr_sr.texts import part_of

IMAGE_COLUMNS = ("image", "file")
"""Accepted names for the column of images."""
NONE_FOUND = ("no finding", "none", "normal")
"""Words in a column of findings that mean "no finding"."""
SEPARATOR = "|"
"""Separates the findings in one cell."""
YES, NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
FOLDS = "1/5"
"""The usual held-out part of a table without splits: the first fifth of the
patients."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Labelled:
    """One row: a radiograph with its patient and its labels."""

    path: Path
    name: str
    """The path in the table; messages may show it."""
    patient: str
    split: str
    """train, val or test."""
    masks: tuple[Path, ...] = ()
    """Path of a mask for each class; pixels of the class are not 0."""
    findings: tuple[float, ...] = ()
    """1 or 0 for each class: present or absent."""
    source: str = ""
    licence: str = ""
    mask_licence: str = ""


@dataclass(frozen=True)
class Fold:
    """One of several parts of the patients; the training does not see this part."""

    index: int
    """Counted from 1; 0 holds out no patient."""
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "I/N", or "none".

        Raises
        ------
        SettingsError
            If the text is neither.
        """
        if text == "none":
            return cls(0, 1)
        part = part_of(text)
        if part and part != (1, 1):
            return cls(*part)
        raise SettingsError(
            f"--hold-out {text}: expected none, or I/N with 1 <= I <= N, such as 1/5"
        )

    def split(self, patients: Sequence[str]) -> dict[str, str]:
        """Return train or val for each patient; the hash of the name decides."""
        drawn = sorted(set(patients), key=lambda p: hashlib.sha256(p.encode()).digest())
        return {
            patient: "val" if number % self.count == self.index - 1 else "train"
            for number, patient in enumerate(drawn)
        }


@dataclass(frozen=True)
class Labels:
    """A table of labelled radiographs, and its classes."""

    rows: list[Labelled]
    classes: tuple[str, ...]

    @classmethod
    def read(
        cls, table: Path, kind: TaskKind, chosen: str | None, hold_out: str | None
    ) -> Self:
        """Read a CSV file; paths in it are relative to its folder.

        Parameters
        ----------
        chosen : columns with the labels: COLUMN or CLASS=COLUMN, separated by commas;
            None: the columns mask and mask_CLASS, or the column finding
        hold_out : I/N or none; None: the table's column split, else 1/5

        Raises
        ------
        SettingsError
            If the file cannot be read, lacks a column, or has a patient in two splits.
        """
        rows = read_table(table, ("patient",))
        if not rows:
            raise SettingsError(
                f"{table.name} lists no image; expected one row for each image"
            )
        image = _image_column(table, rows[0])
        splits = _splits(table, rows, hold_out)
        columns = _columns(table, rows[0], kind, chosen)
        kept = [row for row in rows if all(row[c].strip() for c in columns.values())]
        left_out = len(rows) - len(kept)
        if left_out:
            message = "%d rows of %s have no label and are left out"
            log.warning(message, left_out, table.name)
        makes_masks = kind == "segmentation"
        if not makes_masks:
            columns = _finding_classes(kept, columns)
        labelled = [
            Labelled(
                table.parent / row[image],
                row[image],
                row["patient"],
                splits[row["patient"]],
                tuple(table.parent / row[c] for c in columns.values())
                if makes_masks
                else (),
                ()
                if makes_masks
                else tuple(_holds(row[c], name) for name, c in columns.items()),
                row.get("source", ""),
                row.get("image_licence", "") or row.get("licence", ""),
                row.get("mask_licence", ""),
            )
            for row in kept
        ]
        return cls(labelled, tuple(columns))

    def of(self, split: str) -> list[Labelled]:
        """Return the rows of a split."""
        return [row for row in self.rows if row.split == split]


def _image_column(table: Path, row: Mapping[str, str]) -> str:
    for column in IMAGE_COLUMNS:
        if column in row:
            return column
    raise SettingsError(
        f"{table.name} lacks a column of images; expected one called "
        f"{' or '.join(IMAGE_COLUMNS)}, with paths relative to the table"
    )


def _splits(
    table: Path, rows: Sequence[Mapping[str, str]], hold_out: str | None
) -> dict[str, str]:
    """Return the split of each patient; refuse a row without a patient."""
    patients = [row["patient"].strip() for row in rows]
    if not all(patients):
        raise SettingsError(
            f"row {patients.index('') + 1} of {table.name} names no patient; name the "
            "patient of each image, because no patient may be both in the training and "
            "in the validation"
        )
    if hold_out is not None or "split" not in rows[0]:
        return Fold.parse(hold_out or FOLDS).split([row["patient"] for row in rows])
    splits: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        split = row["split"].strip()
        if split not in SPLITS or splits.setdefault(row["patient"], split) != split:
            raise SettingsError(
                f"row {number} of {table.name} is in the split {split!r}; expected one "
                f"of {', '.join(SPLITS)}, and the same for all images of a patient"
            )
    return splits


def _columns(
    table: Path, row: Mapping[str, str], kind: TaskKind, chosen: str | None
) -> dict[str, str]:
    """Return the column of each class; for a classification, of each chosen name."""
    columns: dict[str, str] = {}
    for item in chosen.split(",") if chosen else _usual(row, kind):
        name, equals, column = item.strip().partition("=")
        columns[name] = column if equals else name
    if not chosen and kind == "segmentation":
        columns = {c.removeprefix("mask_"): c for c in columns}
    missing = [c for c in columns.values() if c not in row]
    if missing or not columns:
        raise SettingsError(
            f"{table.name} lacks the column(s) {', '.join(missing) or 'mask'}; it has "
            f"{', '.join(row)}: name the columns with the labels by --labels"
        )
    return columns


def _usual(row: Mapping[str, str], kind: TaskKind) -> list[str]:
    if kind == "classification":
        return ["finding"]
    masks = [c for c in row if c == "mask" or c.startswith("mask_")]
    return [c for c in masks if c != "mask_licence"]


def _finding_classes(
    rows: Sequence[Mapping[str, str]], columns: Mapping[str, str]
) -> dict[str, str]:
    """Return the column of each class; each word in a column of words is a class."""
    classes: dict[str, str] = {}
    for name, column in columns.items():
        cells = {row[column].strip().lower() for row in rows}
        if name != column or cells <= {*YES, *NO}:
            classes[name] = column
            continue
        words = {w.strip() for row in rows for w in row[column].split(SEPARATOR)}
        classes |= {
            word: column
            for word in sorted(words)
            if word and word.lower() not in NONE_FOUND
        }
    if not classes:
        raise SettingsError(
            f"the column(s) {', '.join(columns.values())} hold no finding; expected "
            f"0 and 1, or words with {SEPARATOR} between them"
        )
    return classes


def _holds(cell: str, name: str) -> float:
    value = cell.strip().lower()
    if value in YES or value in NO:
        return float(value in YES)
    return float(name.lower() in [word.strip() for word in value.split(SEPARATOR)])
