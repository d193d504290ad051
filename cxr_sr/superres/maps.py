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
    """(width, rows, columns): sum over the pixels of the tile in each cell."""


class Maps:
    """The mean strength of each feature map in each cell of a grid over an image.

    The strength is the absolute value: the values of a texture have both signs, so
    their mean would be nearly zero. A cell has whole pixels. If the grid is finer than
    the image, several cells have the value of one pixel.

    Parameters
    ----------
    shape : (rows, columns) of the image
    grid : (rows, columns) of cells
    weights : SHA-256 of the weights files that compute the maps of the head
    """

    def __init__(
        self, shape: Shape, grid: Shape, weights: frozenset[str] = frozenset()
    ) -> None:
        self.weights = weights
        self.saved_s = 0.0
        """Wall time of the network without its maps, which a head need not spend
        again."""
        self._grid = grid
        self._edges = [
            np.arange(min(pair) + 1) * pair[0] // min(pair)
            for pair in zip(shape, grid, strict=True)
        ]
        self._sums: NDArray[np.float32] | None = None

    @property
    def values(self) -> NDArray[np.float32] | None:
        """(width, *grid) in units; None until `add` was called for each tile."""
        if self._sums is None:
            return None
        found = self._sums
        for axis, edges in enumerate(self._edges, start=1):
            counts = np.diff(edges).astype(np.float32)
            found = found / counts.reshape((-1, 1)[: 3 - axis])
            cells = (
                np.arange(self._grid[axis - 1]) * len(counts) // self._grid[axis - 1]
            )
            found = found.take(cells, axis)
        return found

    def part(self, maps: Array, tile: Tile, gain: float = 1.0) -> MapsPart:
        """Return the part of one tile; several threads may call this function.

        Parameters
        ----------
        maps : (width, h, w) of the padded tile, in units times `gain`
        """
        cells: list[slice] = []
        starts = []
        for edges, core in zip(self._edges, tile.core, strict=True):
            first = int(np.searchsorted(edges, core.start, "right")) - 1
            last = int(np.searchsorted(edges, core.stop))
            cells.append(slice(first, last))
            starts.append((edges[first:last] - core.start).clip(0))
        down, across = starts
        inner = tile.inner()
        # A matrix product would be as fast, but BLAS has threads of its own.
        sums = np.stack(
            [
                np.add.reduceat(np.add.reduceat(abs(plane[inner]), down), across, 1)
                for plane in maps
            ]
        )
        sums /= np.float32(gain)
        return MapsPart((cells[0], cells[1]), sums.astype(np.float32))

    def add(self, part: MapsPart) -> None:
        """Add the part of one tile; always in the same order, as sums are rounded."""
        if self._sums is None:
            cells = [len(edges) - 1 for edges in self._edges]
            self._sums = np.zeros((len(part.sums), *cells), np.float32)
        self._sums[:, *part.place] += part.sums
