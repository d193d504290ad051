"""Average the feature maps of a trunk over the cells of a small grid, tile by tile.

Super-resolution computes the maps at the size of the image. A head reads them on its
small grid, so only the means of a tile are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.superres.tiling import Part, Shape, Tile

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class MapsPart:
    """What one tile adds to the maps."""

    place: Part
    """(rows, columns) of the cells that the tile touches."""
    sums: NDArray[np.float32]
    """(width, rows, columns): the tile's share in the mean of each cell."""


@dataclass
class Maps:
    """The mean strength of each feature map in each cell of a grid over an image.

    The strength is the absolute value: the values of a texture have both signs, so
    their mean would be nearly zero.
    """

    shape: Shape
    """(rows, columns) of the image."""
    grid: Shape
    """(rows, columns) of cells."""
    weights: frozenset[str] = frozenset()
    """SHA-256 of the weights files that compute the maps of the head."""
    values: NDArray[np.float32] | None = None
    """(width, *grid) in units; None until `add` was called for each tile."""
    saved_s: float = 0.0
    """Wall time of the network without its maps, which a head need not spend again."""

    def __post_init__(self) -> None:
        self._shares = [
            _overlaps(*pair) for pair in zip(self.shape, self.grid, strict=True)
        ]

    def part(self, maps: Array, tile: Tile, gain: float = 1.0) -> MapsPart:
        """Return the part of one tile; several threads may call this function.

        Parameters
        ----------
        maps : (width, h, w) of the padded tile, in units times `gain`
        """
        down, across = (
            shares[:, core]
            for shares, core in zip(self._shares, tile.core, strict=True)
        )
        rows, columns = (_touched(shares) for shares in (down, across))
        core = tile.inner()
        left, right = down[rows] / np.float32(gain), across[columns].T
        sums = np.stack([left @ np.abs(plane[core]) @ right for plane in maps])
        return MapsPart((rows, columns), sums)

    def add(self, part: MapsPart) -> None:
        """Add the part of one tile; always in the same order, as sums are rounded."""
        if self.values is None:
            self.values = np.zeros((len(part.sums), *self.grid), np.float32)
        self.values[:, *part.place] += part.sums


def _overlaps(length: int, count: int) -> NDArray[np.float32]:
    """Return the share (count, length) of each pixel in the mean of each cell."""
    edges = np.linspace(0, length, count + 1)[:, None]
    pixels = np.arange(length)
    over = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    shares: NDArray[np.float32] = (over.clip(0) * count / length).astype(np.float32)
    return shares


def _touched(shares: NDArray[np.float32]) -> slice:
    found = np.flatnonzero(shares.any(axis=1))
    return slice(int(found[0]), int(found[-1]) + 1)
