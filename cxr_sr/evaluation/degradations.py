"""Degrade images for evaluation: make a coarser image of the same chest.

Every degradation maps stored values (H, W) to stored values (H / scale, W / scale).
The sides must be divisible by the scale; all values are whole codes. Except for the
rounding, the degradations of training are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import SettingsError
from cxr_sr.radiograph import PixelFormat, Radiograph
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.resample import FloatImage, box_down, coarser


@dataclass(frozen=True)
class Coding:
    """The meaning of the stored values of a radiograph."""

    format: PixelFormat
    scaling: Scaling

    @classmethod
    def of(cls, radiograph: Radiograph) -> Coding:
        """Return the coding of a radiograph."""
        return cls(radiograph.format, Scaling.of(radiograph))

    @property
    def data_range(self) -> int:
        """The width of the stored range: 255 for 8 bits, 32767 for 15."""
        return self.format.maximum - self.format.minimum

    def codes(self, stored: FloatImage) -> FloatImage:
        """Return the stored values of a file: whole codes within the stored range."""
        low, high = self.format.minimum, self.format.maximum
        codes: FloatImage = np.floor(stored + 0.5).clip(low, high)
        return codes


def bicubic(stored: FloatImage, scale: int, coding: Coding) -> FloatImage:
    """Return the antialiased bicubic reduction (a = -0.5), the usual one in papers.

    Codes are rounded after the columns and again after the rows, as Pillow does. On 8
    bits this costs every model 0.1 dB at x2; on 16 bits nothing.
    """
    columns = coding.codes(coarser(stored, scale, -1))
    return coding.codes(coarser(columns, scale, -2))


def box(stored: FloatImage, scale: int, coding: Coding) -> FloatImage:
    """Return the mean over scale x scale pixels: detector binning."""
    return coding.codes(box_down(stored, scale))


QUANTA_PER_UGY = 800.0
"""Quanta that a pixel of 0.2 mm detects of 1 uGy of air kerma: 30,174 a mm^2 and uGy
(RQA5, IEC 62220-1-1) and a DQE of 0.66."""


@dataclass(frozen=True)
class Exposure:
    """The dose of a simulated exposure, and the correlation of its noise."""

    dose_ugy: float = 2.5
    """Air kerma at the detector where the unit image is 0, in uGy. 2.5 uGy is an
    exposure index of 250 (IEC 62494-1), usual for a chest radiograph."""
    width_px: float = 0.0
    """Sigma of the Gaussian that correlates the noise of neighbouring pixels, in pixels
    of the coarse detector; 0: white noise. 0.5 gives neighbours the correlation of
    0.26; two exposures of one flat panel showed 0.24."""

    def __post_init__(self) -> None:
        if not 0 < self.dose_ugy < math.inf:
            raise SettingsError(
                f"a dose of {self.dose_ugy:g} uGy cannot be simulated; expected a "
                "number above 0, such as 2.5"
            )
        if not 0 <= self.width_px <= WIDEST_PX:
            raise SettingsError(
                f"noise of a width of {self.width_px:g} px cannot be simulated; "
                f"expected 0 (white) to {WIDEST_PX:g} pixels of the coarse image"
            )

    def __str__(self) -> str:
        return f"{self.dose_ugy:g} uGy {self.width_px:g} px"


WIDEST_PX = 4.0


@dataclass(frozen=True)
class Detector:
    """The coarser detector that `detector` simulates: a 0.2 mm indirect flat panel."""

    mtf50: float = 1.0
    """Frequency at which the converter's own MTF is one half, in units of the coarse
    detector's Nyquist frequency. With the pixel aperture's 0.64, the MTF is 0.32 at
    Nyquist, a usual presampled MTF of indirect panels (measured by the edge method:
    E. Samei and M. J. Flynn, Med. Phys. 1998, 25(1):102-113)."""
    quanta: float = 2.5 * QUANTA_PER_UGY
    """Quanta detected in a coarse pixel where the unit image is 0."""
    electronic: float = 5.0
    """Standard deviation of the additive electronic noise, in quanta."""
    decades: float = 1.5
    """Orders of magnitude in exposure between unit 0 and unit 1. The response is
    logarithmic, which is nearly true of images for presentation."""
    width_px: float = 0.0
    """Sigma of the Gaussian that correlates its noise, in coarse pixels."""

    @classmethod
    def at(cls, exposure: Exposure) -> Detector:
        """Return the nominal detector under an exposure."""
        quanta = exposure.dose_ugy * QUANTA_PER_UGY
        return cls(quanta=quanta, width_px=exposure.width_px)

    def sigma_px(self, scale: int) -> float:
        """Return the sigma of the presampling blur, in pixels of the fine image.

        The MTF of a Gaussian is exp(-2 (pi sigma f)^2).
        """
        half_at = self.mtf50 * 0.5 / scale
        return math.sqrt(math.log(2) / 2) / (math.pi * half_at)


NOMINAL = Detector()


@dataclass(frozen=True)
class Draw:
    """Random generator and exposure of a noisy degradation."""

    random: np.random.Generator
    exposure: Exposure = field(default_factory=Exposure)


def detector(stored: FloatImage, scale: int, coding: Coding, draw: Draw) -> FloatImage:
    """Return the image of the nominal detector, in whole codes."""
    unit = coding.scaling.normalise(stored, np.float64)
    seen = expose(unit, scale, draw.random, Detector.at(draw.exposure))
    return coding.codes(coding.scaling.denormalise(seen))


def expose(
    unit: FloatImage,
    scale: int,
    random: np.random.Generator,
    physics: Detector = NOMINAL,
) -> FloatImage:
    """Return the image of a detector with pixels `scale` times larger.

    `unit` is (H, W), bright where little exposure arrived; the result has the same
    unit, unrounded. The steps in the linear exposure are: presampling blur, binning,
    Poisson noise of the quanta and Gaussian electronic noise, correlated as in the
    detector; then the logarithm again. No value falls below one quantum, because a real
    detector corrects its offset. Values outside the unit range, where the panel would
    be saturated or without signal, are binned without noise.

    References
    ----------
    I. A. Cunningham, "Applied linear-systems theory", Handbook of Medical Imaging
    vol. 1, SPIE 2000: the order of the steps. A. Foi et al., "Practical
    Poissonian-Gaussian noise modeling", IEEE TIP 2008, 17(10):1737-1754: the noise.
    R. S. Saunders and E. Samei, "A method for modifying the image quality parameters
    of digital radiographic images", Med. Phys. 2003, 30(11):3006-3017: noise shaped by
    its power spectrum.
    """
    inside = np.clip(unit, 0, 1)
    exposure = 10 ** (-physics.decades * inside)
    blurred = gaussian_blur(exposure, physics.sigma_px(scale))
    expected = physics.quanta * box_down(blurred, scale)
    counted = expected + _noise(expected, random, physics)
    recorded = -np.log10(np.maximum(counted, 1) / physics.quanta) / physics.decades
    result: FloatImage = recorded + box_down(unit - inside, scale)
    return result


def _noise(
    expected: FloatImage, random: np.random.Generator, physics: Detector
) -> FloatImage:
    """Return noise (h, w) with the variance of `expected` quanta at each pixel."""
    white: FloatImage = random.poisson(expected) - expected
    white += random.normal(0, physics.electronic, expected.shape)
    if not physics.width_px:
        return white
    deviation: FloatImage = np.sqrt(expected + physics.electronic**2)
    return deviation * correlated(white / deviation, physics.width_px)


def correlated(white: FloatImage, width_px: float) -> FloatImage:
    """Return white noise (h, w), filtered by a Gaussian that keeps its variance.

    The noise continues at the opposite border, so that its variance is the same
    everywhere.
    """
    if width_px == 0:
        return white
    taps = _gaussian(width_px, 4)
    taps /= np.sqrt((taps**2).sum())
    reach = len(taps) // 2
    for axis in (0, 1):
        white = sum(w * np.roll(white, k - reach, axis) for k, w in enumerate(taps))
    return white


def gaussian_blur(image: FloatImage, sigma_px: float) -> FloatImage:
    """Blur `image` by a Gaussian cut at three sigma; border pixels are repeated."""
    taps = _gaussian(sigma_px)
    reach = len(taps) // 2
    padded = np.pad(image, reach, mode="edge")
    height, width = image.shape
    rows = sum(w * padded[k : k + height] for k, w in enumerate(taps))
    blurred: FloatImage = sum(w * rows[:, k : k + width] for k, w in enumerate(taps))
    return blurred


def _gaussian(sigma_px: float, sigmas: int = 3) -> NDArray[np.float64]:
    """Return the taps of a Gaussian cut at `sigmas` sigma; their sum is 1."""
    reach = math.ceil(sigmas * sigma_px)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    normed: NDArray[np.float64] = taps / taps.sum()
    return normed


Degrade = Callable[[FloatImage, int, Coding, Draw], FloatImage]

DEGRADATIONS: dict[str, Degrade] = {
    "bicubic": lambda stored, scale, coding, _: bicubic(stored, scale, coding),
    "box": lambda stored, scale, coding, _: box(stored, scale, coding),
    "detector": detector,
}
NOISY = ("detector",)
"""The degradations that depend on the exposure."""
