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
an estimate the result is only softer. So all later steps use a standard deviation that
is higher by `MARGIN`.

In most radiographs, nearly every block has only noise at high frequencies. In an image
that was reduced in size, most blocks have anatomy there, and a faint noise may be fine
texture. Removing it would remove detail. So a faint noise in an image full of detail is
measured, but not told to the network (`weight`). The projection knows it (`allowed`).

A small image has too few blocks for several levels: up to about 135 x 135 pixels. There
one spectrum is measured. The logarithm of the variance is a straight line against
level, and the line comes from the flattest blocks (`law.slope_of`). In such an image,
nearly every block has fine anatomy. So its noise must be stronger to be told, and more
of the grain is kept (`consistency.least_grain`).

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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.noise.law import NOISY_SHARE, law, ramp, slope_of
from cxr_sr.superres.noise.spectrum import (
    FEW_BLOCKS,
    HIGH,
    LEAST_BLOCKS,
    LEVELS,
    LOW,
    MOST_BLOCKS,
    REFERENCE,
    Array,
    blocks_of,
    energies,
    reference_of,
    spectra,
    sums_of,
    variance_and_correlation,
)
from cxr_sr.superres.padding import padding_mask

MARGIN = 1.15
"""Standard deviation that is told, divided by the estimated one."""
LEVEL_RADIUS_PX = 3
"""The level of a pixel is the mean of the 7 x 7 pixels around it."""
CODING_CORRELATION = -1.0
"""Correlation that networks are told for the error of JPEG. No detector's noise has it:
it only marks JPEG."""
NOISY_ENERGY = 2.0
"""A block has only noise if its energy at high frequencies, divided by the energy
of the noise, is at most this. It is true of 99 of 100 blocks of a flat field."""
LEAST_WEIGHT = 0.5
"""From this `Noise.weight` on, the weights of `fine` that are told the noise run. Below
it the noise is faint and much may be fine texture, which those for images without noise
keep."""
ANY_SHARE = (0.3, 0.45)
"""Shares of blocks that show only noise. Up to the first value, fine detail was taken
for noise; from the second on, some of it is noise."""
EVIDENCE = (1.9, 3.8, 24.0, 0.55)
"""Numbers a, b, c, d of a decision: noise is told if
log(sigma) + a + b share + c width + d count is positive. `sigma` is the standard
deviation in units. `share` is the share of blocks that show only noise. `width` is the
excess of the correlation over `WIDE`. `count` is log(blocks / ENOUGH_BLOCKS), and is at
most 0. With a share of 0.9, a sigma of 0.005 is enough; with 0.5, it must be 0.022. The
first three come from a logistic regression on 2800 reduced radiographs with sides of 40
to 220 px, half of them noisy. For other patients, 97 of 100 decisions are right."""
ENOUGH_BLOCKS = 700
"""From this number of blocks on, more blocks change nothing. With 150 blocks, one clean
chest in six has the same share and standard deviation as a noisy one."""
WIDE = (0.7, 0.76)
"""Correlations of neighbours. Few images without noise have a larger one than the first
value. From the second value on, a larger one changes nothing."""
DOUBT = 0.25
"""The noise is told in part if that sum is between minus and plus this number."""


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
    """Share of blocks that show only noise at high frequencies, 0 to 1."""
    blocks: int = MOST_BLOCKS
    """Number of blocks from which it was estimated."""
    coding: float = 0.0
    """Standard deviation of the error of lossy JPEG, in units; see
    `Radiograph.coding_error`."""

    @property
    def weight(self) -> float:
        """Share of the noise that is told: 0 for a faint one amid detail, or 1."""
        start, by_share, by_width, by_count = EVIDENCE
        wide = min(max(self.correlation, WIDE[0]), WIDE[1]) - WIDE[0]
        size = min(np.log(self.blocks / ENOUGH_BLOCKS), 0.0)
        strength = np.log(max(self.usual, 1e-9)) + start
        evidence = strength + by_share * self.share + by_width * wide + by_count * size
        strong = ramp(evidence, (-DOUBT, DOUBT))
        few = self.blocks < FEW_BLOCKS
        return strong if few else max(strong, ramp(self.share, NOISY_SHARE))

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
        """Return the standard deviation that networks are told."""
        return self._used(level, self.weight)

    def allowed(self, level: Array) -> NDArray[np.float32]:
        """Return the standard deviation of a disagreement that noise may explain.

        A noise that is not told may be fine texture: the network keeps it. But the
        measured image may disagree with the result by as much. Where hardly a block
        shows only noise, there is none.
        """
        share = self.weight if self.is_told else ramp(self.share, ANY_SHARE)
        return self._used(level, share)

    def _used(self, level: Array, share: float) -> NDArray[np.float32]:
        found = self.at(level) * np.float32(MARGIN * share)
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
    blocks = _usable(planes, scaling, mask)
    if len(blocks) < LEAST_BLOCKS:
        return None
    level, energy = energies(blocks)
    count = len(energy)
    few = count < FEW_BLOCKS
    high = sums_of(energy, HIGH) / np.float32(HIGH.sum())
    middle, slope = np.median(level), 0.0
    if few:
        slope = slope_of(level, high, sums_of(energy, LOW))
        law_of_level = np.exp(slope * (level - middle))
        energy, high = energy / law_of_level[:, None, None], high / law_of_level
    levels, bands, lows = spectra(level, energy, 1 if few else LEVELS)
    usual = np.interp(level, levels, bands[:, REFERENCE].mean(1))
    share = float(np.mean(high < NOISY_ENERGY * usual))
    shape, correlation = variance_and_correlation(bands, lows)
    if few:
        levels = np.quantile(level, np.linspace(0.02, 0.98, LEVELS))
    variance = reference_of(bands) * shape * np.exp(slope * (levels - middle))
    rounding = (1 / scaling.slope) ** 2 / 12
    sigma = law(levels, variance - rounding, share, 1 / abs(scaling.slope))
    if not sigma.any():
        return None
    found = tuple(levels.tolist()), tuple(sigma.tolist())
    return Noise(*found, correlation, share, count)


def _usable(
    planes: NDArray[Any], scaling: Scaling, mask: NDArray[np.bool_] | None
) -> Array:
    """Return the blocks (n, 8, 8) in units that are neither constant nor clipped."""
    blocks = blocks_of(planes)
    if mask is not None:
        blocks = blocks[~blocks_of(mask[None]).any((1, 2))]
    ends = (scaling.normalise(end((1, 2))) for end in (blocks.min, blocks.max))
    low, high = sorted(ends, key=np.sum)  # a negative slope exchanges them
    inside = (low > low.min(initial=0)) & (high < high.max(initial=0))
    inside &= high > low
    return scaling.normalise(blocks[inside])


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
