"""Measure noise amplification: the noise in the result of a flat field.

A flat field shows only noise, so all structure in the result comes from noise. Each
number of a model is compared with bicubic interpolation of the same field:

- *power*: the noise power in each band of spatial frequency, divided by the power of
  bicubic. Above 1, the model amplifies noise.
- *spread*: the variation of the noise from place to place, divided by its mean. The
  spread is large if a model erases noise in some places and keeps it as structure in
  others. If nearly all noise is gone, the spread has no visible meaning.
- *unevenness*: the variation from place to place, divided by the variation of bicubic.

References
----------
IEC 62220-1-1:2015: noise power spectra of flat fields. R. S. Saunders and E. Samei, "A
method for modifying the image quality parameters of digital radiographic images", Med.
Phys. 2003, 30(11):3006-3017: fields of a given spectrum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.evaluation.degradations import Detector, Exposure, expose
from cxr_sr.evaluation.evaluate import Contender
from cxr_sr.formats import from_array
from cxr_sr.radiograph import Radiograph

SIDE_PX = 192
"""Side of a flat field, px; at x2 its result has 121 patches inside the border."""
BORDER_PX = 16
"""Width of the border that is not measured, px of the flat field."""
LEVEL = 0.5
"""Mean of a flat field, in units."""
BITS = 12
BANDS = (1 / 32, 1 / 8, 1 / 4, 1 / 2, math.inf)
"""Limits of the bands of spatial frequency, in cycles per pixel of the input; its
Nyquist frequency is 1/2."""
BAND_NAMES = ("1/32 to 1/8", "1/8 to 1/4", "1/4 to 1/2", "above 1/2")
PATCH_PX = 32
"""Side of the compared patches of a result, px."""
DOSES_UGY = (0.6, 1.25, 2.5, 10.0)
WIDTHS_PX = (0.0, 0.3, 0.6, 0.9, 1.2)
EXPOSURES = tuple(Exposure(dose, width) for dose in DOSES_UGY for width in WIDTHS_PX)


@dataclass(frozen=True)
class Amplification:
    """The measurement of one model on one flat field."""

    model: str
    scale: int
    dose_ugy: float
    noise_width_px: float
    power: tuple[float, ...]
    """Noise power in each of `BANDS`, divided by the power in bicubic's result."""
    spread: float
    """Coefficient of variation of the patches' standard deviations."""
    bicubic_spread: float
    """The same for bicubic's result."""
    unevenness: float
    """Standard deviation of the patches' standard deviations, divided by bicubic's."""


def amplifications(
    contenders: Sequence[Contender],
    scale: int,
    exposures: Sequence[Exposure],
) -> Iterator[Amplification]:
    """Yield the measurements of each contender except the first, dose by dose.

    Parameters
    ----------
    contenders : the first is bicubic
    """
    bicubic, *others = contenders
    for number, exposure in enumerate(exposures):
        field = flat_field(exposure, seed=number)
        plain = _inside(bicubic.upscale(field, scale), scale)
        power, local = band_power(plain, scale), local_noise(plain)
        for contender in others:
            result = _inside(contender.upscale(field, scale), scale)
            ratio = band_power(result, scale) / power
            left = local_noise(result)
            yield Amplification(
                contender.name,
                scale,
                exposure.dose_ugy,
                exposure.width_px,
                tuple(ratio.tolist()),
                spread_of(left),
                spread_of(local),
                float(left.std() / local.std()),
            )


def flat_field(exposure: Exposure, seed: int = 0) -> Radiograph:
    """Return a flat field of 12 bits with correlated Poisson and electronic noise."""
    unit = np.full((SIDE_PX, SIDE_PX), LEVEL)
    seen = expose(unit, 1, np.random.default_rng(seed), Detector.at(exposure))
    codes = np.rint(seen * (2**BITS - 1)).clip(0, 2**BITS - 1)
    return from_array(codes.astype(np.uint16), bits_stored=BITS)


def _inside(result: Radiograph, scale: int) -> NDArray[np.float64]:
    border = BORDER_PX * scale
    return result.pixels[border:-border, border:-border].astype(np.float64)


def band_power(image: NDArray[Any], scale: int) -> NDArray[np.float64]:
    """Return the mean noise power of an image (H, W) in each of `BANDS`.

    The mean is removed. A Hann window hides the jump between opposite borders. The unit
    is that of a periodogram, so compare only images of the same size.
    """
    height, width = image.shape
    window = np.hanning(height)[:, None] * np.hanning(width)
    power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2
    cycles = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)) * scale
    means = [
        power[(cycles >= low) & (cycles < high)].mean() for low, high in pairwise(BANDS)
    ]
    return np.maximum(means, np.finfo(np.float64).tiny)


def local_noise(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return the standard deviation of each patch of 32 x 32 pixels of an image."""
    rows, columns = (side // PATCH_PX * PATCH_PX for side in image.shape)
    patches = image[:rows, :columns].reshape(
        rows // PATCH_PX, PATCH_PX, columns // PATCH_PX, PATCH_PX
    )
    deviations: NDArray[np.float64] = patches.std((1, 3))
    return deviations


def spread_of(deviations: NDArray[np.float64]) -> float:
    """Return the coefficient of variation of `local_noise`; 0 without any noise."""
    mean = float(deviations.mean())
    return float(deviations.std()) / mean if mean else 0.0
