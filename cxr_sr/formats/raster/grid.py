"""Where the pixels of a raster file lie in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_sr.radiograph import Geometry

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Grid:
    """Where a raster file says its pixels lie, in the order x, y and perhaps z."""

    spacing_mm: Vector
    origin_mm: Vector
    """Centre of the first pixel."""
    direction: Vector
    """Row by row, the matrix from axes to space."""

    @classmethod
    def of(cls, geometry: Geometry) -> Grid | None:
        """Return the grid of an image with spacings only."""
        if geometry.spacing_mm is None:
            return None
        (down, across), (y, x) = geometry.spacing_mm, geometry.origin_mm
        return cls((across, down), (x, y), (1.0, 0.0, 0.0, 1.0))

    @property
    def geometry(self) -> Geometry:
        """The same in the package's order, in the image's own plane."""
        (across, down, *_), (x, y, *_) = self.spacing_mm, self.origin_mm
        return Geometry((down, across), (y, x))

    def finer(self, factors: tuple[float, float]) -> Grid:
        """Return the grid from the same first edges, (rows, columns) times finer."""
        down, across = factors
        divided = (across, down, 1.0)[: len(self.spacing_mm)]
        spacing = _plain(np.divide(self.spacing_mm, divided))
        axes = np.reshape(self.direction, (len(spacing), -1))
        shift = axes @ (spacing - self.spacing_mm) / 2
        origin = np.add(self.origin_mm, shift)
        return Grid(tuple(spacing.tolist()), tuple(origin.tolist()), self.direction)


def grid_along(axes: list[Vector], origin_mm: Vector) -> Grid | None:
    """Return the grid whose steps from pixel to pixel are these vectors.

    Parameters
    ----------
    axes : one vector in mm for each axis, as long as there are axes

    Returns
    -------
    None where a vector has no length: such a spacing is as good as absent.
    """
    steps = np.array(axes)
    spacing = np.linalg.norm(steps, axis=1)
    if not (spacing > 0).all():
        return None
    direction = (steps / spacing[:, np.newaxis]).T
    return Grid(tuple(spacing.tolist()), origin_mm, tuple(direction.ravel().tolist()))


def _plain(spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 0.07 for 0.06999999999999999, the result of a division."""
    short = np.array([float(f"{mm:.10g}") for mm in spacing_mm])
    return np.where(
        np.isclose(short, spacing_mm, rtol=1e-15, atol=0), short, spacing_mm
    )
