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

The error is below 15 % for white and for coloured noise (`tests/superres/test_noise`).
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

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.padding import padding_mask

Array = NDArray[np.floating[Any]]

MARGIN = 1.15
"""Standard deviation that is told, divided by the estimated one."""
LEVEL_RADIUS_PX = 3
"""The level of a pixel is the mean of the 7 x 7 pixels around it."""
BLOCK_PX = 8
MOST_BLOCKS = 40_000
"""More blocks take time and do not improve the estimate."""
LARGEST_STRIDE_PX = 64
LEVELS = 12
"""Groups of blocks of similar level."""
FLAT_SHARE = 0.08
"""Share of the blocks of each level that is used: the flattest."""
LEAST_BLOCKS = 24
"""With fewer blocks, no estimate is made. With 48, images of 100 px had one or two
levels, and the result of one of them lost 5 dB."""
CHI_MEDIAN = 0.4549
"""Median divided by mean of the energy of one DCT coefficient of Gaussian noise."""
FLATTEST_SHARE_OF_MEAN = 0.3
"""Mean low-frequency energy of the flattest blocks of pure noise, divided by that of
all its blocks."""
WIDEST_PX = 1.3
"""Sigma of the widest Gaussian that continues the spectrum to low frequencies."""
STIFFNESS = 1.0
"""Stiffness of the curve of variance against level."""
UPPER_WEIGHT = (0.1, 0.5)
"""Weight of points above that curve; points below have 1 minus this weight. The first
is for an image full of detail, whose points may all be too high; the second for an
image of noise alone."""
NEGLIGIBLE_CODES, NEGLIGIBLE_UNITS = 0.4, 2.5e-4
"""Below these standard deviations, an image counts as free of noise. Rounding alone has
0.29 codes, and no screen shows a four-thousandth of the window."""

NOISY_ENERGY = 2.0
"""A block has only noise if its energy at high frequencies, divided by that of the
noise, is at most this. It is true of 99 of 100 blocks of a flat field."""
NOISY_SHARE = (0.65, 0.8)
"""Share of such blocks. Up to the first value a faint noise is not told; from the
second value on it is. Reduced radiographs have 0.4 to 0.7, original ones 0.8 to
0.99."""
FAINT_UNITS = (0.005, 0.009)
"""Standard deviation: noise up to the first value is faint, from the second it is
not."""

FREQUENCY = np.arange(BLOCK_PX)
BASIS = np.cos(np.pi * np.outer(FREQUENCY, 2 * FREQUENCY + 1) / (2 * BLOCK_PX))
BASIS *= np.where(FREQUENCY == 0, 1, np.sqrt(2))[:, None] / np.sqrt(BLOCK_PX)
LAG_ONE = (BASIS[:, 1:] * BASIS[:, :-1]).sum(1) * BLOCK_PX / (BLOCK_PX - 1)
"""Contribution of each frequency to the correlation of neighbouring pixels."""
RADIUS = np.hypot(*np.meshgrid(FREQUENCY, FREQUENCY))
SQUARED = (RADIUS / (2 * BLOCK_PX)) ** 2
"""Squared spatial frequency of each coefficient, in cycles a pixel."""
LOW = (RADIUS > 0) & (RADIUS < 2.5)
EDGES = (2.5, 3.5, 4.5, 5.5, 6.5, 8.0, 10.0)
BANDS = [(a <= RADIUS) & (b > RADIUS) for a, b in pairwise(EDGES)]
BAND_SQUARED = np.array([SQUARED[band].mean() for band in BANDS])
TRUST = np.array([1, 1, 1, 0.5, 0.15, 0.05])
"""Weight of each band in the continuation: the last bands hold rounding and leakage."""
REFERENCE = slice(1, 5)
"""The mean of these bands is the reference for the noise of a level."""
HIGH = np.logical_or.reduce(BANDS[REFERENCE])
LEAKAGE = (
    (0.0, 0.4, 0.6, 0.7, 0.75),
    (1.0, 1.02, 1.045, 1.085, 1.17),
)
"""Measured correlation, and true divided by measured standard deviation at it. A block
loses a part of noise that is wider than the block (simulated Gaussian noise)."""
CORRELATION_LEAKAGE = 1.13
"""True correlation divided by the measured one, for the same reason."""


@dataclass(frozen=True)
class Noise:
    """The noise of one image, in units of its `Scaling`."""

    levels: tuple[float, ...]
    """Levels, ascending, in units."""
    sigma: tuple[float, ...]
    """Standard deviation at each of the levels, in units; constant beyond the ends."""
    correlation: float
    """Of a pixel's noise with that of the next, down and across in the mean."""

    share: float = 1.0
    """Of the blocks that show nothing but noise at high frequencies."""

    @property
    def weight(self) -> float:
        """Share of the noise that is told: 0 for a faint one amid detail, or 1."""
        return max(_ramp(self.share, NOISY_SHARE), _ramp(self.usual, FAINT_UNITS))

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
        return self.at(level) * np.float32(MARGIN * self.weight)

    def planes(self, level: Array) -> NDArray[np.float32]:
        """Return (2, ...) units, as `networks.NOISE_PLANES` names them."""
        sigma = self.told(level)
        return np.stack([sigma, sigma * np.float32(self.correlation)])


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
    blocks = scaling.normalise(_blocks(planes))
    low, high = blocks.min((1, 2)), blocks.max((1, 2))
    inside = (low > low.min(initial=0)) & (high < high.max(initial=0))
    inside &= high > low
    if mask is not None:
        inside &= ~_blocks(mask[None]).any((1, 2))
    if np.count_nonzero(inside) < LEAST_BLOCKS:
        return None
    basis = BASIS.astype(np.float32)
    coefficients = basis @ blocks[inside] @ basis.T
    level = coefficients[:, 0, 0] / BLOCK_PX
    energy = np.square(coefficients, out=coefficients)
    levels, bands, lows = _spectra(level, energy)
    usual = np.interp(level, levels, bands[:, REFERENCE].mean(1))
    share = float(np.mean(energy[:, HIGH].mean(1) < NOISY_ENERGY * usual))
    shape, correlation = _spectrum(bands, lows)
    variance = _reference(bands) * shape - (1 / scaling.slope) ** 2 / 12
    sigma = _law(levels, variance, share, 1 / abs(scaling.slope))
    if not sigma.any():
        return None
    return Noise(tuple(levels.tolist()), tuple(sigma.tolist()), correlation, share)


def estimate_of(radiograph: Radiograph) -> Noise | None:
    """Return the noise of a radiograph, its padding left out, as `estimate` does."""
    planes = np.atleast_3d(radiograph.pixels).transpose(2, 0, 1)
    mask = padding_mask(planes[0], radiograph.padding)
    return estimate(planes, Scaling.of(radiograph), mask)


def noise_of(radiograph: Radiograph) -> dict[str, float]:
    """Return the noise of a radiograph in stored codes, as reports state it.

    Returns
    -------
    ``sigma``, the median standard deviation in stored codes; ``correlation`` of
    neighbouring pixels; ``share`` of the image that shows nothing but noise at high
    frequencies; ``weight``, the share of the noise that `upscale` takes into account.
    Empty if there is no noise.
    """
    noise = estimate_of(radiograph)
    if noise is None:
        return {}
    return {
        "sigma": noise.usual * abs(Scaling.of(radiograph).slope),
        "correlation": noise.correlation,
        "share": noise.share,
        "weight": noise.weight,
    }


def _blocks(planes: NDArray[Any]) -> NDArray[Any]:
    """Return (n, 8, 8) stored values, spread evenly over the image."""
    rows, columns = planes.shape[1:]
    if min(rows, columns) < BLOCK_PX:
        return np.empty((0, BLOCK_PX, BLOCK_PX))
    stride = int(np.sqrt(rows * columns / MOST_BLOCKS))
    stride = min(max(stride, 3), LARGEST_STRIDE_PX)
    windows = sliding_window_view(planes, (BLOCK_PX, BLOCK_PX), (1, 2))
    chosen = windows[:, ::stride, ::stride].reshape(len(planes), -1, BLOCK_PX, BLOCK_PX)
    blocks: NDArray[Any] = chosen[0] if len(planes) == 1 else chosen.mean(0)
    return blocks


def _spectra(level: Array, energy: Array) -> tuple[Array, Array, Array]:
    """Return the levels (L,), their band energies (L, B) and low energies (L,)."""
    lowest = energy[:, LOW].sum(1)
    count = int(min(LEVELS, len(level) * FLAT_SHARE / LEAST_BLOCKS))
    groups = np.array_split(np.argsort(level, kind="stable"), max(1, count))
    rows = []
    for group in groups:
        kept = min(max(int(len(group) * FLAT_SHARE), LEAST_BLOCKS), len(group))
        flat = group[np.argpartition(lowest[group], kept - 1)[:kept]]
        bands = [np.median(energy[flat][:, band]) / CHI_MEDIAN for band in BANDS]
        rows.append((np.median(level[flat]), bands, np.median(lowest[flat])))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return columns[0], columns[1], columns[2] / LOW.sum()


def _reference(bands: Array) -> Array:
    """Return the energy (L,) that stands for the noise of each level."""
    mean: Array = np.exp(np.log(np.maximum(bands[:, REFERENCE], 1e-12)).mean(1))
    return mean


def _spectrum(bands: Array, lows: Array) -> tuple[float, float]:
    """Return the variance, the reference being 1, and the correlation of the noise."""
    reference = _reference(bands)
    relative = np.median(np.maximum(bands, 1e-12) / reference[:, None], axis=0)
    shape = _shape(relative, float(np.median(lows / reference)))
    total = shape.sum()
    across, down = ((LAG_ONE * shape.sum(axis)).sum() / total for axis in (0, 1))
    measured = float(across + down) / 2
    lost = float(np.interp(measured, *LEAKAGE)) ** 2
    correlation = min(max(measured * CORRELATION_LEAKAGE, -0.5), 0.95)
    return float(shape.mean()) * lost, correlation


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


def _shape(bands: Array, low: float) -> Array:
    """Return the noise power spectrum (8, 8), its reference bands being 1.

    Parameters
    ----------
    bands : (B,) relative energy of each band
    low : relative energy at low frequencies, anatomy included
    """
    matrix = np.stack([np.ones_like(BAND_SQUARED), -BAND_SQUARED], 1)
    weighted = matrix * TRUST[:, None], np.log(bands) * TRUST
    steepness = float(np.linalg.lstsq(*weighted, rcond=None)[0][1])
    steepest = (2 * np.pi * WIDEST_PX) ** 2
    steepness = min(max(steepness, -steepest / 4), steepest)
    start = np.average(np.log(bands) + steepness * BAND_SQUARED, weights=TRUST)
    shape = np.exp(start - steepness * SQUARED)
    for band, measured in zip(BANDS, bands, strict=True):
        shape[band] = measured
    shape[LOW] = np.minimum(shape[LOW], low / FLATTEST_SHARE_OF_MEAN)
    shape[0, 0] = shape[0, 1]
    return shape


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
