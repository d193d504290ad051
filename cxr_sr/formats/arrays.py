"""Make a radiograph from a numpy array."""

from __future__ import annotations

from math import inf
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxr_sr.errors import NotARadiographError, SettingsError
from cxr_sr.formats.dicom.parse import MAX_PIXELS
from cxr_sr.formats.header.change import HeaderOptions
from cxr_sr.formats.raster.files import RasterHeader
from cxr_sr.formats.raster.grid import Grid
from cxr_sr.radiograph import Geometry, Photometric, PixelFormat, Radiograph

_TYPES = ("uint8", "int8", "uint16", "int16")


def from_array(
    pixels: ArrayLike,
    *,
    bits_stored: int | None = None,
    photometric: Photometric = "MONOCHROME2",
    spacing_mm: float | tuple[float, float] | None = None,
    header: HeaderOptions | None = None,
    window: tuple[float, float] | None = None,
) -> Radiograph:
    """Return a radiograph from an array of stored values.

    `upscale` then gives the same values as for a PNG or TIFF file with these pixels.
    With the `window` of a DICOM header, it gives the same values as for the DICOM file.

    Parameters
    ----------
    pixels : (rows, columns), or (rows, columns, 3) for RGB: whole numbers, as in a
        file, before any LUT, window or inversion. uint8, int8, uint16 and int16 are
        kept; numbers of a wider type are stored in 16 bits (in 8, if `bits_stored` is 8
        or less). The array is copied.
    bits_stored : number of bits of a value, 1 to 16; None: all bits of the type.
        Give 12 for a 12-bit image in uint16: the scale of values depends on it.
    photometric : MONOCHROME1 if the smallest value is white, MONOCHROME2 if it is
        black, RGB for colour
    spacing_mm : distance between pixel centres in mm, as (rows, columns) or as one
        number for both; None if unknown
    header : options for a DICOM header of this image; `tags` has the patient, the study
        and the modality
    window : (low, high) stored values of the display window, such as the `window` of
        `cxr_sr.read(path)`; networks scale the image by it. None: the range of the bits

    Raises
    ------
    NotARadiographError
        If the array has another shape or type, or a value does not fit.
    SettingsError
        If `bits_stored`, `photometric`, `spacing_mm` or `window` is invalid.
    """
    _check_words(photometric, bits_stored)
    array = np.asarray(pixels)
    _check_shape(array.shape, photometric)
    dtype = _stored_type(array, bits_stored)
    bits = 8 * dtype.itemsize
    if bits_stored is not None and bits_stored > bits:
        raise SettingsError(
            f"bits_stored is {bits_stored}, but {dtype} has {bits} bits; expected 1 to "
            f"{bits}"
        )
    fmt = PixelFormat(bits, bits_stored or bits, dtype.kind == "i", photometric)
    _check_range(array, fmt)
    geometry = Geometry(_pair(spacing_mm))
    stored = np.array(array, dtype, order="C")
    said = RasterHeader(Grid.of(geometry), options=header or HeaderOptions())
    return Radiograph(stored, fmt, geometry, said, _checked_window(window))


def _check_words(photometric: str, bits_stored: int | None) -> None:
    if photometric not in get_args(Photometric):
        raise SettingsError(
            f"photometric is {photometric!r}; expected one of "
            f"{', '.join(get_args(Photometric))}"
        )
    if bits_stored is not None and not 1 <= bits_stored <= 16:
        raise SettingsError(f"bits_stored is {bits_stored}; expected 1 to 16")


def _checked_window(
    window: tuple[float, float] | None,
) -> tuple[float, float] | None:
    if window is None:
        return None
    try:
        low, high = map(float, window)
    except (TypeError, ValueError):
        low = high = 0.0
    if not -inf < low < high < inf:
        raise SettingsError(
            f"window is {window!r}; expected (low, high) in stored values, such as "
            "(0, 4095): a window of center c and width w is about (c - w/2, c + w/2)"
        )
    return low, high


def _check_shape(shape: tuple[int, ...], photometric: str) -> None:
    wanted = "(rows, columns, 3)" if photometric == "RGB" else "(rows, columns)"
    fits = (
        len(shape) == 3 and shape[2] == 3 if photometric == "RGB" else len(shape) == 2
    )
    if not fits:
        hint = ""
        if len(shape) == 3 and shape[2] == 3:
            hint = ': give photometric="RGB", or one of the planes'
        elif 1 in shape:
            hint = ": numpy.squeeze(pixels) removes the sides of length 1"
        raise NotARadiographError(
            f"the array has the shape {shape}; expected {wanted} for {photometric}"
            f"{hint}"
        )
    if not 0 < shape[0] * shape[1] <= MAX_PIXELS:
        raise NotARadiographError(
            f"the array has {shape[0]} x {shape[1]} pixels; expected 1 to {MAX_PIXELS}"
        )


def _stored_type(array: NDArray[Any], bits_stored: int | None) -> np.dtype[Any]:
    """Return the type that holds the stored values, of 8 or 16 bits."""
    if array.dtype.kind not in "iu":
        raise NotARadiographError(
            f"the array has the type {array.dtype}; expected whole numbers "
            f"({', '.join(_TYPES)}): scale the values to the range of their bits, "
            "round them, and give for example "
            "numpy.rint(values * 4095).astype(numpy.uint16) with bits_stored=12"
        )
    if array.dtype.itemsize <= 2:
        return array.dtype.newbyteorder("=")
    signed = array.size > 0 and array.min() < 0
    width = 8 if bits_stored is not None and bits_stored <= 8 else 16
    return np.dtype(f"{'int' if signed else 'uint'}{width}")


def _check_range(array: NDArray[Any], fmt: PixelFormat) -> None:
    low, high = int(array.min()), int(array.max())
    if low < fmt.minimum or high > fmt.maximum:
        raise NotARadiographError(
            f"the array has values from {low} to {high}; {fmt.bits_stored} "
            f"{'signed' if fmt.signed else 'unsigned'} bits hold {fmt.minimum} to "
            f"{fmt.maximum}: give another bits_stored, or scale the values"
        )


def _pair(
    spacing_mm: float | tuple[float, float] | None,
) -> tuple[float, float] | None:
    """Return (row, column) spacings in mm."""
    if spacing_mm is None:
        return None
    try:
        found = np.broadcast_to(np.asarray(spacing_mm, float), 2).tolist()
    except (TypeError, ValueError):
        found = [0.0, 0.0]
    if not all(0 < mm < inf for mm in found):
        raise SettingsError(
            f"spacing_mm is {spacing_mm!r}; expected millimetres above 0, one number "
            "or (rows, columns), such as 0.143"
        )
    return found[0], found[1]
