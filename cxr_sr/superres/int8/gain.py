"""One gain for each image, so that int8 sees images of every contrast alike.

Codes of int8 are worth a fixed number of units: of a faint image they would keep
little. A trunk without biases gives `gain` times the residual for `gain` times the
image, so that the image can be brought to the contrast its codes were made for.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.superres.canvas import STRIP_ROWS

USUAL_CONTRAST = 2.0**-6
"""Units from one pixel to the next in a radiograph, on average: the gain is 1 there."""
EXPONENTS = (-16, 16)
"""Of the least and the largest gain."""


def contrast_of(planes: NDArray[Any]) -> float:
    """Return the mean absolute difference of neighbours, those down and those across.

    It is the same whatever tiles or threads an image is computed with.

    Parameters
    ----------
    planes : (C, H, W), stored values or units

    Returns
    -------
    In what `planes` is in; 0 for a constant image or a single pixel
    """
    total, count = 0.0, 0
    for row in range(0, planes.shape[1], STRIP_ROWS):
        # The strip's first neighbour below it belongs to it as well.
        strip = planes[:, row : row + STRIP_ROWS + 1].astype(np.float32)
        across = np.diff(strip[:, :STRIP_ROWS], axis=2)
        for difference in (np.diff(strip, axis=1), across):
            total += float(np.abs(difference, out=difference).sum(dtype=np.float64))
            count += difference.size
    return total / max(count, 1)


def gain_of(contrast: float) -> float:
    """Return the power of two that brings a contrast (units) nearest to the usual.

    Powers of two change no digit of a float32. A constant image has the gain 1.
    """
    if not 0 < contrast < math.inf:
        return 1.0
    exponent = round(math.log2(USUAL_CONTRAST) - math.log2(contrast))
    low, high = EXPONENTS
    return 2.0 ** min(max(exponent, low), high)
