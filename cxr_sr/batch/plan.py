"""What is to be made of what: every output's place is known, and fit, before any work.

Names come from the input's paths, never from what is written in a file.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, Self

from cxr_sr.batch.runner import Job
from cxr_sr.errors import OutputError, SettingsError

OutputFormat = Literal["same", "dicom", "png", "tiff", "npy"]

SUFFIXES = {"dicom": ".dcm", "png": ".png", "tiff": ".tif", "npy": ".npy"}
RASTERS = (".png", ".tif", ".tiff", ".mha", ".nrrd", ".npy")
REPLACED = (*RASTERS, ".dcm", ".dicom", ".ima")
"""Endings that name a format; what else follows a dot belongs to the name, as in a
file that is called by its UID."""

SHOWN = 3
"""How many names a message lists."""


@dataclass(frozen=True)
class Shard:
    """One of several disjoint parts of the input."""

    index: int
    """From 1."""
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "I/N".

        Raises
        ------
        SettingsError
            If it is not two whole numbers with 1 <= I <= N.
        """
        index, slash, count = text.partition("/")
        if slash and index.isdecimal() and count.isdecimal():
            shard = cls(int(index), int(count))
            if 1 <= shard.index <= shard.count:
                return shard
        raise SettingsError(f"--shard {text!r}; expected I/N with 1 <= I <= N, as 1/8")

    def holds(self, name: str) -> bool:
        """Whether a file belongs to this part.

        Its name decides and nothing else, so that every machine finds the same parts,
        whatever else is in the folder.
        """
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1


def output_name(name: str, form: OutputFormat) -> str:
    """Return the output's path below the output folder, for an input's path.

    `same` keeps the name whatever it is, and so does `dicom` for all that is not named
    as another format: DICOM files often have no ending at all.
    """
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    if form == "same" or (form == "dicom" and suffix not in RASTERS):
        return name
    stem = path.stem if suffix in REPLACED else path.name
    return str(path.with_name(stem + SUFFIXES[form]))


def check_places(jobs: Iterable[Job], roots: Iterable[Path]) -> list[Job]:
    """Return the jobs, each file once, if every output has a place of its own.

    Raises
    ------
    OutputError
        If two inputs would be written to one output (on a file system that ignores
        case, too), or an output lies in an input folder or is itself an input.
    """
    unique = list({(_real(j.source), str(j.target)): j for j in jobs}.values())
    _refuse_collisions(unique)
    _refuse_inputs(unique, [root for root in roots if root.is_dir()])
    return unique


def _real(path: Path) -> str:
    return os.path.realpath(path)


def _refuse_collisions(jobs: list[Job]) -> None:
    taken: dict[str, Job] = {}
    for job in jobs:
        # macOS and Windows ignore case; macOS also the composition of accents.
        key = unicodedata.normalize("NFC", str(job.target)).casefold()
        other = taken.setdefault(key, job)
        if other is not job:
            raise OutputError(
                f"{other.name} and {job.name} would both be written to "
                f"{job.target.name}; give their common parent folder as the input, or "
                "convert them to different output folders"
            )


def _refuse_inputs(jobs: list[Job], folders: list[Path]) -> None:
    sources = {_real(job.source) for job in jobs}
    inside = tuple(os.path.join(_real(folder), "") for folder in folders)  # noqa: PTH118
    for job in jobs:
        target = _real(job.target)
        if target in sources or target.startswith(inside):
            raise OutputError(
                f"{job.name} would be written into the input; choose an --output "
                "folder outside of it"
            )


def check_absent(jobs: Iterable[Job]) -> None:
    """Make sure that no output exists yet.

    Raises
    ------
    OutputError
        If one does.
    """
    present = [job.name for job in jobs if job.target.exists()]
    if present:
        more = f" and {len(present) - SHOWN} more" if len(present) > SHOWN else ""
        raise OutputError(
            f"the output of {', '.join(present[:SHOWN])}{more} exists already; use "
            "--resume to keep what is done, or --overwrite to replace it"
        )
