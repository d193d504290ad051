"""The one way every number in this project is measured.

::

    stored values -> centred crop to a multiple of 24 -> degrade -> round to codes
        -> upscale -> round to codes -> shave `scale` pixels -> compare

`measure` is all of it; `cxr-sr evaluate` prints it over many images.

Given Pillow's own bicubic upscaling of the 40 NIH validation images (8-bit gray; means
of the images' own values) it gives PSNR 44.03, 41.20, 39.38 and 35.76 dB, SSIM .9807,
.9704, .9607 and .9365, and MS-SSIM .99791, .99479, .99162 and .97333 at x2, x3, x4 and
x8: the numbers to compare other tools' tables with. What it takes: a centred crop (many
radiographs have a frame along one side: cut at the far sides only, x2 loses 0.2 dB),
coarse images rounded as Pillow rounds them, the result rounded as well, `scale` pixels
shaved from each side before every metric, the stored range (255) as the data range,
and an SSIM that counts only windows that lie wholly inside. Pillow rounds its 8-bit
result once between the two axes too. Our `bicubic` does not, and reads 44.13 at x2.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import NotARadiographError, SettingsError
from cxr_sr.evaluation.degradations import DEGRADATIONS, Coding
from cxr_sr.evaluation.metrics import (
    MS_SSIM_MINIMUM_PX,
    WINDOW,
    psnr,
    ssim,
    ssim_and_ms_ssim,
)
from cxr_sr.names import MULTIPLE, SCALES, Consistency
from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.consistency import reduce
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.padding import fill, padding_mask
from cxr_sr.superres.resample import Image, box_down

Upscale = Callable[[NDArray[np.float32]], NDArray[np.floating[Any]]]
"""(h, w) units to (s*h, s*w) units."""


@dataclass(frozen=True)
class Condition:
    """What is asked of a model."""

    scale: int
    degradation: str = "bicubic"
    """A key of `degradations.DEGRADATIONS`."""

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise SettingsError(
                f"x{self.scale} is not measured; expected a scale of "
                f"{', '.join(map(str, SCALES))}"
            )
        if self.degradation not in DEGRADATIONS:
            raise SettingsError(
                f"no degradation is called {self.degradation!r}; expected one of "
                f"{', '.join(DEGRADATIONS)}"
            )

    @property
    def reduction(self) -> Consistency:
        """The reduction by which a result is held against its coarse image."""
        return "bicubic" if self.degradation == "bicubic" else "box"


@dataclass(frozen=True)
class Score:
    """How well one image was restored."""

    psnr: float
    """dB. An image restored exactly counts as one pixel off by one code, so that
    means stay finite."""
    ssim: float
    ms_ssim: float
    """NaN where a side is below 161 pixels once shaved."""
    consistency: float
    """Largest |reduced result - coarse image|, in stored codes, over coarse pixels
    none of whose fine pixels were clipped; reduced as the degradation does it."""
    box_consistency: float
    """The same, reduced by box."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One radiograph, degraded; every contender is given the same."""

    reference: NDArray[np.integer[Any]]
    """(H, W) stored values, sides multiples of 24."""
    coarse: Image
    """(H / s, W / s) stored values, whole codes."""
    coding: Coding
    condition: Condition

    @property
    def unit(self) -> NDArray[np.float32]:
        """`coarse` as the networks see it."""
        return self.coding.scaling.normalise(self.coarse).astype(np.float32)


def measure(
    radiograph: Radiograph, condition: Condition, upscale: Upscale, name: str = ""
) -> Score:
    """Return how well `upscale` restores a radiograph; the whole protocol.

    Parameters
    ----------
    radiograph : gray; at its true bit depth
    upscale : the model at `condition.scale`, consistency included
    name : seeds the noise of a noisy degradation, so that each image has its own

    Raises
    ------
    NotARadiographError
        If it is in colour or too small for the scale.
    """
    trial = degraded(radiograph, condition, name)
    return score(trial, upscale(trial.unit))


def degraded(radiograph: Radiograph, condition: Condition, name: str = "") -> Trial:
    """Return the radiograph with its coarse image; arguments as of `measure`."""
    _check(radiograph, condition.scale)
    reference = _centre(_without_padding(radiograph))
    coding = Coding(radiograph.format, Scaling.of(radiograph))
    random = np.random.default_rng([zlib.crc32(name.encode()), condition.scale])
    degrade = DEGRADATIONS[condition.degradation]
    coarse = degrade(reference.astype(np.float64), condition.scale, coding, random)
    return Trial(reference, coarse, coding, condition)


def _check(radiograph: Radiograph, scale: int) -> None:
    """Refuse what the metrics cannot measure."""
    if radiograph.pixels.ndim != 2:
        raise NotARadiographError(
            "found a colour image, expected a gray one: the metrics are those of gray "
            "images; convert it first"
        )
    smallest = -(-(WINDOW + 2 * scale) // MULTIPLE) * MULTIPLE
    rows, columns = radiograph.shape
    if min(rows, columns) < smallest:
        raise NotARadiographError(
            f"found {rows} x {columns} pixels, expected at least {smallest} x "
            f"{smallest} to measure x{scale}; leave it out, or measure smaller scales"
        )


def _without_padding(radiograph: Radiograph) -> NDArray[np.integer[Any]]:
    """Return the stored values with "no image here" filled from beside it.

    Upscaling does the same, and an abrupt frame is nothing a model should be judged by.
    """
    mask = padding_mask(radiograph.pixels, radiograph.padding)
    return radiograph.pixels if mask is None else fill(radiograph.pixels, mask)


def _centre(pixels: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Return the central part whose sides are multiples of 24."""
    rows, columns = (side // MULTIPLE * MULTIPLE for side in pixels.shape)
    top, left = (pixels.shape[0] - rows) // 2, (pixels.shape[1] - columns) // 2
    return pixels[top : top + rows, left : left + columns]


def score(trial: Trial, unit: NDArray[np.floating[Any]]) -> Score:
    """Return how near a result (H, W), in units, comes to the trial's reference."""
    stored = trial.coding.scaling.denormalise(unit)
    codes = trial.coding.codes(stored)
    shave = trial.condition.scale
    inner = np.s_[shave:-shave, shave:-shave]
    reference, result = trial.reference[inner], codes[inner]
    data_range = trial.coding.data_range
    similarity, multi_scale = _similarities(reference, result, data_range)
    exact = 20 * math.log10(data_range) + 10 * math.log10(result.size)
    return Score(
        psnr=min(psnr(reference, result, data_range), exact),
        ssim=similarity,
        ms_ssim=multi_scale,
        consistency=_disagreement(trial, stored, codes, trial.condition.reduction),
        box_consistency=_disagreement(trial, stored, codes, "box"),
    )


def _similarities(
    reference: NDArray[Any], result: NDArray[Any], data_range: int
) -> tuple[float, float]:
    if min(result.shape) < MS_SSIM_MINIMUM_PX:
        return ssim(reference, result, data_range), math.nan
    return ssim_and_ms_ssim(reference, result, data_range)


def _disagreement(trial: Trial, stored: Image, codes: Image, by: Consistency) -> float:
    """Return the largest |reduced result - coarse image| where nothing was clipped."""
    scale = trial.condition.scale
    clipped = (np.abs(stored - codes) > 0.5).astype(np.float32)
    error = np.abs(reduce(codes, scale, by) - trial.coarse)
    return float(error[box_down(clipped, scale) == 0].max(initial=0.0))
