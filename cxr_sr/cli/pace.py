"""Estimate the rate and the remaining time of a run from pixels, not files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

SURVEY_SECONDS = 2.0
"""Longest time to read headers for the estimate, in seconds."""
LEAST_SECONDS = 1.0
"""Time of work before the first estimate, in seconds."""


class Pace:
    """Counts finished files; time and pixels of files without work do not count.

    Parameters
    ----------
    total : number of files
    pixels : number of pixels of each file to work on; empty: no estimate
    clock : returns the time in seconds; tests replace it
    """

    def __init__(
        self,
        total: int,
        pixels: Mapping[Path, float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self.files = 0
        """Number of finished files."""
        self._pixels = dict(pixels)
        self._left = sum(self._pixels.values())
        self._done = 0.0
        self._spent_s = 0.0
        self._clock = clock
        self._latest = clock()

    def finish(self, source: Path | None, *, worked: bool) -> None:
        """Count one file.

        Parameters
        ----------
        worked : the file was processed; False if it was kept or skipped
        """
        now = self._clock()
        pixels = self._pixels.pop(source, 0.0) if source else 0.0
        self.files += 1
        self._left -= pixels
        if worked:
            self._done += pixels
            self._spent_s += now - self._latest
        self._latest = now

    @property
    def rate(self) -> float | None:
        """Pixels per second; None while too little work is done."""
        if self._spent_s < LEAST_SECONDS or not self._done:
            return None
        return self._done / self._spent_s

    @property
    def remaining_s(self) -> float | None:
        """Remaining time in seconds; None while the rate is unknown."""
        return None if self.rate is None else max(self._left, 0.0) / self.rate

    @property
    def text(self) -> str:
        """The rate and the remaining time in words; "" while they are unknown."""
        if self.rate is None or self.remaining_s is None:
            return ""
        return f"{self.rate / 1e6:.3g} MP/s, {duration(self.remaining_s)} left"


def duration(seconds: float) -> str:
    """Return a rounded duration, such as "45 s", "12 min" or "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def pixel_counts(sources: Sequence[Path]) -> dict[Path, float]:
    """Return the number of pixels of each file, from its header.

    The function reads headers for at most `SURVEY_SECONDS`. For the other files, and
    without a size in the header, it estimates the number from the file's bytes.
    """
    until = time.monotonic() + SURVEY_SECONDS
    stated = {path: _stated(path) for path in _while(until, sources)}
    known = {path: pixels for path, pixels in stated.items() if pixels}
    size = {path: _bytes(path) for path in sources}
    together = sum(size[path] for path in known)
    density = sum(known.values()) / together if together else 1.0
    return {path: known.get(path) or size[path] * density for path in sources}


def _while(until: float, sources: Sequence[Path]) -> Iterator[Path]:
    """Yield sources until the time is up."""
    for path in sources:
        if time.monotonic() > until:
            return
        yield path


def _stated(path: Path) -> float:
    from cxr_sr.errors import InputError
    from cxr_sr.formats import inspect

    try:
        found = inspect(path)
    except InputError:
        return 0.0
    return float((found.rows or 0) * (found.columns or 0))


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
