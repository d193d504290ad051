"""Measure one image by the protocol of all measurements in this project.

::

    stored values -> centred crop to a multiple of 24 -> degrade -> round to codes
        -> upscale, as a file that holds these codes -> shave `scale` pixels -> compare

The upscaler takes and returns a radiograph, like `superres.upscale`. So its scaling,
projection, range and rounding are the same as in `cxr-sr upscale`.

`measure` does all steps for one image; `cxr-sr evaluate` does it for many.

For Pillow's own bicubic upscaling of the 40 NIH validation images (8-bit gray), the
means over the images are PSNR 44.03, 41.20, 39.38 and 35.76 dB, SSIM .9807,
.9704, .9607 and .9365, and MS-SSIM .99791, .99479, .99162 and .97333 at x2, x3, x4 and
x8. Compare the tables of other tools with these numbers. They depend on these steps:

- a centred crop (many radiographs have a frame along one side; a crop at the far sides
  loses 0.2 dB at x2);
- coarse images rounded as in Pillow, and a rounded result;
- `scale` pixels cut off at each side before every metric;
- the stored range (255) as the data range;
- only SSIM windows completely inside the image.

Pillow also rounds its 8-bit result between the two axes. Our `bicubic` does not, and
has 44.13 dB at x2.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import NotARadiographError
from cxr_sr.evaluation.anatomy import anatomy_of, false_structure, quiet_of
from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.degradations import (
    DEGRADATIONS,
    Coding,
    Draw,
    Exposure,
)
from cxr_sr.evaluation.metrics import (
    MS_SSIM_MINIMUM_PX,
    WINDOW,
    psnr,
    ssim,
    ssim_and_ms_ssim,
)
from cxr_sr.formats.raster.files import RasterHeader
from cxr_sr.names import MULTIPLE, Consistency
from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.consistency import reduce
from cxr_sr.superres.padding import fill, padding_mask
from cxr_sr.superres.resample import FloatImage

Upscale = Callable[[Radiograph], Radiograph]
"""(h, w) stored values to (s*h, s*w) stored values of the same format."""


@dataclass(frozen=True)
class Score:
    """The metrics of one restored image."""

    psnr: float
    """In dB. An exact result counts as if one pixel had an error of one code, so that
    means stay finite."""
    ssim: float
    ms_ssim: float
    """NaN if a compared side has fewer than 161 pixels."""
    consistency: float
    """Largest |reduced result - coarse image|, in stored codes; the reduction is that
    of the degradation."""
    box_consistency: float
    """The same with the reduction box."""
    anatomy_psnr: float
    """PSNR in dB without the 3 % of the pixels around the strongest edges of the
    original (`anatomy.anatomy_of`)."""
    false_structure: float
    """Detail of the result where the original has none (`anatomy.false_structure`), in
    thousandths of the stored range."""
    region_psnr: float = math.nan
    """PSNR in dB of the pixels of a region only. NaN without a region, or if the region
    has no compared pixel."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One degraded radiograph, the same for all contenders."""

    reference: NDArray[np.integer[Any]]
    """(H, W) stored values, sides multiples of 24."""
    coarse: Radiograph
    """(H / s, W / s), like a radiograph from a file of the coarser detector."""
    condition: Condition
    region: NDArray[np.bool_] | None = None
    """(H, W), True for reference pixels in the region of interest; None: no region."""

    @property
    def data_range(self) -> int:
        """The width of the stored range: 255 for 8 bits, 32767 for 15."""
        return Coding.of(self.coarse).data_range

    @property
    def inner(self) -> tuple[slice, slice]:
        """The compared pixels: all except `scale` at each border."""
        shave = self.condition.scale
        return np.s_[shave:-shave, shave:-shave]

    @cached_property
    def anatomy(self) -> NDArray[np.bool_]:
        """Mask of the compared pixels without strong edges."""
        return anatomy_of(self.reference, self.condition.scale)[self.inner]

    @cached_property
    def quiet(self) -> NDArray[np.bool_]:
        """Mask of all pixels without more detail than the coarse image."""
        return quiet_of(self.reference, self.condition.scale)


def measure(
    radiograph: Radiograph, condition: Condition, upscale: Upscale, name: str = ""
) -> Score:
    """Return the metrics of `upscale` on a radiograph, by the whole protocol.

    Parameters
    ----------
    radiograph : gray; at its true bit depth
    upscale : the model at `condition.scale`, with all its settings
    name : seed for the noise of a noisy degradation; each image has its own noise

    Raises
    ------
    NotARadiographError
        If the image is in colour or too small for the scale.
    """
    trial = degraded(radiograph, condition, name)
    return score(trial, upscale(trial.coarse))


def degraded(radiograph: Radiograph, condition: Condition, name: str = "") -> Trial:
    """Return a radiograph with its coarse image; for the arguments see `measure`."""
    _check(radiograph, condition.scale)
    reference = centre(_without_padding(radiograph))
    random = np.random.default_rng([zlib.crc32(name.encode()), condition.scale])
    degrade = DEGRADATIONS[condition.degradation]
    codes = degrade(
        reference.astype(np.float64),
        condition.scale,
        Coding.of(radiograph),
        Draw(random, condition.exposure or Exposure()),
    )
    return Trial(reference, in_memory(radiograph, codes, condition.scale), condition)


def in_memory(radiograph: Radiograph, codes: FloatImage, scale: int) -> Radiograph:
    """Return `codes` (h, w) as a coarser image of a radiograph, without its header."""
    return radiograph.replace(
        pixels=codes.astype(radiograph.format.dtype),
        coding_error=0.0,
        geometry=radiograph.geometry.upscaled((1 / scale, 1 / scale)),
        header=RasterHeader(),
        padding=None,
        derivation=None,
    )


def as_stored(coarse: Radiograph, unit: NDArray[np.floating[Any]]) -> Radiograph:
    """Return a result (s*h, s*w) in units as the stored values of a file."""
    coding = Coding.of(coarse)
    codes = coding.codes(coding.scaling.denormalise(unit))
    return coarse.replace(pixels=codes.astype(coarse.format.dtype))


def _check(radiograph: Radiograph, scale: int) -> None:
    """Refuse an image that the metrics cannot measure."""
    if radiograph.pixels.ndim != 2:
        raise NotARadiographError(
            "found a colour image, expected a gray image, because the metrics are "
            "for gray images; convert it first"
        )
    smallest = -(-(WINDOW + 2 * scale) // MULTIPLE) * MULTIPLE
    rows, columns = radiograph.shape
    if min(rows, columns) < smallest:
        raise NotARadiographError(
            f"found {rows} x {columns} pixels, expected at least {smallest} x "
            f"{smallest} to measure x{scale}; leave it out, or measure smaller scales"
        )


def _without_padding(radiograph: Radiograph) -> NDArray[np.integer[Any]]:
    """Return the stored values with padding filled from the image beside it.

    Upscaling does the same. A model should not be measured at an abrupt frame.
    """
    mask = padding_mask(radiograph.pixels, radiograph.padding)
    return radiograph.pixels if mask is None else fill(radiograph.pixels, mask)


def centre(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the central part whose sides are multiples of 24."""
    rows, columns = (side // MULTIPLE * MULTIPLE for side in pixels.shape)
    top, left = (pixels.shape[0] - rows) // 2, (pixels.shape[1] - columns) // 2
    return pixels[top : top + rows, left : left + columns]


def score(trial: Trial, result: Radiograph) -> Score:
    """Return the metrics of a result against the trial's reference."""
    reference, codes = trial.reference[trial.inner], result.pixels[trial.inner]
    data_range = trial.data_range
    similarity, multi_scale = _similarities(reference, codes, data_range)
    anatomy = trial.anatomy
    false = false_structure(result.pixels, trial.quiet, trial.condition.scale)
    of_region = math.nan
    if trial.region is not None and trial.region[trial.inner].any():
        inside = trial.region[trial.inner]
        of_region = _finite_psnr(reference[inside], codes[inside], data_range)
    return Score(
        psnr=_finite_psnr(reference, codes, data_range),
        ssim=similarity,
        ms_ssim=multi_scale,
        consistency=_disagreement(trial, result, trial.condition.reduction),
        box_consistency=_disagreement(trial, result, "box"),
        anatomy_psnr=_finite_psnr(reference[anatomy], codes[anatomy], data_range),
        false_structure=1000 * false / data_range,
        region_psnr=of_region,
    )


def _finite_psnr(
    reference: NDArray[Any], result: NDArray[Any], data_range: int
) -> float:
    """Return the PSNR in dB; for equal images, as if one pixel differed by one code."""
    exact = 20 * math.log10(data_range) + 10 * math.log10(result.size)
    return min(psnr(reference, result, data_range), exact)


def _similarities(
    reference: NDArray[Any], result: NDArray[Any], data_range: int
) -> tuple[float, float]:
    if min(result.shape) < MS_SSIM_MINIMUM_PX:
        return ssim(reference, result, data_range), math.nan
    return ssim_and_ms_ssim(reference, result, data_range)


def _disagreement(trial: Trial, result: Radiograph, by: Consistency) -> float:
    """Return the largest |reduced result - coarse image|, in stored codes."""
    reduced = reduce(result.pixels.astype(np.float64), trial.condition.scale, by)
    return float(np.abs(reduced - trial.coarse.pixels).max())
