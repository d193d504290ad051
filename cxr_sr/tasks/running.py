"""Do the work of `cxr-sr task run` on one file; write the table of all results."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from cxr_sr.errors import OutputError, ReportError
from cxr_sr.files import sha256_of, write_text
from cxr_sr.formats import read_original
from cxr_sr.report.earlier import fingerprint
from cxr_sr.report.entries import FileEntry, FileFacts, RunEntry
from cxr_sr.report.outcome import Job
from cxr_sr.tasks.heads import Head
from cxr_sr.tasks.infer import predict
from cxr_sr.tasks.segmentation import write_masks
from cxr_sr.texts import csv_text

TABLE = "probabilities.csv"
"""Name of the table in the output folder."""
DOUBTFUL = "doubtful"
"""Column for masks that may be wrong."""


@dataclass(frozen=True)
class TaskRecipe:
    """All settings that decide an output's bytes, except its input and the time."""

    head: Head
    format: str
    version: str
    """Version of cxr-sr."""
    now: datetime | None = None
    again: bool = False
    """Accept results of cxr-sr as input, too."""

    def describe(self) -> dict[str, Any]:
        """Return the settings for the report."""
        spec = self.head.spec
        return {
            "head": spec.name,
            "head_sha256": spec.sha256,
            "kind": spec.kind,
            "classes": list(spec.classes),
            "format": self.format,
            "version": self.version,
        }

    @property
    def sha256(self) -> str:
        """SHA-256 of the settings; a resumed run with the same hash keeps outputs."""
        return fingerprint(self.describe())

    def announce(self) -> RunEntry:
        """Return the first line of a run's report."""
        return {
            "cxr_sr": self.version,
            "clock": self.now.isoformat() if self.now else None,
            "settings_sha256": self.sha256,
            "settings": self.describe(),
        }

    def at(self, now: datetime) -> TaskRecipe:
        """Return the recipe with the time for the headers of the results."""
        return dataclasses.replace(self, now=now)


class Running:
    """Reads a file, runs the head, and writes its result."""

    def __init__(self, recipe: TaskRecipe) -> None:
        self._recipe = recipe

    def __call__(self, job: Job) -> FileFacts:
        """Make one output, masks or a JSON file of probabilities; return its facts.

        Raises
        ------
        CxrSrError
            If the file cannot be read, is no radiograph, or cannot be written.
        """
        recipe, spec = self._recipe, self._recipe.head.spec
        radiograph = read_original(job.source, again=recipe.again)
        found = predict(radiograph, recipe.head)
        facts = found.facts()
        if found.doubts:
            facts["warnings"] = list(found.doubts)
        job.target.parent.mkdir(parents=True, exist_ok=True)
        if found.masks is None:
            text = json.dumps(facts["probabilities"], indent=2) + "\n"
            write_text(job.target, text)
        else:
            now = recipe.now or datetime.now().astimezone()
            write_masks(radiograph, found.masks, spec, job.target, now)
        return cast(
            "FileFacts",
            {
                "output": job.output,
                "input_sha256": sha256_of(job.source),
                "output_sha256": sha256_of(job.target),
                "input_size": radiograph.shape,
                "input_spacing_mm": radiograph.geometry.spacing_mm,
                "settings_sha256": recipe.sha256,
                **facts,
                "seconds": {"head": round(found.seconds, 3)},
            },
        )


def write_table(
    folder: Path, classes: Iterable[str], entries: Iterable[FileEntry]
) -> Path:
    """Write the probabilities of all files into the output folder; return the path.

    For masks, a row also has the share of the image in each mask, and 1 in the column
    `doubtful` if a warning says that a mask may be wrong, else 0.

    Raises
    ------
    ReportError
        If the table cannot be written.
    """
    names = list(classes)
    rows = []
    masked = False
    for entry in sorted(entries, key=lambda entry: entry["file"]):
        row: dict[str, Any] = {"file": entry["file"], **entry.get("probabilities", {})}
        shares = entry.get("mask_shares", {})
        masked = masked or bool(shares)
        row |= {f"{name} share": share for name, share in shares.items()}
        if "mask_doubtful" in entry:
            row[DOUBTFUL] = int(entry["mask_doubtful"])
        rows.append(row)
    columns = ["file", *names]
    if masked:
        columns += [*(f"{name} share" for name in names), DOUBTFUL]
    path = folder / TABLE
    try:
        write_text(path, csv_text(columns, rows))
    except OutputError as error:
        raise ReportError(f"{TABLE}: {error}") from error
    return path
