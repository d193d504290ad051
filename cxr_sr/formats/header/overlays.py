"""Enlarge overlay planes (60xx,eeee): they have one bit for each pixel of the image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from cxr_sr.formats.header.change import Change
from cxr_sr.formats.header.elements import (
    INTEGER_STRING,
    OVERLAY_GROUPS,
    numbers,
    put,
    remove,
    remove_tags,
    undecoded,
)

CURVE_GROUPS = range(0x5000, 0x5100, 2)

OVERLAY_ROWS, OVERLAY_COLUMNS, OVERLAY_FRAMES, OVERLAY_ORIGIN = (
    0x0010,
    0x0011,
    0x0015,
    0x0050,
)
BITS_ALLOCATED, BIT_POSITION = 0x0100, 0x0102
ROI_AREA, ROI_MEAN, ROI_DEVIATION = 0x1301, 0x1302, 0x1303
DATA = 0x3000

LARGEST_SIDE = 0xFFFF
"""Largest OverlayRows and OverlayColumns, which are US."""
ORIGINS = range(-0x8000, 0x8000)
"""Range of OverlayOrigin, which is SS."""
LARGEST_TERM = 10**6
"""Largest denominator of a factor. A ratio of two sides is found exactly, because sides
are US; other factors are found approximately."""
ROWS_AT_ONCE = 512
"""Rows in a block: a multiple of 8, so that every block fills whole bytes."""


@dataclass(frozen=True)
class _Plane:
    """One overlay: its place on the image, and its bits."""

    origin: tuple[int, int]
    """(row, column) of the first pixel, 1-based, inside or outside the image."""
    bits: NDArray[np.uint8]
    """(rows, columns), 0 or 1."""


@dataclass(frozen=True)
class _Finer:
    """The elements of the overlay on the finer grid."""

    origin: tuple[int, int]
    shape: tuple[int, int]
    data: bytes
    """8 pixels a byte, the first pixel in the lowest bit, without padding between
    rows."""


def scale_overlays(
    result: Dataset, _attributes: tuple[str, ...], change: Change
) -> None:
    """Repeat the bits of every plane; remove a plane that cannot be scaled.

    A plane cannot be scaled if it has several frames, or if its size and data disagree.
    Unchanged, it would mark another place. (A plane in unused bits of the pixels was
    unpacked when the file was read.)

    References
    ----------
    DICOM PS3.3 C.9.2; PS3.5 8.1.2
    """
    for group in _present(result, OVERLAY_GROUPS):
        plane = _read(result, group) if change.options.overlays == "scale" else None
        finer = plane and _finer(plane, change)
        if finer:
            _write(result, group, finer)
            _scale_statistics(result, group, change)
        else:
            remove_group(result, group)


def unpack_overlay(header: Dataset, group: int, plane: NDArray[np.uint8]) -> bool:
    """Copy an overlay from the pixels' unused bits to its own data.

    Parameters
    ----------
    plane : (H, W) of the image, 0 or 1. OverlayRows, OverlayColumns and OverlayOrigin
        select a part; without them, the whole plane counts

    Returns
    -------
    True; False, without any change, if the selected part lies outside the image.

    References
    ----------
    DICOM PS3.3-2004 C.9.2, PS3.3 C.9.2
    """
    stated = _integers(header, group, OVERLAY_ORIGIN) or (1, 1)
    sides = (
        _integers(header, group, OVERLAY_ROWS),
        _integers(header, group, OVERLAY_COLUMNS),
    )
    if len(stated) != 2:
        return False
    spans = [
        (max(1, first), min(first + side[0], size + 1) if side else size + 1)
        for first, side, size in zip(stated, sides, plane.shape, strict=True)
    ]
    (top, bottom), (left, right) = spans
    part = plane[top - 1 : bottom - 1, left - 1 : right - 1]
    if bottom <= top or right <= left:
        return False
    data = np.packbits(part, bitorder="little").tobytes()
    _write(header, group, _Finer((top, left), (part.shape[0], part.shape[1]), data))
    put(header, _tag(group, BITS_ALLOCATED), 1)
    put(header, _tag(group, BIT_POSITION), 0)
    return True


def remove_group(header: Dataset, group: int) -> None:
    """Remove all elements of a group."""
    remove_tags(header, lambda tag: tag.group == group)


def drop_curves(result: Dataset, _attributes: tuple[str, ...], _change: Change) -> None:
    """Remove all curve groups."""
    for group in _present(result, CURVE_GROUPS):
        remove_group(result, group)


def _finer(plane: _Plane, change: Change) -> _Finer | None:
    """Return the plane on the finer grid; None if its elements cannot hold it."""
    first, rows = _axis(0, plane, change)
    left, columns = _axis(1, plane, change)
    shape = len(rows), len(columns)
    if min(shape) < 1 or not _fits((first, left), shape):
        return None
    data = b"".join(
        np.packbits(
            plane.bits[np.ix_(rows[i : i + ROWS_AT_ONCE], columns)], bitorder="little"
        ).tobytes()
        for i in range(0, len(rows), ROWS_AT_ONCE)
    )
    return _Finer((first, left), shape, data)


def _fits(origin: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Tell whether OverlayOrigin (SS), OverlayRows and OverlayColumns (US) hold it."""
    return all(o in ORIGINS for o in origin) and max(shape) <= LARGEST_SIDE


def _axis(axis: int, plane: _Plane, change: Change) -> tuple[int, NDArray[np.intp]]:
    """Return the new origin, and the nearest old index for every new index."""
    size, new_size = change.source_shape[axis], change.shape[axis]
    # A fraction, because centres of new pixels often lie between two old ones.
    factor = Fraction(change.derivation.factors[axis]).limit_denominator(LARGEST_TERM)
    begin, count = plane.origin[axis] - 1, plane.bits.shape[axis]
    new_begin, new_end = (
        new_size if edge == size else round(edge * factor)
        for edge in (begin, begin + count)
    )
    # The old position of the centre of each new pixel, i + 1/2.
    centres = 2 * np.arange(new_begin, new_end) + 1
    nearest = centres * factor.denominator // (2 * factor.numerator)
    return new_begin + 1, np.clip(nearest - begin, 0, count - 1)


def _read(header: Dataset, group: int) -> _Plane | None:
    shape = _integers(header, group, OVERLAY_ROWS) + _integers(
        header, group, OVERLAY_COLUMNS
    )
    origin = _integers(header, group, OVERLAY_ORIGIN) or (1, 1)
    allocated = _integers(header, group, BITS_ALLOCATED) or (1,)
    frames = _integers(header, group, OVERLAY_FRAMES) or (1,)
    if (len(shape), len(origin), allocated, frames) != (2, 2, (1,), (1,)):
        return None
    bits = _bits(header, group)
    if min(shape) < 1 or math.prod(shape) > bits.size or not _fits(origin, shape):
        return None
    return _Plane((origin[0], origin[1]), bits[: math.prod(shape)].reshape(shape))


def _integers(header: Dataset, group: int, element: int) -> tuple[int, ...]:
    return tuple(map(int, numbers(header, _tag(group, element))))


def _bits(header: Dataset, group: int) -> NDArray[np.uint8]:
    """Return OverlayData unpacked, the first pixel in the lowest bit.

    The header is always in little endian, because `formats.read` converts it.
    """
    element = undecoded(header, _tag(group, DATA))
    if element is None or not isinstance(element.value, bytes):
        return np.empty(0, np.uint8)
    return np.unpackbits(np.frombuffer(element.value, np.uint8), bitorder="little")


def _write(result: Dataset, group: int, finer: _Finer) -> None:
    put(result, _tag(group, OVERLAY_ROWS), finer.shape[0])
    put(result, _tag(group, OVERLAY_COLUMNS), finer.shape[1])
    put(result, _tag(group, OVERLAY_ORIGIN), list(finer.origin))
    padding = b"\0" * (len(finer.data) % 2)  # an even length, PS3.5 7.1.1
    put(result, _tag(group, DATA), finer.data + padding, "OW")


def _scale_statistics(result: Dataset, group: int, change: Change) -> None:
    """Scale a region's area; its mean and deviation are no longer known."""
    remove(result, _tag(group, ROI_MEAN))
    remove(result, _tag(group, ROI_DEVIATION))
    area = numbers(result, _tag(group, ROI_AREA))
    if len(area) == 1:
        down, across = change.derivation.factors
        pixels = round(area[0] * down * across)
        if pixels in INTEGER_STRING:
            put(result, _tag(group, ROI_AREA), pixels)


def _present(header: Dataset, groups: range) -> set[int]:
    return {tag.group for tag in header.keys() if tag.group in groups}  # noqa: SIM118


def _tag(group: int, element: int) -> int:
    return Tag(group, element)
