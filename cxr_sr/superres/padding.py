"""Keep padding, which means "no image here"; no other pixel may get its value.

References
----------
DICOM PS3.3 C.7.5.1.1.2: native pixels must not take a padding value by accident.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.radiograph import PixelFormat

Stored = NDArray[np.integer[Any]]
Range = tuple[int, int]


def padding_mask(stored: Stored, padding: Range | None) -> NDArray[np.bool_] | None:
    """Return a mask of the padding in `stored` (H, W); None if there is none."""
    if padding is None:
        return None
    low, high = padding
    mask = (stored >= low) & (stored <= high)
    return mask if mask.any() else None


def fill(stored: Stored, mask: NDArray[np.bool_]) -> Stored:
    """Return `stored` (H, W) with padding replaced by the nearest image in its row.

    A padding value is often far from the values of the image, and would cause ringing
    beside it. A row with only padding gets the nearest row with image pixels.
    """
    valid = ~mask
    rows = np.flatnonzero(valid.any(axis=1))
    if rows.size == 0:
        return stored
    filled = stored.copy()
    for row in rows:
        source = _nearest(np.flatnonzero(valid[row]), stored.shape[1])
        filled[row] = stored[row, source]
    result: Stored = filled[_nearest(rows, stored.shape[0])]
    return result


def _nearest(known: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Return for each position 0..length-1 the nearest position in sorted `known`."""
    middle = (known[1:] + known[:-1] + 1) // 2
    result: NDArray[np.intp] = known[
        np.searchsorted(middle, np.arange(length), "right")
    ]
    return result


def restore(
    result: Stored, source: Stored, mask: NDArray[np.bool_], scale: int
) -> None:
    """Put the padding of `source` (h, w) back into `result` (s*h, s*w), in place."""
    fine = mask.repeat(scale, axis=0).repeat(scale, axis=1)
    values = source.repeat(scale, axis=0).repeat(scale, axis=1)
    np.copyto(result, values, where=fine)


def avoid(result: Stored, padding: Range, fmt: PixelFormat) -> bool:
    """Move values of `result` out of the padding range, in place.

    Each value moves to the nearer neighbour of the range that can be stored.

    Returns
    -------
    False if no neighbour can be stored. Then nothing is changed, and the caller must
    remove PixelPaddingValue.
    """
    low, high = padding
    neighbours = [v for v in (low - 1, high + 1) if fmt.minimum <= v <= fmt.maximum]
    if not neighbours:
        return False
    inside = (result >= low) & (result <= high)
    nearer_high = result > (low + high) // 2
    np.copyto(result, neighbours[0], where=inside & ~nearer_high)
    np.copyto(result, neighbours[-1], where=inside & nearer_high)
    return True
