"""Read a table of tags: a row for each picture, and a column for each attribute.

::

    file,PatientID,PatientSex,StudyInstanceUID,StudyDate,Modality
    a/1.png,17,F,1.2.3.4,2020-01-31,DX
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cxr_sr.errors import SettingsError
from cxr_sr.formats.header.tags import keyword_of, value_of
from cxr_sr.index.table import read_table
from cxr_sr.report.outcome import Job

FILE = "file"
"""The column with the files' paths, relative to the table or to the input folder."""


@dataclass(frozen=True)
class TagTable:
    """The tags in a table, by the file of the image."""

    name: str
    """Name of the table's file, for messages."""
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """For each file, the values by DICOM keyword; the keys are normalised paths."""
    folder: str = ""
    """Real path of the table's folder."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a CSV file.

        Raises
        ------
        SettingsError
            If the file cannot be read, has no column `file`, names an unknown or
            forbidden attribute, has an invalid value, or has two rows for one file.
        """
        table = _table(path)
        columns = [c for c in (table[0] if table else {}) if c != FILE]
        try:
            keywords = {column: keyword_of(column) for column in columns}
        except SettingsError as error:
            raise SettingsError(f"{path.name}, first line: {error}") from error
        rows: dict[str, Mapping[str, str]] = {}
        for number, row in enumerate(table, start=2):
            file = os.path.normpath(row[FILE].strip())
            if file in rows:
                raise SettingsError(
                    f"{path.name}, line {number}: a second row for {file}; remove one "
                    "of them"
                )
            rows[file] = _values(row, keywords, f"{path.name}, line {number}")
        return cls(path.name, rows, os.path.realpath(path.parent))

    @property
    def sha256(self) -> str:
        """SHA-256 of all files and values; the report has it instead of the values."""
        stated = json.dumps({k: dict(v) for k, v in self.rows.items()}, sort_keys=True)
        return hashlib.sha256(stated.encode()).hexdigest()

    def of(self, job: Job) -> Mapping[str, str] | None:
        """Return the tags of a job's input; None if it has no row."""
        return next((self.rows[k] for k in self._names(job) if k in self.rows), None)

    def unmatched(self, jobs: Iterable[Job]) -> list[str]:
        """Return the files of the rows without a job."""
        met = {name for job in jobs for name in self._names(job)}
        return [file for file in self.rows if file not in met]

    def _names(self, job: Job) -> tuple[str, ...]:
        """Return the paths by which a row may name a job's input."""
        source = os.path.realpath(job.source)
        return os.path.relpath(source, self.folder), os.path.normpath(job.name), source


def _table(path: Path) -> list[dict[str, str]]:
    try:
        return read_table(path, (FILE,))
    except SettingsError as error:
        raise SettingsError(
            f"{path.name} is no table of tags: expected a CSV file in UTF-8 with the "
            f"column {FILE}, and columns named as DICOM attributes, such as PatientID"
        ) from error


def _values(
    row: Mapping[str, str], keywords: Mapping[str, str], where: str
) -> dict[str, str]:
    try:
        return {
            keyword: value_of(keyword, row[column])
            for column, keyword in keywords.items()
            if (row[column] or "").strip()
        }
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error
