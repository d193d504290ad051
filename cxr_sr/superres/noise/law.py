"""The law of the noise: its standard deviation at each level of an image."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from cxr_sr.superres.noise.spectrum import Array, flattest

NOISY_SHARE = (0.65, 0.8)
"""Share of blocks that show nothing but noise. Up to the first value an image is full
of detail; from the second value on it is not. Reduced radiographs have 0.4 to 0.7,
original ones 0.8 to 0.99."""
STIFFNESS = 1.0
"""Stiffness of the curve of variance against level."""
UPPER_WEIGHT = (0.1, 0.5)
"""Weight of points above that curve; points below have 1 minus this weight. The first
is for an image full of detail, whose points may all be too high; the second for an
image of noise alone."""
NEGLIGIBLE_CODES, NEGLIGIBLE_UNITS = 0.4, 2.5e-4
"""Below these standard deviations, an image counts as free of noise. Rounding alone has
0.29 codes, and no screen shows a four-thousandth of the window."""
LOWER_SIDE = 0.2
"""Weight of the blocks above the line of `slope_of`."""
GROUPS, FLATTEST = 6, 0.15
"""Groups of blocks of similar level for that line, and the used share of each: the
flattest."""
SLOPES = (-1.0, 7.0)
"""Allowed slopes of the logarithm of the variance, for one unit of level. A logarithmic
detector has 2.8 (0.6 decades of the standard deviation) to 3.5. Steeply negative slopes
are anatomy: the dark lungs have more fine structure than the bright abdomen."""
RESOLUTION = 1e-7
"""Energy, in units squared, that is lost in rounding."""
STEADINESS = 1e-3
"""Variance of the levels, in units squared, below which a slope is not measured."""


def law(levels: Array, variance: Array, share: float, code: float) -> Array:
    """Return the standard deviation (L,) at the levels, 0 where it is negligible."""
    least = max(NEGLIGIBLE_CODES * code, NEGLIGIBLE_UNITS)
    # A level without noise must not lower the curve at the other levels.
    points = np.log(np.maximum(variance, (least / 2) ** 2))
    low, high = UPPER_WEIGHT
    upper = low + (high - low) * ramp(share, NOISY_SHARE)
    sigma: Array = np.exp(curve(levels, points, upper) / 2)
    sigma[sigma < least] = 0
    return sigma


def curve(levels: Array, values: Array, upper: float) -> Array:
    """Return a smooth curve through `values` (L,) at `levels` (L,).

    Values above the curve have the weight `upper`, values below it 1 - `upper`. With
    less than one half, the curve runs along the lower side (expectile smoothing).
    """
    count = len(levels)
    if count < 3:
        return np.full(count, values.mean())
    step = np.maximum(np.diff(levels) / max(levels[-1] - levels[0], 1e-6), 0.02)
    bends = np.zeros((count - 2, count))
    for k, (before, after) in enumerate(pairwise(step)):
        bend = np.array([1 / before, -1 / before - 1 / after, 1 / after])
        bends[k, k : k + 3] = bend / (np.sqrt((before + after) / 2) * count)
    stiffness = STIFFNESS * bends.T @ bends
    weights = np.full(count, 0.5)
    found = values
    for _ in range(15):
        found = np.linalg.solve(np.diag(weights) + stiffness, weights * values)
        weights = np.where(values > found, upper, 1 - upper)
    return found


def ramp(value: float, ends: tuple[float, float]) -> float:
    """Return 0 below the first end, 1 above the second, and a smooth rise between."""
    low, high = ends
    x = min(max((value - low) / (high - low), 0.0), 1.0)
    return x * x * (3 - 2 * x)


def slope_of(levels: Array, energies: Array, lows: Array) -> float:
    """Return the slope of the logarithm of the noise variance against level.

    A straight line runs along the lower side of the logarithms of the energies of flat
    blocks, because anatomy only adds to them (expectile regression).

    Parameters
    ----------
    levels : (n,) level of each block, in units
    energies : (n,) energy of each block at high frequencies, in units squared
    lows : (n,) energy of each block at low frequencies, in units squared
    """
    groups = np.array_split(np.argsort(levels, kind="stable"), GROUPS)
    flat = np.concatenate([flattest(lows, group, FLATTEST, 3) for group in groups])
    x, y = levels[flat] - levels[flat].mean(), np.log(energies[flat] + RESOLUTION)
    weights = np.full(len(x), 0.5)
    slope = 0.0
    for _ in range(30):
        shares = weights / weights.sum()
        centre, middle = shares @ x, shares @ y
        spread = shares @ (x - centre) ** 2 + STEADINESS
        slope = shares @ ((x - centre) * y) / spread
        above = y > middle + slope * (x - centre)
        weights = np.where(above, LOWER_SIDE, 1 - LOWER_SIDE)
    return float(np.clip(slope, *SLOPES))
