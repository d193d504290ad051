"""Let a network give its feature maps beside its residual, and time it."""

from __future__ import annotations

import time
from functools import lru_cache

import numpy as np

from cxr_sr.superres.engines.checked import Array, Checked

PATCH_PX = 128
"""Side of the image for which the cost of the maps is measured."""
RUNS = 3


class Tapped:
    """An engine for one tile; it keeps the feature maps of its first call.

    With int8, the strong parts of a tile are computed again with less gain. A head does
    without that, so these calls count neither for the maps nor for the time. Of an RGB
    image, a gray network computes the first plane first.
    """

    def __init__(self, engine: Checked) -> None:
        self.engine = engine
        self.name, self.precision = engine.name, engine.precision
        self.weights_sha256, self.footprint = engine.weights_sha256, engine.footprint
        self.maps: Array | None = None
        """(width, h, w), in units times the gain; None before the first call."""
        self.seconds = 0.0
        """Time of the first call."""

    def __call__(self, image: Array) -> Array:
        """Return the residual of an image; see `Engine`."""
        begun = time.perf_counter()
        residual, maps = self.engine.both(image)
        if self.maps is None:
            self.maps, self.seconds = maps[0], time.perf_counter() - begun
        return residual

    def release(self) -> None:
        """Free the working memory of earlier calls."""
        self.engine.release()


@lru_cache(maxsize=8)  # once in a process: it takes as long as three small tiles
def share_without_maps(plain: Checked, tapped: Checked, planes: int) -> float:
    """Return the time of a network without its maps, as a share of that with them.

    Parameters
    ----------
    planes : number of planes of the input
    """
    random = np.random.default_rng(0)
    image = random.random((1, planes, PATCH_PX, PATCH_PX), np.float32)
    plain_s, tapped_s = [], []
    for _ in range(RUNS):
        plain_s.append(_seconds(plain, image))
        tapped_s.append(_seconds(tapped, image))
    return min(1.0, min(plain_s) / min(tapped_s))


def _seconds(engine: Checked, image: Array) -> float:
    begun = time.perf_counter()
    engine(image)
    return time.perf_counter() - begun
