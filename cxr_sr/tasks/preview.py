"""Make the input of a head: a whole radiograph, reduced to a small square image.

An organ can fill the image, but the trunk sees only some dozen pixels around each
pixel. So a head works on a reduced image, where the trunk sees a part of an organ.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
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
"""Limits of the scaled values; brighter pixels, such as markers, are clipped."""
LEAST_SIDE_PX = 16
"""Least length of the shorter side; a smaller image shows no organ."""

Float = NDArray[np.float32]


@dataclass(frozen=True)
class Preview:
    """A reduced radiograph on a square canvas."""

    image: Float
    """(size, size), bone is bright; 0 and 1 are percentiles 1 and 99 of the
    radiograph."""
    rows: slice
    columns: slice
    """The part of the canvas with the radiograph; its edge pixels fill the rest."""
    shape: tuple[int, int]
    """(rows, columns) of the full radiograph."""
    contrast: float = 1.0
    """Difference of the two percentiles, in units."""
    maps: Float = field(default_factory=lambda: np.empty((0, 0, 0), np.float32))
    """(width, size, size): mean strength of the features of a trunk that sees the full
    radiograph, divided by `contrast`; empty for a head with a trunk of its own."""

    @property
    def pixels(self) -> Float:
        """The reduced radiograph without the canvas around it."""
        part: Float = self.image[self.rows, self.columns]
        return part

    @property
    def planes(self) -> Float:
        """The input of a head: (1 + width, size, size), the image and the maps."""
        image = self.image[None]
        return np.concatenate([image, self.maps]) if self.maps.size else image

    def with_maps(self, values: Float | None) -> Preview:
        """Return the preview with feature maps.

        Parameters
        ----------
        values : (width, rows, columns) of the part with the radiograph, in units
        """
        if values is None:
            return self
        size = len(self.image)
        margins = [(s.start, size - s.stop) for s in (self.rows, self.columns)]
        maps = np.pad(values / self.contrast, [(0, 0), *margins], mode="edge")
        return dataclasses.replace(self, maps=maps.astype(np.float32))

    def enlarged(self, planes: Float) -> Float:
        """Enlarge planes (C, size, size) of the canvas to the size of the radiograph.

        Returns
        -------
        (C, rows, columns), interpolated linearly
        """
        part = planes[:, self.rows, self.columns]
        for axis, count in zip((1, 2), self.shape, strict=True):
            part = _stretched(part, count, axis)
        return part


def preview_of(radiograph: Radiograph, size: int) -> Preview:
    """Reduce a radiograph to a square of `size` px with square pixels.

    Raises
    ------
    NotARadiographError
        If a side is too short to show an organ.
    """
    if min(radiograph.shape) < LEAST_SIDE_PX:
        rows, columns = radiograph.shape
        raise NotARadiographError(
            f"the image has {columns} x {rows} px; expected at least {LEAST_SIDE_PX} "
            "px a side"
        )
    shape = reduced_shape(radiograph, size)
    small = resize(radiograph.pixels, shape, radiograph.format, radiograph.padding)
    unit = Scaling.of(radiograph).normalise(small)
    gray = unit.mean(axis=2) if unit.ndim == 3 else unit
    padding = padding_mask(small, radiograph.padding)
    seen = None if padding is None else ~padding
    image, contrast = standardised(gray.astype(np.float32), seen)
    preview = _on_canvas(image, size, radiograph.shape)
    return dataclasses.replace(preview, contrast=contrast)


def standardised(
    gray: Float, seen: NDArray[np.bool_] | None = None
) -> tuple[Float, float]:
    """Scale an image so that its percentiles 1 and 99 become 0 and 1.

    Parameters
    ----------
    seen : (H, W), True for pixels that count; None for all

    Returns
    -------
    The image, and the difference of the percentiles before
    """
    values = gray if seen is None or not seen.any() else gray[seen]
    low, high = np.percentile(values, ENDS)
    contrast = max(float(high - low), 1e-6)
    result: Float = ((gray - low) / contrast).clip(*LIMITS).astype(np.float32)
    return result, contrast


def reduced_shape(radiograph: Radiograph, size: int) -> tuple[int, int]:
    """Return (rows, columns) of a radiograph with square pixels, reduced to `size`."""
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
