"""A table that says of image files what they do not say themselves: whose they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cxr_sr.errors import SettingsError
from cxr_sr.index.split import SPLITS, Salt
from cxr_sr.index.table import read_table

NAME = "manifest.csv"
"""Looked for in the data's folder and in all below it."""
COLUMNS = ("file", "patient")
"""What it must have; what else of view, age, sex, pixel_spacing_mm, source and licence
it has fills in what a file does not say, and split is kept."""


@dataclass(frozen=True)
class Manifest:
    """What is told of the files, by their names below the data's folder."""

    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    patients: Mapping[str, str] = field(default_factory=dict)
    """Salted hashes, of the files whose patient is told."""
    sides: Mapping[str, str] = field(default_factory=dict)
    """By patient (salted hash): train, val or test, of those whose split is told."""

    @classmethod
    def read(cls, paths: Iterable[Path], data: Path, salt: Salt) -> Manifest:
        """Read manifests, whose files are named relative to them, as if they were one.

        The same patient in two is one patient. What two say of a file, the later knows.

        Raises
        ------
        SettingsError
            If one is none, names a split that is none, or if a patient is put on two
            sides.
        """
        rows: dict[str, Mapping[str, str]] = {}
        root = data.resolve()
        for path in paths:
            here = path.parent.resolve()
            for row in read_table(path, COLUMNS):
                name = Path(os.path.relpath(here / row["file"], root)).as_posix()
                rows[name] = row
        patients = {
            name: salt.name(*_identity(name, row))
            for name, row in rows.items()
            if row["patient"].strip() or row.get("split", "").strip()
        }
        return cls(rows, patients, _sides(rows, patients))

    @staticmethod
    def is_one(path: Path) -> bool:
        """Tell whether a file is a manifest; others may have its name."""
        try:
            read_table(path, COLUMNS)
        except SettingsError:
            return False
        return True

    def tells(self, name: str, column: str) -> str:
        """Return what the manifest says of a file, "" for nothing."""
        return self.rows.get(name, {}).get(column, "").strip()


def _identity(name: str, row: Mapping[str, str]) -> tuple[str, ...]:
    """Return what identifies a patient; a file with a side but no patient is one."""
    patient = row["patient"].strip()
    return ("patient", patient, "") if patient else ("file", name)


def _sides(
    rows: Mapping[str, Mapping[str, str]], patients: Mapping[str, str]
) -> dict[str, str]:
    sides: dict[str, str] = {}
    first: dict[str, str] = {}
    for name, patient in patients.items():
        side = rows[name].get("split", "").strip()
        if not side:
            continue
        if side not in SPLITS:
            raise SettingsError(
                f"a manifest puts {name} in {side!r}; expected one of "
                f"{', '.join(SPLITS)}"
            )
        if sides.setdefault(patient, side) != side:
            raise SettingsError(
                f"a manifest puts {first[patient]} in {sides[patient]} and {name} in "
                f"{side}, but both are of one patient; correct it, or leave its column "
                "split out"
            )
        first.setdefault(patient, name)
    return sides
