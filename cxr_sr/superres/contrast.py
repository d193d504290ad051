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
LARGEST_STEP = {2: 1.4, 3: 1.3, 4: 1.1, 8: 1.1}
"""What a gain should leave the strongest edge of the input at most, in units, by the
scale: beyond it, codes saturate. At x2, of 40 radiographs those with stronger edges
lost 0.2 to 4.3 dB, those with weaker ones 0.02 to 0.13, and 0.1 to 0.2 more with half
the gain. The more pixels an edge will have, the more it takes to make them."""
YIELDING = 2
"""Powers of two that a gain gives way to the strongest edge: as many as side markers
need. One pixel that is out of order shall not cost the image all its codes."""
EXPONENTS = (-16, 16)
"""Of the least and the largest gain."""


def contrast_of(planes: NDArray[Any]) -> float:
    """Return the mean absolute difference of neighbours; see `steps_of`."""
    return steps_of(planes)[0]


def steps_of(planes: NDArray[Any]) -> tuple[float, float]:
    """Return the mean and the largest absolute difference of neighbours.

    Neighbours are those down and those across. It is the same whatever tiles or threads
    an image is computed with.

    Parameters
    ----------
    planes : (C, H, W), stored values or units

    Returns
    -------
    In what `planes` is in; 0 for a constant image or a single pixel
    """
    total, count, largest = 0.0, 0, 0.0
    for row in range(0, planes.shape[1], STRIP_ROWS):
        # The strip's first neighbour below it belongs to it as well.
        strip = planes[:, row : row + STRIP_ROWS + 1].astype(np.float32)
        across = np.diff(strip[:, :STRIP_ROWS], axis=2)
        for difference in (np.diff(strip, axis=1), across):
            np.abs(difference, out=difference)
            total += float(difference.sum(dtype=np.float64))
            largest = max(largest, float(difference.max(initial=0.0)))
            count += difference.size
    return total / max(count, 1), largest


def gain_of(contrast: float, largest: float = 0.0, scale: int = 2) -> float:
    """Return the power of two that brings a contrast (units) nearest to the usual.

    Powers of two change no digit of a float32. A constant image has the gain 1.

    Parameters
    ----------
    contrast, largest : as `steps_of` returns them, in units
    scale : the factor by which the image is to be enlarged
    """
    if not 0 < contrast < math.inf:
        return 1.0
    exponent = round(math.log2(USUAL_CONTRAST) - math.log2(contrast))
    if largest > 0:
        room = LARGEST_STEP.get(scale, min(LARGEST_STEP.values()))
        most = math.floor(math.log2(room) - math.log2(largest))
        exponent = min(exponent, max(most, exponent - YIELDING))
    low, high = EXPONENTS
    return 2.0 ** min(max(exponent, low), high)
