"""How a coarser image of the same chest would have looked: what evaluation undoes.

Every degradation maps a unit image (H, W), bright where little exposure arrived,
with sides divisible by the scale, to (H / scale, W / scale). They are those of
training, in numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cxr_sr.radiograph import Consistency
from cxr_sr.superres.resample import Image, bicubic_down, box_down


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
    image: Image, scale: int, random: np.random.Generator, physics: Detector = NOMINAL
) -> Image:
    """Return what a detector with pixels `scale` times larger would have recorded.

    In the linear exposure: presampling blur, binning, Poisson noise of the quanta and
    Gaussian electronic noise; then the logarithm again. Nothing falls below one
    quantum, as a real detector's offset correction sees to. What lies outside the
    unit range, where the panel would be saturated or starved, is binned without noise.

    References
    ----------
    I. A. Cunningham, "Applied linear-systems theory", Handbook of Medical Imaging
    vol. 1, SPIE 2000: the order of the steps. A. Foi et al., "Practical
    Poissonian-Gaussian noise modeling", IEEE TIP 2008, 17(10):1737-1754: the noise.
    """
    inside = np.clip(image, 0, 1).astype(np.float64)
    exposure = 10 ** (-physics.decades * inside)
    blurred = gaussian_blur(exposure, physics.sigma_px(scale))
    expected = physics.quanta * box_down(blurred, scale)
    counted = random.poisson(expected) + random.normal(
        0, physics.electronic, expected.shape
    )
    recorded = -np.log10(np.maximum(counted, 1) / physics.quanta) / physics.decades
    return (recorded + box_down(image - inside, scale)).astype(image.dtype)


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


Degrade = Callable[[Image, int, np.random.Generator], Image]

DEGRADATIONS: dict[str, Degrade] = {
    "bicubic": lambda image, scale, _: bicubic_down(image, scale),
    "box": lambda image, scale, _: box_down(image, scale),
    "detector": detector,
}

MATCHING: dict[str, Consistency] = {
    "bicubic": "bicubic",
    "box": "box",
    "detector": "off",  # its pixels are noisy: agreeing with them keeps the noise
}
"""The projection that undoes each degradation."""
