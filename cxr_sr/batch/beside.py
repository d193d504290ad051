"""Choose the paths of the masks of a run, and check them before any work."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath
from typing import TypeVar

from cxr_sr.errors import OutputError
from cxr_sr.formats.registry import format_named
from cxr_sr.report.outcome import Job

AnyPath = TypeVar("AnyPath", bound=PurePath)


def mask_path(result: AnyPath) -> AnyPath:
    """Return the path of the mask of a result: NAME_mask.SUFFIX in the same folder.

    A suffix that names no format is a part of the name, as in 1.2.840.10008.
    """
    if format_named(result.suffix) is None:
        return result.with_name(f"{result.name}_mask")
    return result.with_name(f"{result.stem}_mask{result.suffix}")


def picture_path(mask: AnyPath) -> AnyPath:
    """Return the path of a mask that is written as PNG, because it cannot be DICOM."""
    suffix = mask.suffix if format_named(mask.suffix) else ""
    return mask.with_name(f"{mask.name.removesuffix(suffix)}.png")


def with_masks(jobs: Iterable[Job], *, pictures: bool = False) -> list[Job]:
    """Return the jobs, and a job for each mask, so that all paths can be checked.

    Parameters
    ----------
    pictures : True if a mask may also be written as a PNG file

    Raises
    ------
    OutputError
        If a mask has the path of another result or mask.
    """
    jobs = list(jobs)
    masks = [mask for job in jobs for mask in _masks(job, pictures=pictures)]
    taken = {job.target: job for job in jobs}
    for mask in masks:
        other = taken.setdefault(mask.target, mask)
        if other.name != mask.name:
            raise OutputError(
                f"the mask of {mask.name} and an output of {other.name} would both be "
                f"written to {mask.output}; rename one of the inputs, or work on them "
                "in two runs with different output folders"
            )
    return [*jobs, *masks]


def _masks(job: Job, *, pictures: bool) -> Iterator[Job]:
    output, target = mask_path(PurePath(job.output)), mask_path(job.target)
    yield _moved(job, output, target)
    if pictures and picture_path(target) != target:
        yield _moved(job, picture_path(output), picture_path(target))


def _moved(job: Job, output: PurePath, target: Path) -> Job:
    return dataclasses.replace(job, output=output.as_posix(), target=target)
