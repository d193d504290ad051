"""Convert stored values to units, the range of the networks' input, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.radiograph import PixelFormat, Radiograph

MINIMUM_WINDOW_SHARE = 1 / 64
"""A window narrower than this share of the stored range is not used: it would magnify
noise and rounding in the network's input."""


@dataclass(frozen=True)
class Scaling:
    """The linear map between stored values and units.

    The map can be inverted exactly and clips nothing: values outside the window become
    units outside 0 to 1. MONOCHROME1 gets a negative slope, so bone is always bright in
    units. The stored polarity does not change.
    """

    zero: float
    """The stored value that is 0 in units."""
    slope: float
    """Stored codes per unit; negative for MONOCHROME1."""

    @classmethod
    def of(cls, radiograph: Radiograph) -> Scaling:
        """Return the scaling by the window, or by the stored range.

        The window is used if it is no wider than the stored range and covers at least
        1/64 of it. Other windows would squeeze the image into a small part of the
        units; some files have windows outside the values of their pixels.
        """
        low, high = _sensible_window(radiograph.window, radiograph.format)
        if radiograph.format.photometric == "MONOCHROME1":
            return cls(high, low - high)
        return cls(low, high - low)

    def normalise(
        self, stored: NDArray[Any], dtype: type[np.floating[Any]] = np.float32
    ) -> NDArray[np.floating[Any]]:
        """Return `stored` (any shape, stored values) in units, as `dtype`.

        float32 has 24 bits: the error of a 16-bit value is below 0.01 code.
        """
        unit = stored.astype(dtype)
        unit -= dtype(self.zero)
        unit /= dtype(self.slope)
        return unit

    def denormalise(self, unit: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Return `unit` (any shape) in stored codes, neither rounded nor clipped."""
        codes = unit * unit.dtype.type(self.slope)
        codes += unit.dtype.type(self.zero)
        return codes


def _sensible_window(
    window: tuple[float, float] | None, fmt: PixelFormat
) -> tuple[float, float]:
    span = fmt.maximum - fmt.minimum
    if window is None:
        return fmt.minimum, fmt.maximum
    low, high = window
    overlap = min(high, fmt.maximum) - max(low, fmt.minimum)
    # A comparison with NaN is False, so a window with NaN is not used.
    if high - low <= span and overlap >= span * MINIMUM_WINDOW_SHARE:
        return low, high
    return fmt.minimum, fmt.maximum
