"""Describe the position of the pixels of a raster file in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_sr.radiograph import Geometry

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Grid:
    """The position of the pixels in a file, in the order x, y and perhaps z."""

    spacing_mm: Vector
    origin_mm: Vector = (0.0, 0.0)
    """Centre of the first pixel."""
    direction: Vector = (1.0, 0.0, 0.0, 1.0)
    """The matrix from axes to space, row by row."""

    @classmethod
    def of(cls, geometry: Geometry) -> Grid | None:
        """Return the grid for a geometry; None without a spacing."""
        if geometry.spacing_mm is None:
            return None
        (down, across), (y, x) = geometry.spacing_mm, geometry.origin_mm
        return cls((across, down), (x, y))

    @property
    def geometry(self) -> Geometry:
        """Spacing and origin in the plane of the image, in the order rows, columns."""
        (across, down, *_), (x, y, *_) = self.spacing_mm, self.origin_mm
        return Geometry((down, across), (y, x))

    def finer(self, factors: tuple[float, float]) -> Grid:
        """Return a finer grid with the same first edges.

        Parameters
        ----------
        factors : number of new pixels for one pixel, along columns and along rows
        """
        down, across = factors
        divided = (across, down, 1.0)[: len(self.spacing_mm)]
        spacing = _plain(np.divide(self.spacing_mm, divided))
        axes = np.reshape(self.direction, (len(spacing), -1))
        shift = axes @ (spacing - self.spacing_mm) / 2
        origin = np.add(self.origin_mm, shift)
        return Grid(tuple(spacing.tolist()), tuple(origin.tolist()), self.direction)


def grid_along(axes: list[Vector], origin_mm: Vector) -> Grid | None:
    """Return a grid from the steps between its pixels.

    Parameters
    ----------
    axes : for each axis, the vector in mm to the next pixel; all vectors have as many
        numbers as there are axes

    Returns
    -------
    None if a vector has the length 0: then the file states no spacing.
    """
    steps = np.array(axes)
    spacing = np.linalg.norm(steps, axis=1)
    if not (spacing > 0).all():
        return None
    direction = (steps / spacing[:, np.newaxis]).T
    return Grid(tuple(spacing.tolist()), origin_mm, tuple(direction.ravel().tolist()))


def _plain(spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round the errors of a division: return 0.07 for 0.06999999999999999."""
    short = np.array([float(f"{mm:.10g}") for mm in spacing_mm])
    return np.where(
        np.isclose(short, spacing_mm, rtol=1e-15, atol=0), short, spacing_mm
    )
