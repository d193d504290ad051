"""Choose the part of an image to show when the whole is too large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Stored = NDArray[np.integer[Any]]

CELL_PX = 8
"""Side of a cell, px. Structure is measured between the means of cells, because
differences between pixels are mostly noise."""
STRONG = 75
"""Percentile of the steps between cells; larger steps count as structure."""


@dataclass(frozen=True)
class Region:
    """A rectangle of pixels."""

    row: int
    column: int
    rows: int
    columns: int

    def of(self, stored: Stored) -> Stored:
        """Cut the region out of (H, W[, C])."""
        down = slice(self.row, self.row + self.rows)
        return stored[down, self.column : self.column + self.columns]

    def finer(self, factors: tuple[float, float], shape: tuple[int, int]) -> Region:
        """Return the region of a finer image that covers this region."""
        down, across = factors
        top, left = int(self.row * down), int(self.column * across)
        bottom = min(int(np.ceil((self.row + self.rows) * down)), shape[0])
        right = min(int(np.ceil((self.column + self.columns) * across)), shape[1])
        return Region(top, left, bottom - top, right - left)


def busiest(stored: Stored, size: tuple[int, int]) -> Region:
    """Return the region of at most `size` (rows, columns) with the most structure.

    Strong steps are counted, not added up: otherwise a lead marker would outweigh a
    lung. Of several such regions, the one nearest to the centre is returned.

    Parameters
    ----------
    stored : (H, W) or (H, W, C)
    """
    rows, columns = (min(n, m) for n, m in zip(stored.shape, size, strict=False))
    inside = (stored.shape[0] - rows, stored.shape[1] - columns)
    if not any(inside) or min(stored.shape[:2]) < CELL_PX:
        return Region(inside[0] // 2, inside[1] // 2, rows, columns)
    counts = _counts(_steps(stored), (rows // CELL_PX, columns // CELL_PX))
    corners = np.argwhere(counts == counts.max()) * CELL_PX
    middle = np.array(inside) / 2
    row, column = min(corners.tolist(), key=lambda c: abs(c - middle).sum())
    return Region(min(row, inside[0]), min(column, inside[1]), rows, columns)


def _steps(stored: Stored) -> NDArray[np.bool_]:
    """Return the cells in which the image changes most."""
    plane = stored if stored.ndim == 2 else stored[:, :, 1]
    rows, columns = (n // CELL_PX for n in plane.shape)
    cells = plane[: rows * CELL_PX, : columns * CELL_PX].reshape(
        rows, CELL_PX, columns, CELL_PX
    )
    means = cells.mean(axis=(1, 3))
    steps = np.zeros_like(means)
    steps[1:] += np.abs(np.diff(means, axis=0))
    steps[:, 1:] += np.abs(np.diff(means, axis=1))
    found: NDArray[np.bool_] = steps > np.percentile(steps, STRONG)
    return found


def _counts(found: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.intp]:
    """Count in every window of `size`: (H - rows + 1, W - columns + 1)."""
    rows, columns = size
    sums = np.pad(found.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    tall = sums[rows:] - sums[: len(sums) - rows]
    counts: NDArray[np.intp] = tall[:, columns:] - tall[:, : tall.shape[1] - columns]
    return counts
