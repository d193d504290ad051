"""One gain for each image, so that int8 works for images of any contrast.

An int8 code stands for a fixed number of units, so a faint image would lose detail. If
an image is multiplied by a gain, a trunk without biases gives the residual times this
gain. So each image gets the gain that brings it to the contrast of the codes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.superres.canvas import STRIP_ROWS

USUAL_CONTRAST = 2.0**-6
"""Mean difference of neighbours in a usual radiograph, in units; its gain is 1."""
NOISE_SHARE = 0.8
"""Share of the contrast from which on noise decides it."""
MORE_GAIN = 2.0
"""Factor for the gain of such an image, if the noise is stronger than the usual
contrast. The largest values of noise are only a few times its mean, but the largest
values of edges are fifty times their mean. So noise with twice the gain still fits into
the codes, and is rounded less. At a standard deviation of 0.02 units, the loss at x2
falls from 0.2 to 0.1 dB. A fainter noise gains nothing, and more parts saturate."""
EXPONENTS = (-16, 16)
"""Exponents of 2 of the least and the largest gain."""


def contrast_of(planes: NDArray[Any]) -> float:
    """Return the mean absolute difference of vertical and horizontal neighbours.

    The result does not depend on tiles or threads.

    Parameters
    ----------
    planes : (C, H, W), stored values or units

    Returns
    -------
    The mean, in the units of `planes`; 0 for a constant image or a single pixel
    """
    total, count = 0.0, 0
    for row in range(0, planes.shape[1], STRIP_ROWS):
        # The strip includes the first row below it, for the last vertical difference.
        strip = planes[:, row : row + STRIP_ROWS + 1].astype(np.float32)
        across = np.diff(strip[:, :STRIP_ROWS], axis=2)
        for difference in (np.diff(strip, axis=1), across):
            total += float(np.abs(difference, out=difference).sum(dtype=np.float64))
            count += difference.size
    return total / max(count, 1)


def contrast_of_noise(sigma: float, correlation: float) -> float:
    """Return the mean absolute difference of neighbours of Gaussian noise.

    Parameters
    ----------
    sigma : standard deviation, in units
    correlation : of neighbours
    """
    return 2 * sigma * math.sqrt(max(1 - correlation, 0) / math.pi)


def gain_of(contrast: float, noise: float = 0.0) -> float:
    """Return the power of two that brings a contrast (units) nearest to the usual.

    A power of two changes no digit of a float32. A constant image has the gain 1.

    Parameters
    ----------
    contrast : of the image, in units
    noise : the part of it that is noise; see `contrast_of_noise`
    """
    if not 0 < contrast < math.inf:
        return 1.0
    exponent = round(math.log2(USUAL_CONTRAST) - math.log2(contrast))
    low, high = EXPONENTS
    strong = noise > max(NOISE_SHARE * contrast, USUAL_CONTRAST)
    return (MORE_GAIN if strong else 1.0) * 2.0 ** min(max(exponent, low), high)
