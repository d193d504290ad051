"""Read manifests: tables with patients and other facts that the image files lack."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cxr_sr.errors import SettingsError
from cxr_sr.index.split import SPLITS, Salt
from cxr_sr.index.table import read_table

NAME = "manifest.csv"
"""Name of manifests in the data's folder and its subfolders."""
MANIFEST_COLUMNS = ("file", "patient")
"""Required columns. The optional column split decides the split. The optional columns
view, body_part, age, sex, pixel_spacing_mm, source and licence add facts that a file
does not state."""


@dataclass(frozen=True)
class Manifest:
    """The rows of manifests, by the file's path below the data's folder."""

    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    patients: Mapping[str, str] = field(default_factory=dict)
    """Salted hash of the patient, for files with a patient in the manifest."""
    sides: Mapping[str, str] = field(default_factory=dict)
    """Split of each patient (by salted hash), if the manifest states one."""

    @classmethod
    def read(cls, paths: Iterable[Path], data: Path, salt: Salt) -> Manifest:
        """Read manifests as one table; paths are relative to a manifest's folder.

        The same patient number in two manifests is one patient. If two manifests list
        the same file, the later one counts.

        Raises
        ------
        SettingsError
            If a file is no manifest, a split is not train, val or test, or a patient is
            in two splits.
        """
        rows: dict[str, Mapping[str, str]] = {}
        root = data.resolve()
        for path in paths:
            here = path.parent.resolve()
            for row in read_table(path, MANIFEST_COLUMNS):
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
        """Tell whether a file is a manifest; other files may have the same name."""
        try:
            read_table(path, MANIFEST_COLUMNS)
        except SettingsError:
            return False
        return True

    def tells(self, name: str, column: str) -> str:
        """Return a cell of the manifest; "" if it is empty or missing."""
        return self.rows.get(name, {}).get(column, "").strip()


def _identity(name: str, row: Mapping[str, str]) -> tuple[str, ...]:
    """Return the identity of a row's patient, or of the file without a patient."""
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
                f"{side}, but both show the same patient; give both the same split, or "
                "remove the column split"
            )
        first.setdefault(patient, name)
    return sides
