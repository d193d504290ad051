"""Do the work of `upscale` on jobs, each with its own recipe and time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cxr_sr.batch.pipeline import Stage
from cxr_sr.batch.upscaling import Upscaling, UpscalingRecipe, clock
from cxr_sr.report.entries import FileFacts
from cxr_sr.report.outcome import Job


@dataclass(frozen=True)
class TimedJob(Job):
    """A job with its own recipe and time, for a service that runs for weeks."""

    recipe: int = 0
    """Number of the recipe for the result."""
    now: datetime | None = None
    """The time for the header of the result."""


class Treatments:
    """Does each job by its own recipe, stage by stage or in one call."""

    def __init__(self, recipes: Sequence[UpscalingRecipe]) -> None:
        self._recipes = recipes

    def __call__(self, job: Job) -> FileFacts:
        """Make one output.

        Raises
        ------
        CxrSrError
            If the file cannot be read, is no radiograph, or cannot be written.
        """
        return self._of(job)(job)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages: read, compute, write."""
        return tuple(self._stage(n) for n in range(3))

    def _stage(self, number: int) -> Callable[[Job, Any], Any]:
        return lambda job, value: self._of(job).stages[number](job, value)

    def _of(self, job: Job) -> Upscaling:
        if not isinstance(job, TimedJob):
            raise TypeError(f"expected a TimedJob, found {type(job).__name__}")
        recipe = self._recipes[job.recipe]
        return Upscaling(recipe if job.now is None else recipe.at(job.now))


@dataclass(frozen=True)
class SeriesClock:
    """The times of series: a series has the time of its first processed instance.

    All instances of a series share SeriesDate and SeriesTime (PS3.3 C.7.3.1), but
    arrive one by one. A file for each series keeps the time across restarts.
    """

    folder: Path

    def time_of(self, series: str) -> datetime:
        """Return the time to write into the results of a series.

        Raises
        ------
        SettingsError
            If SOURCE_DATE_EPOCH is set but is no number.
        """
        if not series:
            return clock(None)
        name = hashlib.sha256(series.encode(errors="replace")).hexdigest()[:32]
        path = self.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.touch(exist_ok=False)
        return clock(datetime.fromtimestamp(int(path.stat().st_mtime), UTC))

    def forget(self, before: float) -> None:
        """Forget the series that began before a time, in seconds since 1970."""
        for path in self.folder.glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
