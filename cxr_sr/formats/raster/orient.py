"""Apply the orientation of rows and columns in TIFF and EXIF."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

UPRIGHT = 1
_FLIPS: dict[int, tuple[bool, bool, bool]] = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
"""Orientation -> (transposed, then upside down, then mirrored)."""


def is_transposed(orientation: int) -> bool:
    """Tell whether the stored rows are columns of the upright image."""
    return _FLIPS[orientation][0]


def known(orientation: int) -> int:
    """Return the orientation; upright for an undefined number."""
    return orientation if orientation in _FLIPS else UPRIGHT


def upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return samples (H, W, ...) as an upright image.

    Parameters
    ----------
    orientation : 1 to 8

    References
    ----------
    TIFF 6.0 section 8, Orientation; EXIF 2.3 tag 274
    """
    transposed, upside_down, mirrored = _FLIPS[orientation]
    if transposed:
        samples = samples.swapaxes(0, 1)
    if upside_down:
        samples = samples[::-1]
    if mirrored:
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)
