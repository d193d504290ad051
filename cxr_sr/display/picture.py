"""Make a picture of a radiograph: the gray values of a screen, at a requested size.

Pictures are for classifiers and for people; they do not hold stored values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cxr_sr.display.render import Choice, render
from cxr_sr.errors import SettingsError
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.header.elements import numbers
from cxr_sr.formats.raster.files import RasterHeader
from cxr_sr.formats.raster.grid import Grid
from cxr_sr.radiograph import Geometry, PixelFormat, Radiograph
from cxr_sr.superres.resize import resize
from cxr_sr.superres.target import LongSide, Spacing

PictureSize = Spacing | LongSide | None
"""Size of a picture; None keeps the size of the image, but makes its pixels square."""
Gray = NDArray[np.unsignedinteger[Any]]

MOST_PIXELS = 1 << 29
"""Largest size that a user may ask for; no result of x8 is larger."""


@dataclass(frozen=True)
class View:
    """How to show a radiograph."""

    bits: Literal[8, 16] = 8
    window: Choice = None
    """The window; see `render`."""
    size: PictureSize = None


def picture_of(radiograph: Radiograph, view: View) -> Radiograph:
    """Return a radiograph's gray values on a screen, with square pixels.

    First the gray values are computed, then they are resampled at 16 bits (bicubic,
    antialiased), as if a picture of a workstation were resampled.

    Returns
    -------
    MONOCHROME2, 0 black and 2**bits - 1 white; or RGB

    Raises
    ------
    SettingsError
        If a spacing is requested but the image states none, the size is too large, or
        the file has no such window.
    """
    side = _side(radiograph, view.size)
    shape = _shape(radiograph, side)
    if shape == radiograph.shape:
        pixels = render(radiograph, view.bits, view.window)
    else:
        gray = render(radiograph, 16, view.window)
        pixels = resampled(gray, shape, _factors(radiograph, view.size))
        pixels = _in_eight_bits(pixels) if view.bits == 8 else pixels
    geometry = _geometry(radiograph, shape, view.size)
    header = RasterHeader(Grid.of(geometry))
    return Radiograph(pixels, _format(pixels), geometry, header)


def mask_picture(
    mask: NDArray[np.bool_], radiograph: Radiograph, view: View
) -> Radiograph:
    """Return a mask of a radiograph as a picture of the same size as `picture_of`'s.

    Parameters
    ----------
    mask : (rows, columns), the size of the radiograph; True inside

    Returns
    -------
    8 bits, 0 outside and 255 inside

    Raises
    ------
    SettingsError
        For the same reasons as `picture_of`.
    """
    shape = _shape(radiograph, _side(radiograph, view.size))
    pixels = mask.astype(np.uint8) * np.uint8(255)
    if shape != radiograph.shape:
        gray = resampled(pixels, shape, _factors(radiograph, view.size))
        pixels = (gray > 127).astype(np.uint8) * np.uint8(255)
    geometry = _geometry(radiograph, shape, view.size)
    return Radiograph(
        pixels, _format(pixels), geometry, RasterHeader(Grid.of(geometry))
    )


def resampled(
    gray: Gray, shape: tuple[int, int], factors: tuple[float, float] | None = None
) -> Gray:
    """Return a picture (H, W[, 3]) at another size, antialiased bicubic.

    Parameters
    ----------
    factors : new pixels for each old pixel, along columns and along rows; by default,
        the edges of the picture stay in place
    """
    resized = resize(gray, shape, _format(gray), None, factors)
    picture: Gray = resized.astype(gray.dtype)
    return picture


def pixel_size(radiograph: Radiograph) -> tuple[float, float]:
    """Return (row, column) size of a pixel in mm, or its aspect ratio; else 1, 1.

    References
    ----------
    DICOM PS3.3 C.7.6.3.1.7 (PixelAspectRatio)
    """
    spacing = radiograph.geometry.spacing_mm
    if spacing is None and isinstance(radiograph.header, DicomHeader):
        aspect = numbers(radiograph.header.dataset, "PixelAspectRatio")
        spacing = (aspect[0], aspect[1]) if len(aspect) == 2 else None
    return (1.0, 1.0) if spacing is None or min(spacing) <= 0 else spacing


def _shape(radiograph: Radiograph, side: float) -> tuple[int, int]:
    """Return (rows, columns) of square pixels over the extent of the image."""
    rows, columns = (
        max(1, round(n * mm / side))
        for n, mm in zip(radiograph.shape, pixel_size(radiograph), strict=True)
    )
    if rows * columns > MOST_PIXELS and (rows, columns) != radiograph.shape:
        raise SettingsError(
            f"the picture would have {columns} x {rows} px, more than "
            f"{MOST_PIXELS >> 20} million; ask for a coarser picture"
        )
    return rows, columns


def _side(radiograph: Radiograph, size: PictureSize) -> float:
    """Return the side of a square pixel, in the units of `pixel_size`."""
    match size:
        case LongSide(px):
            extent = np.multiply(radiograph.shape, pixel_size(radiograph))
            return float(extent.max()) / px
        case Spacing(mm):
            if radiograph.geometry.spacing_mm is None:
                raise SettingsError(
                    "the image states no pixel spacing, so a spacing in mm is "
                    "impossible; ask for a size in pixels instead"
                )
            return mm
        case None:
            return min(pixel_size(radiograph))


def _factors(radiograph: Radiograph, size: PictureSize) -> tuple[float, float] | None:
    """Return the factors for an exact spacing; None to keep the extent."""
    if not isinstance(size, Spacing):
        return None
    down, across = pixel_size(radiograph)
    return down / size.mm, across / size.mm


def _geometry(
    radiograph: Radiograph, shape: tuple[int, int], size: PictureSize
) -> Geometry:
    """Return the requested spacing, or the spacing for the same extent."""
    spacing = radiograph.geometry.spacing_mm
    if spacing is None or min(spacing) <= 0:
        return Geometry()
    if isinstance(size, Spacing):
        return Geometry((size.mm, size.mm))
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
    """Round 16 bits to 8 bits; 257 steps of 16 bits are one step of 8 bits."""
    whole, rest = np.divmod(gray, 257)
    return (whole + (rest > 128)).astype(np.uint8)
