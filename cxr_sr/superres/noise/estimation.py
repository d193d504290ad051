"""The noise of one image: its standard deviation against level, and its correlation.

It is estimated once for the whole image, from the image alone, before anything else:

1. Overlapping blocks of 8 x 8 pixels are transformed by the DCT.
2. The blocks are sorted by level. Of each level the flattest ones, which have the least
   energy at low frequencies, are kept: there little but noise is left.
3. The median energy of each band of frequencies is the noise power spectrum. At low
   frequencies, where anatomy hides the noise, it is continued by a Gaussian.
4. Its integral is the variance at each level. A smooth curve joins the variances. In an
   image full of detail it runs along their lower side, because anatomy only adds to
   them.

The error is below 15 % for white and for coloured noise (`tests/superres/noise`).
With too low an estimate a network keeps noise and connects it to lines; with too high
an estimate the result is only softer. So all later steps use `told`, which is higher by
`MARGIN`.

In most radiographs, nearly every block has only noise at high frequencies. In an image
that was reduced in size, most blocks have anatomy there, and a faint noise may be fine
texture. Removing it would remove detail. So a faint noise in an image full of detail is
measured, but not told to the network (`weight`).

References
----------
N. N. Ponomarenko et al., "An automatic approach to lossy compression of AVIRIS images",
IGARSS 2007: noise from the flattest DCT blocks. A. Foi et al., "Practical
Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE TIP 17
(2008): variance against level. P. H. C. Eilers, "A perfect smoother", Anal. Chem. 75
(2003): the curve. S. Pyatykh et al., IEEE TIP 22 (2013): why anatomy only adds.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.noise.spectrum import (
    BASIS,
    BLOCK_PX,
    HIGH,
    LEAST_BLOCKS,
    REFERENCE,
    Array,
    blocks_of,
    reference_of,
    spectra,
    variance_and_correlation,
)
from cxr_sr.superres.padding import padding_mask

MARGIN = 1.15
"""Standard deviation that is told, divided by the estimated one."""
LEVEL_RADIUS_PX = 3
"""The level of a pixel is the mean of the 7 x 7 pixels around it."""
STIFFNESS = 1.0
"""Stiffness of the curve of variance against level."""
UPPER_WEIGHT = (0.1, 0.5)
"""Weight of points above that curve; points below have 1 minus this weight. The first
is for an image full of detail, whose points may all be too high; the second for an
image of noise alone."""
CODING_CORRELATION = -1.0
"""Correlation that networks are told for the error of JPEG. No detector's noise has it:
it only marks JPEG."""
NEGLIGIBLE_CODES, NEGLIGIBLE_UNITS = 0.4, 2.5e-4
"""Below these standard deviations, an image counts as free of noise. Rounding alone has
0.29 codes, and no screen shows a four-thousandth of the window."""

NOISY_ENERGY = 2.0
"""A block has only noise if its energy at high frequencies, divided by the energy
of the noise, is at most this. It is true of 99 of 100 blocks of a flat field."""
NOISY_SHARE = (0.65, 0.8)
"""Share of such blocks. Up to the first value a faint noise is not told; from the
second value on it is. Reduced radiographs have 0.4 to 0.7, original ones 0.8 to
0.99."""
LEAST_WEIGHT = 0.5
"""From this `Noise.weight` on, the weights of `fine` that are told the noise run. Below
it the noise is faint and much may be fine texture, which those for images without noise
keep."""
FAINT_UNITS = (0.005, 0.009)
"""Standard deviation: noise up to the first value is faint, from the second it is
not."""


@dataclass(frozen=True)
class Noise:
    """The noise of one image, in units of its `Scaling`."""

    levels: tuple[float, ...]
    """Levels, ascending, in units."""
    sigma: tuple[float, ...]
    """Standard deviation at each of the levels, in units; constant beyond the ends."""
    correlation: float
    """Correlation of the noise of two adjacent pixels, mean of down and across."""

    share: float = 1.0
    """Share of blocks that show nothing but noise at high frequencies, 0 to 1."""
    coding: float = 0.0
    """Standard deviation of the error of lossy JPEG, in units; see
    `Radiograph.coding_error`."""

    @property
    def weight(self) -> float:
        """Share of the noise that is told: 0 for a faint one amid detail, or 1."""
        return max(_ramp(self.share, NOISY_SHARE), _ramp(self.usual, FAINT_UNITS))

    @property
    def is_told(self) -> bool:
        """Whether a network needs to know the noise, or may run as without any."""
        return self.weight >= LEAST_WEIGHT or self.coding > 0

    @property
    def usual(self) -> float:
        """The median standard deviation over the image's levels, in units."""
        return float(np.median(self.sigma))

    def at(self, level: Array) -> NDArray[np.float32]:
        """Return the estimated standard deviation at `level` (any shape), in units."""
        found = np.interp(level, self.levels, self.sigma)
        return np.asarray(found, np.float32)

    def told(self, level: Array) -> NDArray[np.float32]:
        """Return the standard deviation that all later steps use."""
        found = self.at(level) * np.float32(MARGIN * self.weight)
        return np.asarray(np.hypot(found, np.float32(MARGIN * self.coding)))

    def planes(self, level: Array) -> NDArray[np.float32]:
        """Return (2, ...) units, as `networks.NOISE_PLANES` names them."""
        sigma = self.told(level)
        coded = np.float32((MARGIN * self.coding) ** 2)
        correlated = (np.square(sigma) - coded) * np.float32(self.correlation)
        covariance = correlated + coded * np.float32(CODING_CORRELATION)
        return np.stack([sigma, covariance / np.maximum(sigma, np.float32(1e-9))])


def estimate(
    planes: NDArray[Any],
    scaling: Scaling,
    mask: NDArray[np.bool_] | None = None,
) -> Noise | None:
    """Return the noise of an image, or None if it is negligible.

    Parameters
    ----------
    planes : (C, H, W) stored values; of a colour image the mean of the planes counts
    scaling : of the image
    mask : (H, W), True at pixels that do not count

    Returns
    -------
    The noise in units. None if it is below the rounding to stored values or below
    2.5e-4 units, or if too few blocks are not constant.
    """
    blocks = scaling.normalise(blocks_of(planes))
    if mask is not None:
        blocks = blocks[~blocks_of(mask[None]).any((1, 2))]
    low, high = blocks.min((1, 2)), blocks.max((1, 2))
    inside = (low > low.min(initial=0)) & (high < high.max(initial=0))
    inside &= high > low
    if np.count_nonzero(inside) < LEAST_BLOCKS:
        return None
    basis = BASIS.astype(np.float32)
    coefficients = basis @ blocks[inside] @ basis.T
    level = coefficients[:, 0, 0] / BLOCK_PX
    energy = np.square(coefficients, out=coefficients)
    levels, bands, lows = spectra(level, energy)
    usual = np.interp(level, levels, bands[:, REFERENCE].mean(1))
    share = float(np.mean(energy[:, HIGH].mean(1) < NOISY_ENERGY * usual))
    shape, correlation = variance_and_correlation(bands, lows)
    variance = reference_of(bands) * shape - (1 / scaling.slope) ** 2 / 12
    sigma = _law(levels, variance, share, 1 / abs(scaling.slope))
    if not sigma.any():
        return None
    return Noise(tuple(levels.tolist()), tuple(sigma.tolist()), correlation, share)


def estimate_of(radiograph: Radiograph) -> Noise | None:
    """Return the noise of a radiograph, its padding left out, as `estimate` does.

    The error of lossy JPEG is added: it cannot be seen in the image, but the file tells
    it.
    """
    planes = np.atleast_3d(radiograph.pixels).transpose(2, 0, 1)
    mask = padding_mask(planes[0], radiograph.padding)
    scaling = Scaling.of(radiograph)
    found = estimate(planes, scaling, mask)
    if not radiograph.coding_error:
        return found
    coding = radiograph.coding_error / abs(scaling.slope)
    return dataclasses.replace(found or Noise((0.5,), (0.0,), 0.0, 0.0), coding=coding)


def noise_of(radiograph: Radiograph) -> dict[str, float]:
    """Return the noise of a radiograph in stored codes, as reports state it.

    Returns
    -------
    ``sigma``, the median standard deviation in stored codes; ``correlation`` of
    neighbouring pixels; ``share`` of the image that shows nothing but noise at high
    frequencies; ``weight``, the share of the noise that `upscale` takes into account.
    ``coding``, the standard deviation of the error of lossy JPEG in stored codes, only
    where there is one. Empty if there is neither.
    """
    noise = estimate_of(radiograph)
    if noise is None:
        return {}
    coding = {"coding": radiograph.coding_error} if noise.coding else {}
    return coding | {
        "sigma": noise.usual * abs(Scaling.of(radiograph).slope),
        "correlation": noise.correlation,
        "share": noise.share,
        "weight": noise.weight,
    }


def _law(levels: Array, variance: Array, share: float, code: float) -> Array:
    """Return the standard deviation (L,) at the levels, 0 where it is negligible."""
    least = max(NEGLIGIBLE_CODES * code, NEGLIGIBLE_UNITS)
    # A level without noise must not lower the curve at the other levels.
    points = np.log(np.maximum(variance, (least / 2) ** 2))
    low, high = UPPER_WEIGHT
    upper = low + (high - low) * _ramp(share, NOISY_SHARE)
    sigma: Array = np.exp(_curve(levels, points, upper) / 2)
    sigma[sigma < least] = 0
    return sigma


def _curve(levels: Array, values: Array, upper: float) -> Array:
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
    curve = values
    for _ in range(15):
        curve = np.linalg.solve(np.diag(weights) + stiffness, weights * values)
        weights = np.where(values > curve, upper, 1 - upper)
    return curve


def _ramp(value: float, ends: tuple[float, float]) -> float:
    """Return 0 below the first end, 1 above the second, and a smooth rise between."""
    low, high = ends
    x = min(max((value - low) / (high - low), 0.0), 1.0)
    return x * x * (3 - 2 * x)


def level_of(unit: Array) -> Array:
    """Return the local level of an image (C, h, w): its mean over 7 x 7 pixels."""
    width = 2 * LEVEL_RADIUS_PX + 1
    for axis in (-2, -1):
        margins = [(0, 0)] * unit.ndim
        margins[axis] = (LEVEL_RADIUS_PX, LEVEL_RADIUS_PX)
        padded = np.pad(unit, margins, mode="edge")
        length = unit.shape[axis]
        total = np.zeros_like(unit)
        for k in range(width):
            total += padded.take(range(k, k + length), axis)
        unit = total / unit.dtype.type(width)
    return unit


def with_noise(image: Array, noise: Noise | None) -> Array:
    """Return (N, 1, h, w) units with the planes that tell its noise: (N, 3, h, w).

    Without noise, these planes are 0.
    """
    told = np.zeros((len(image), 2, *image.shape[2:]), image.dtype)
    if noise is not None:
        told[:] = noise.planes(level_of(image[:, 0])).swapaxes(0, 1)
    return np.concatenate([image, told], 1)
