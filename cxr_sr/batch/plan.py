"""Plan a batch: find the jobs of a run, and check their paths before any work."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Self

from cxr_sr.batch.outputs import OutputFormat, apart, job_of
from cxr_sr.errors import OutputError, SettingsError
from cxr_sr.formats.discover import Candidate, Found, discover
from cxr_sr.report.outcome import Job, Outcome, Status
from cxr_sr.texts import part_of

SHOWN = 3
"""Number of names in a message."""
RESUMABLE = "use --resume to keep finished outputs, or --overwrite to replace them"


@dataclass(frozen=True)
class Shard:
    """One of several disjoint parts of the input."""

    index: int
    """Counted from 1."""
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "I/N".

        Raises
        ------
        SettingsError
            If it is not two whole numbers with 1 <= I <= N.
        """
        if part := part_of(text):
            return cls(*part)
        raise SettingsError(f"--shard {text!r}; expected I/N with 1 <= I <= N, as 1/8")

    def holds(self, name: str) -> bool:
        """Tell whether a file belongs to this part.

        The name alone decides, so every machine finds the same parts, even while other
        files appear in the folder.
        """
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1


@dataclass(frozen=True)
class Plan:
    """The jobs of a run, and the files of the input that are no jobs."""

    jobs: list[Job]
    left_out: list[Outcome]
    """Files that are no images: failed if the user named them, else skipped."""


def gather(
    inputs: Iterable[Path], output: Path, form: OutputFormat, part: Shard
) -> Plan:
    """Find the files of the inputs, and choose an output for each; take a file once.

    The output folder gets the same subfolders as an input folder. Files that the user
    named one by one keep their paths below their common folder. All jobs have different
    outputs (see `apart`), also across the parts of `part`.
    """
    jobs, left_out = [], []
    seen: set[str] = set()
    for found in find_files(list(inputs)):
        name = found.relative.as_posix()
        identity = f"{os.path.realpath(found.path)}\0{name}"
        if identity in seen:
            continue
        seen.add(identity)
        job = job_of(found, output, form)
        if isinstance(found, Candidate):
            jobs.append(job)
        else:
            status: Status = "failed" if found.asked else "skipped"
            left_out.append(Outcome(job, status, reason=found.reason))
    jobs, clashing = apart(jobs)
    return Plan(
        [job for job in jobs if part.holds(job.name)],
        [o for o in (*left_out, *clashing) if part.holds(o.job.name)],
    )


def find_files(inputs: list[Path]) -> Iterator[Found]:
    """Yield every file of the inputs, with its path below the input folder.

    Files that the user named one by one get their paths below their common folder.
    """
    files = [path for path in inputs if not _holds_others(path)]
    yield from discover(path for path in inputs if _holds_others(path))
    if files:
        common = os.path.commonpath([path.absolute().parent for path in files])
        for found in discover(files):
            relative = os.path.relpath(found.path.absolute(), common)
            yield dataclasses.replace(found, relative=PurePath(relative))


def _holds_others(path: Path) -> bool:
    return path.is_dir() or path.name.upper() == "DICOMDIR"


def check_places(
    jobs: Iterable[Job], report: Path | None, inputs: Iterable[Path]
) -> None:
    """Make sure that every output lies outside the input.

    Parameters
    ----------
    report : the path of the report; None if there is none

    Raises
    ------
    OutputError
        If an output or the report is an input or lies in an input folder.
    """
    jobs, inputs = list(jobs), list(inputs)
    places = {job.name: job.target for job in jobs}
    if report is not None:
        places["the report"] = report
    sources = {os.path.realpath(job.source) for job in jobs}
    _refuse_inputs(places, sources, inputs)


def check_place(
    name: str, place: Path, sources: Iterable[Path], inputs: Iterable[Path]
) -> None:
    """Make sure that one file is written outside the input.

    Parameters
    ----------
    name : name of the file in messages
    sources : files that must not be replaced
    inputs : folders into which nothing may be written; files among them are ignored

    Raises
    ------
    OutputError
        If the file is a source or lies in an input folder.
    """
    _refuse_inputs({name: place}, {os.path.realpath(path) for path in sources}, inputs)


def _refuse_inputs(
    places: dict[str, Path], sources: set[str], inputs: Iterable[Path]
) -> None:
    folders = [path for path in inputs if path.is_dir()]
    inside = tuple(os.path.join(os.path.realpath(f), "") for f in folders)  # noqa: PTH118
    for name, place in places.items():
        target = os.path.realpath(place)
        if target in sources or target.startswith(inside):
            raise OutputError(
                f"{name} would be written into the input folder; choose an --output "
                "folder outside of it"
            )


def check_absent(jobs: Iterable[Job], remedy: str = RESUMABLE) -> None:
    """Make sure that no output exists yet.

    Parameters
    ----------
    remedy : advice for the user, at the end of the message

    Raises
    ------
    OutputError
        If an output exists.
    """
    present = [job.name for job in jobs if job.target.exists()]
    if present:
        more = f" and {len(present) - SHOWN} more" if len(present) > SHOWN else ""
        raise OutputError(
            f"the output of {', '.join(present[:SHOWN])}{more} exists already; {remedy}"
        )
