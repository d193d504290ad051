"""The small square image that a head sees: a whole radiograph at a fixed size.

An organ is as large as the image, and the trunk sees some dozen pixels around each one.
So a head works on a reduced image, on which the trunk's field is a part of an organ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.display.picture import pixel_size
from cxr_sr.errors import NotARadiographError
from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.padding import padding_mask
from cxr_sr.superres.resize import resize

ENDS = (1.0, 99.0)
"""Percentiles of the reduced image that become 0 and 1."""
LIMITS = (-0.5, 1.5)
"""What lies beyond is cut off: a marker must not outshine the chest."""
LEAST_SIDE_PX = 16
"""A shorter side shows no organ."""

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Preview:
    """A reduced radiograph on a square canvas."""

    image: Float
    """(size, size), bone bright; percentiles 1 and 99 of the radiograph are 0 and 1."""
    rows: slice
    columns: slice
    """The part of the canvas that is the radiograph; beyond, its edges are repeated."""
    shape: tuple[int, int]
    """(rows, columns) of the radiograph itself."""

    @property
    def pixels(self) -> Float:
        """The reduced radiograph without the canvas around it."""
        part: Float = self.image[self.rows, self.columns]
        return part

    def enlarged(self, planes: Float) -> Float:
        """Return planes (C, size, size) of the canvas at the radiograph's size.

        Returns
        -------
        (C, rows, columns), bilinear
        """
        part = planes[:, self.rows, self.columns]
        for axis, count in zip((1, 2), self.shape, strict=True):
            part = _stretched(part, count, axis)
        return part


def preview_of(radiograph: Radiograph, size: int) -> Preview:
    """Reduce a radiograph to a square of `size` px, its pixels made square.

    Raises
    ------
    NotARadiographError
        If a side is so short that no organ can be seen.
    """
    if min(radiograph.shape) < LEAST_SIDE_PX:
        rows, columns = radiograph.shape
        raise NotARadiographError(
            f"the image has {columns} x {rows} px; expected at least {LEAST_SIDE_PX} "
            "px a side"
        )
    shape = _reduced_shape(radiograph, size)
    small = resize(radiograph.pixels, shape, radiograph.format, radiograph.padding)
    unit = Scaling.of(radiograph).normalise(small)
    gray = unit.mean(axis=2) if unit.ndim == 3 else unit
    padding = padding_mask(small, radiograph.padding)
    image = standardised(gray.astype(np.float32), None if padding is None else ~padding)
    return _on_canvas(image, size, radiograph.shape)


def standardised(gray: Float, seen: NDArray[np.bool_] | None = None) -> Float:
    """Return an image with its percentiles 1 and 99 at 0 and 1.

    Parameters
    ----------
    seen : the pixels that count, (H, W); None for all
    """
    values = gray if seen is None or not seen.any() else gray[seen]
    low, high = np.percentile(values, ENDS)
    contrast = max(float(high - low), 1e-6)
    result: Float = ((gray - low) / contrast).clip(*LIMITS).astype(np.float32)
    return result


def _reduced_shape(radiograph: Radiograph, size: int) -> tuple[int, int]:
    extent = np.multiply(radiograph.shape, pixel_size(radiograph))
    rows, columns = np.rint(extent * size / extent.max()).astype(int).clip(1, size)
    return int(rows), int(columns)


def _on_canvas(image: Float, size: int, shape: tuple[int, int]) -> Preview:
    before = [(size - n) // 2 for n in image.shape]
    after = [size - n - b for n, b in zip(image.shape, before, strict=True)]
    canvas = np.pad(image, list(zip(before, after, strict=True)), mode="edge")
    rows, columns = (slice(b, b + n) for b, n in zip(before, image.shape, strict=True))
    return Preview(canvas, rows, columns, shape)


def _stretched(planes: NDArray[Any], count: int, axis: int) -> Float:
    """Interpolate one axis linearly to `count` pixels; its two edges stay in place."""
    length = planes.shape[axis]
    place = ((np.arange(count) + 0.5) * length / count - 0.5).clip(0, length - 1)
    low = place.astype(np.intp).clip(0, max(length - 2, 0))
    share = (place - low).astype(np.float32)
    share = share[:, None] if axis == 1 else share
    one = planes.take(low, axis)
    other = planes.take((low + 1).clip(0, length - 1), axis)
    result: Float = one + share * (other - one)
    return result
