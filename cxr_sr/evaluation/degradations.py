"""How a coarser image of the same chest would have looked: what evaluation undoes.

Every degradation maps stored values (H, W), whole codes with sides divisible by the
scale, to stored values (H / scale, W / scale), whole codes again. But for the rounding
they are those of training, in numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cxr_sr.names import Consistency
from cxr_sr.radiograph import PixelFormat
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.resample import Image, box_down, coarser


@dataclass(frozen=True)
class Coding:
    """What the stored values of a radiograph mean."""

    format: PixelFormat
    scaling: Scaling

    @property
    def data_range(self) -> int:
        """The width of the stored range: 255 for 8 bits, 32767 for 15."""
        return self.format.maximum - self.format.minimum

    def codes(self, stored: Image) -> Image:
        """Return what a file would hold: whole codes within the stored range."""
        low, high = self.format.minimum, self.format.maximum
        codes: Image = np.floor(stored + 0.5).clip(low, high)
        return codes


def bicubic(stored: Image, scale: int, coding: Coding) -> Image:
    """Return the antialiased bicubic reduction (a = -0.5), the literature's.

    Codes are rounded after the columns and again after the rows, as Pillow does,
    which made the coarse images of the literature. On 8 bits that costs every model
    0.1 dB at x2; on 16 bits nothing.
    """
    columns = coding.codes(coarser(stored, scale, -1))
    return coding.codes(coarser(columns, scale, -2))


def box(stored: Image, scale: int, coding: Coding) -> Image:
    """Return the mean over scale x scale pixels: detector binning."""
    return coding.codes(box_down(stored, scale))


@dataclass(frozen=True)
class Detector:
    """The coarser detector that `detector` simulates: a 0.2 mm indirect flat panel."""

    mtf50: float = 1.0
    """Where the converter's own MTF has fallen to one half, in units of the coarse
    detector's Nyquist frequency. With the pixel aperture's 0.64 that makes 0.32 at
    Nyquist, as presampled MTFs of indirect panels have it (measured by the edge
    method: E. Samei and M. J. Flynn, Med. Phys. 1998, 25(1):102-113)."""
    quanta: float = 2000.0
    """Quanta detected in a coarse pixel where the unit image is 0. 2.5 uGy (exposure
    index 250, IEC 62494-1), 30,174 quanta a mm^2 and uGy (RQA5, IEC 62220-1), a DQE
    of 0.6 and pixels of 0.2 mm make 1,800."""
    electronic: float = 5.0
    """Standard deviation of the additive electronic noise, in quanta."""
    decades: float = 1.5
    """Orders of magnitude in exposure between unit 0 and unit 1. The response is
    taken as logarithmic, as that of images made for presentation nearly is."""

    def sigma_px(self, scale: int) -> float:
        """Return the sigma of the presampling blur, in pixels of the fine image.

        The MTF of a Gaussian is exp(-2 (pi sigma f)^2).
        """
        half_at = self.mtf50 * 0.5 / scale
        return math.sqrt(math.log(2) / 2) / (math.pi * half_at)


NOMINAL = Detector()


def detector(
    stored: Image, scale: int, coding: Coding, random: np.random.Generator
) -> Image:
    """Return what the nominal detector would have recorded, in whole codes."""
    seen = expose(coding.scaling.normalise(stored, np.float64), scale, random)
    return coding.codes(coding.scaling.denormalise(seen))


def expose(
    unit: Image, scale: int, random: np.random.Generator, physics: Detector = NOMINAL
) -> Image:
    """Return what a detector with pixels `scale` times larger would have recorded.

    `unit` is (H, W), bright where little exposure arrived; the result has the same
    unit, unrounded. In the linear exposure: presampling blur, binning, Poisson noise
    of the quanta and Gaussian electronic noise; then the logarithm again. Nothing
    falls below one quantum, as a real detector's offset correction sees to. What lies
    outside the unit range, where the panel would be saturated or starved, is binned
    without noise.

    References
    ----------
    I. A. Cunningham, "Applied linear-systems theory", Handbook of Medical Imaging
    vol. 1, SPIE 2000: the order of the steps. A. Foi et al., "Practical
    Poissonian-Gaussian noise modeling", IEEE TIP 2008, 17(10):1737-1754: the noise.
    """
    inside = np.clip(unit, 0, 1)
    exposure = 10 ** (-physics.decades * inside)
    blurred = gaussian_blur(exposure, physics.sigma_px(scale))
    expected = physics.quanta * box_down(blurred, scale)
    counted = random.poisson(expected) + random.normal(
        0, physics.electronic, expected.shape
    )
    recorded = -np.log10(np.maximum(counted, 1) / physics.quanta) / physics.decades
    result: Image = recorded + box_down(unit - inside, scale)
    return result


def gaussian_blur(image: Image, sigma_px: float) -> Image:
    """Return `image` under a Gaussian cut at three sigma, its borders repeated."""
    reach = math.ceil(3 * sigma_px)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    taps /= taps.sum()
    padded = np.pad(image, reach, mode="edge")
    height, width = image.shape
    rows = sum(w * padded[k : k + height] for k, w in enumerate(taps))
    blurred: Image = sum(w * rows[:, k : k + width] for k, w in enumerate(taps))
    return blurred


Degrade = Callable[[Image, int, Coding, np.random.Generator], Image]

DEGRADATIONS: dict[str, Degrade] = {
    "bicubic": lambda stored, scale, coding, _: bicubic(stored, scale, coding),
    "box": lambda stored, scale, coding, _: box(stored, scale, coding),
    "detector": detector,
}

MATCHING: dict[str, Consistency] = {
    "bicubic": "bicubic",
    "box": "box",
    "detector": "off",  # its pixels are noisy: agreeing with them keeps the noise
}
"""The projection that undoes each degradation."""
