"""A radiograph as a picture: what a screen should show, at the size that is wanted.

For classifiers and for people; such a picture holds no stored values any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cxr_sr.display.render import Choice, render
from cxr_sr.errors import SettingsError
from cxr_sr.formats.raster.files import RasterHeader
from cxr_sr.formats.raster.grid import Grid
from cxr_sr.radiograph import Geometry, PixelFormat, Radiograph
from cxr_sr.superres.resize import resize
from cxr_sr.superres.target import LongSide, Spacing

PictureSize = Spacing | LongSide | None
"""None: as it is, except that pixels which are not square become so."""
Gray = NDArray[np.unsignedinteger[Any]]

MOST_PIXELS = 1 << 29
"""Larger enlargements are taken for a slip: the longest result of x8 is as large."""


@dataclass(frozen=True)
class View:
    """How a radiograph is to be shown."""

    bits: Literal[8, 16] = 8
    window: Choice = None
    """What is shown as gray, see `render`."""
    size: PictureSize = None


def picture_of(radiograph: Radiograph, view: View) -> Radiograph:
    """Return what a screen should show, with square pixels.

    The gray values are made first, as the picture would be reduced that a workstation
    exports; they are resampled at 16 bits, antialiased bicubic.

    Returns
    -------
    MONOCHROME2, 0 black and 2**bits - 1 white; or RGB

    Raises
    ------
    SettingsError
        If a spacing is asked of an image that states none, the size is absurd, or the
        file has no such window.
    """
    shape = _shape(radiograph, view.size)
    if shape == radiograph.shape:
        pixels = render(radiograph, view.bits, view.window)
    else:
        pixels = resampled(render(radiograph, 16, view.window), shape)
        pixels = _in_eight_bits(pixels) if view.bits == 8 else pixels
    geometry = _geometry(radiograph, shape)
    header = RasterHeader(Grid.of(geometry))
    return Radiograph(pixels, _format(pixels), geometry, header)


def resampled(gray: Gray, shape: tuple[int, int]) -> Gray:
    """Return a picture (H, W[, 3]) at another size, antialiased bicubic."""
    resized: Gray = resize(gray, shape, _format(gray), None).astype(gray.dtype)
    return resized


def pixel_size(radiograph: Radiograph) -> tuple[float, float]:
    """Return (row, column) size of a pixel in mm; 1, 1 where the file does not say."""
    spacing = radiograph.geometry.spacing_mm
    return (1.0, 1.0) if spacing is None or min(spacing) <= 0 else spacing


def _shape(radiograph: Radiograph, size: PictureSize) -> tuple[int, int]:
    """Return (rows, columns) of square pixels over the extent of the image."""
    extent = [
        n * mm for n, mm in zip(radiograph.shape, pixel_size(radiograph), strict=True)
    ]
    side = _side(radiograph, max(extent), size)
    rows, columns = (max(1, round(e / side)) for e in extent)
    if rows * columns > MOST_PIXELS and (rows, columns) != radiograph.shape:
        raise SettingsError(
            f"the picture would have {columns} x {rows} px, more than "
            f"{MOST_PIXELS >> 20} million; ask for a coarser one"
        )
    return rows, columns


def _side(radiograph: Radiograph, longer_mm: float, size: PictureSize) -> float:
    """Return the side of a square pixel, in the units of `pixel_size`."""
    match size:
        case LongSide(px):
            return longer_mm / px
        case Spacing(mm):
            if radiograph.geometry.spacing_mm is None:
                raise SettingsError(
                    "the image states no pixel spacing, so that a spacing in mm cannot "
                    "be reached; ask for a size in pixels instead"
                )
            return mm
        case None:
            return min(pixel_size(radiograph))


def _geometry(radiograph: Radiograph, shape: tuple[int, int]) -> Geometry:
    """Return the same extent in pixels of another number."""
    spacing = radiograph.geometry.spacing_mm
    if spacing is None or min(spacing) <= 0:
        return Geometry()
    down, across = (
        mm * n / m for mm, n, m in zip(spacing, radiograph.shape, shape, strict=True)
    )
    return Geometry((down, across))


def _format(gray: Gray) -> PixelFormat:
    bits = 8 * gray.dtype.itemsize
    photometric: Literal["RGB", "MONOCHROME2"] = (
        "RGB" if gray.ndim == 3 else "MONOCHROME2"
    )
    return PixelFormat(bits, bits, signed=False, photometric=photometric)


def _in_eight_bits(gray: Gray) -> Gray:
    """Round 16 bits to 8: 257 steps of the one are a step of the other."""
    whole, rest = np.divmod(gray, 257)
    return (whole + (rest > 128)).astype(np.uint8)
