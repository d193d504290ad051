"""Move measurements in image pixels to the finer grid.

Positions are 1-based: pixel c of n covers c - 1 to c, and its centre lies at c - 0.5.
The positions 0 and n + 1 mean "beyond the image" (PS3.3 C.8.7.3.1.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from cxr_sr.formats.header.change import Change, each
from cxr_sr.formats.header.elements import INTEGER_STRING, items, numbers, put, remove

ROW, COLUMN = 0, 1
"""Index of each direction in shapes, factors and spacings."""

LARGEST_RATIO_TERM = 1000
"""Largest number in an aspect ratio. A finer ratio would only show the rounding of the
result's rows and columns to whole pixels."""


@each
def divide_pair(result: Dataset, keyword: str, change: Change) -> None:
    """Divide a (row, column) pair by the factors; remove an invalid one.

    Zero, a negative number or text would look like a distance in the result. A DS has
    at most 16 characters, so a spacing has at most 14 digits (PS3.5 6.2).
    """
    pair = _positive_pair(change.source, keyword)
    if pair is None:
        remove(result, keyword)
        return
    finer = [v / f for v, f in zip(pair, change.derivation.factors, strict=True)]
    put(result, keyword, [_decimal_string(v) for v in finer])


@each
def divide_in_groups(result: Dataset, keyword: str, change: Change) -> None:
    """Divide the spacing in the functional groups of a multi-frame image."""
    for group in items(result, keyword) or ():
        for measures in items(group, "PixelMeasuresSequence") or ():
            pair = _positive_pair(measures, "PixelSpacing")
            if pair is not None:
                finer = zip(pair, change.derivation.factors, strict=True)
                spacing = [_decimal_string(mm / factor) for mm, factor in finer]
                put(measures, "PixelSpacing", spacing)


@each
def drop_lost_calibration(result: Dataset, keyword: str, change: Change) -> None:
    """Remove the calibration of a spacing if the spacing itself was invalid."""
    stated = "PixelSpacing" in change.source
    if stated and _positive_pair(change.source, "PixelSpacing") is None:
        remove(result, keyword)


@each
def adjust_aspect(result: Dataset, keyword: str, change: Change) -> None:
    """Adjust vertical:horizontal if rows and columns grew by different factors."""
    pair = _positive_pair(change.source, keyword)
    if pair is None:
        return
    before = Fraction(pair[0]) / Fraction(pair[1])
    down, across = change.derivation.factors
    after = (before * Fraction(across) / Fraction(down)).limit_denominator(
        LARGEST_RATIO_TERM
    )
    if after > 0 and after != before.limit_denominator(LARGEST_RATIO_TERM):
        put(result, keyword, [after.numerator, after.denominator])


@each
def move_near_edge(result: Dataset, keyword: str, change: Change) -> None:
    """Map the last hidden column or row on the left or upper side."""
    _move(result, keyword, change, [_axis_of_edge(keyword)], lambda c, s: round(s * c))


@each
def move_far_edge(result: Dataset, keyword: str, change: Change) -> None:
    """Map the first hidden column or row on the right or lower side."""
    axes = [_axis_of_edge(keyword)]
    _move(result, keyword, change, axes, lambda c, s: round(s * (c - 1)) + 1)


@each
def move_points(result: Dataset, keyword: str, change: Change) -> None:
    """Map the centres of pixels, given as row, column, row, column, ..."""
    count = len(numbers(change.source, keyword))
    if count % 2 == 0:
        axes = [ROW, COLUMN] * (count // 2)
        _move(result, keyword, change, axes, lambda c, s: round(s * (c - 0.5) + 0.5))


@each
def scale_radius(result: Dataset, keyword: str, change: Change) -> None:
    """Multiply a radius; its unit is a pixel along a row (PS3.3 C.7.6.11)."""
    radius = numbers(change.source, keyword)
    if len(radius) == 1:
        _put_integers(
            result, keyword, [round(change.derivation.factors[COLUMN] * radius[0])]
        )


@each
def shift_position(result: Dataset, keyword: str, change: Change) -> None:
    """Move the centre of the first pixel, so that the outer edges of the image stay.

    References
    ----------
    DICOM PS3.3 C.7.6.2.1.1: ImageOrientationPatient holds first the direction of a row
    (the column index grows), then the direction of a column
    """
    position = numbers(change.source, keyword)
    directions = numbers(change.source, "ImageOrientationPatient")
    spacing = _positive_pair(change.source, "PixelSpacing")
    if (len(position), len(directions)) != (3, 6) or spacing is None:
        return
    down, across = (
        0.5 * (1 / f - 1) * mm
        for f, mm in zip(change.derivation.factors, spacing, strict=True)
    )
    along_row, along_column = np.array(directions).reshape(2, 3)
    moved = np.array(position) + across * along_row + down * along_column
    put(result, keyword, [_decimal_string(float(v)) for v in moved])


def _positive_pair(header: Dataset, keyword: str) -> tuple[float, float] | None:
    """Return a valid (row, column) pair of distances, else None."""
    pair = numbers(header, keyword)
    return (pair[0], pair[1]) if len(pair) == 2 and min(pair) > 0 else None


def _decimal_string(value: float) -> str:
    """Return a DS without rounding noise: 0.07, not 0.07000000000000."""
    return format_number_as_ds(float(f"{value:.14g}"))


def _axis_of_edge(keyword: str) -> int:
    """Return the axis of an edge: columns for a vertical edge, else rows."""
    return COLUMN if keyword.endswith("VerticalEdge") else ROW


def _move(
    result: Dataset,
    keyword: str,
    change: Change,
    axes: Sequence[int],
    rule: Callable[[float, float], int],
) -> None:
    values = numbers(change.source, keyword)
    if values and len(values) == len(axes):
        moved = [
            _moved(v, axis, change, rule) for v, axis in zip(values, axes, strict=True)
        ]
        _put_integers(result, keyword, moved)


def _moved(
    position: float, axis: int, change: Change, rule: Callable[[float, float], int]
) -> int:
    """Map one position; a position inside the image stays inside."""
    size, new_size = change.source_shape[axis], change.shape[axis]
    if position == 0:
        return 0
    if position == size + 1:
        return new_size + 1
    moved = rule(position, change.derivation.factors[axis])
    return min(max(moved, 0), new_size + 1) if 0 < position <= size else moved


def _put_integers(result: Dataset, keyword: str, values: Sequence[int]) -> None:
    """Write an IS; keep the old value if a number is too large for a pixel position."""
    if all(v in INTEGER_STRING for v in values):
        put(result, keyword, list(values))
