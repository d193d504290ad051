"""Measure the edge response: the sharpness and the overshoot of a slanted edge.

An edge that is a few degrees off the columns crosses the pixels at every phase. The
profile from all rows is finer than the pixels. Its derivative is the line spread
function; the Fourier transform of that is the modulation transfer function (MTF).

References
----------
ISO 12233:2017, annex D: the slanted edge. IEC 62220-1-1:2015: the same for X-ray
detectors. E. Samei and M. J. Flynn, "A method for measuring the presampled MTF of
digital radiographic systems using an edge test device", Med. Phys. 1998, 25(1):102-113.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.evaluation.degradations import Coding, Detector, Exposure, box, expose
from cxr_sr.evaluation.evaluate import Contender
from cxr_sr.evaluation.protocol import in_memory
from cxr_sr.formats import from_array
from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.resample import box_down

SLOPE = math.tan(math.radians(4))
"""Angle between the edge and the columns, in degrees; IEC: 1.5 to 3, ISO: 5."""
ROWS_PX, COLUMNS_PX = 384, 96
"""(rows, columns) of the coarse image; many rows cross the edge and average the
noise."""
MARGIN_PX = 12
"""Rows at the top and at the bottom that are not measured; see `scene`."""
REACH_PX = 10
"""Largest measured distance from the edge, in pixels of the input."""
BIN_PX = 0.25
"""Bin width of the profile, in pixels of the result (ISO 12233: fourfold sampling)."""
NYQUIST = 0.5
"""Nyquist frequency of the input, in cycles per pixel of the input."""
CONTRASTS = (0.05, 0.2, 0.5)
"""Height of the step, in units."""
NOISE = Exposure(2.5, 0.5)
"""Exposure of the edges in noise: a usual dose, and the correlation of a real panel."""
REALISATIONS = 4
"""Number of noise seeds to average."""
BITS = 12

Unit = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class EdgeResponse:
    """The measurement of one model on one edge."""

    model: str
    scale: int
    background: str
    """clean, noise or anatomy."""
    contrast: float
    """Height of the step, in units."""
    mtf: float
    """MTF at the Nyquist frequency of the input; the input's own pixels have 0.64
    there."""
    overshoot: float
    """The larger value of overshoot and undershoot, in per cent of the step."""
    dose_ugy: float | None = None
    noise_width_px: float | None = None


def edge_responses(
    contenders: Sequence[Contender], scale: int, anatomy: Sequence[Radiograph] = ()
) -> Iterator[EdgeResponse]:
    """Yield every contender's response to edges: clean, in noise and in anatomy.

    Parameters
    ----------
    anatomy : gray originals for edges in anatomy; without any, no such measurements
    """
    for contrast in CONTRASTS:
        clean = [scene(contrast, scale)]
        noisy = [scene(contrast, scale, NOISE, k) for k in range(REALISATIONS)]
        for contender in contenders:
            for background, images in (("clean", clean), ("noise", noisy)):
                shown = [_units(contender.upscale(image, scale)) for image in images]
                found = response(np.mean(shown, axis=0), scale)
                told = NOISE.dose_ugy, NOISE.width_px
                noise = told if background == "noise" else (None, None)
                yield EdgeResponse(
                    contender.name, scale, background, contrast, *found, *noise
                )
            if anatomy and contrast < max(CONTRASTS):
                yield _in_anatomy(contender, scale, contrast, anatomy)


def _in_anatomy(
    contender: Contender, scale: int, contrast: float, anatomy: Sequence[Radiograph]
) -> EdgeResponse:
    """Return the mean response to an edge that is inserted into each image.

    The result without the edge is subtracted, so that only the edge remains.
    """
    changes = []
    for original in anatomy:
        plain, edged = (inserted(original, scale, c) for c in (0.0, contrast))
        results = (contender.upscale(image, scale) for image in (plain, edged))
        without, with_edge = map(_units, results)
        changes.append(response((with_edge - without) / contrast + 0.5, scale, 1.0))
    mtf, overshoot = np.mean(changes, axis=0).tolist()
    return EdgeResponse(contender.name, scale, "anatomy", contrast, mtf, overshoot)


def coverage(shape: tuple[int, int]) -> Unit:
    """Return the share (H, W) of each pixel's area to the right of the slanted edge.

    The edge runs through the middle of the image.
    """
    share: Unit = np.clip(_distance(shape) + 0.5, 0, 1)
    return share


def _distance(shape: tuple[int, ...]) -> Unit:
    """Return the distance (H, W) of each pixel's centre from the edge, in pixels."""
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in shape)
    across: Unit = columns - SLOPE * rows[:, None]
    return across / math.hypot(1, SLOPE)


def scene(
    contrast: float, scale: int, exposure: Exposure | None = None, seed: int = 0
) -> Radiograph:
    """Return the coarse image of an edge around level 0.5, clean or in noise.

    The image has 12 bits. Its top rows are black and its bottom rows are white. So the
    range of the image is large, and no overshoot is clipped.
    """
    fine = 0.5 + contrast * (coverage((ROWS_PX * scale, COLUMNS_PX * scale)) - 0.5)
    unit = box_down(fine, scale)
    if exposure is not None:
        # Only the pixel aperture: the converter's blur would change the edge.
        sharp = dataclasses.replace(Detector.at(exposure), mtf50=100.0)
        unit = expose(unit, 1, np.random.default_rng(seed), sharp)
    unit[:2], unit[-2:] = 0, 1
    codes = np.rint(unit * (2**BITS - 1)).clip(0, 2**BITS - 1)
    return from_array(codes.astype(np.uint16), bits_stored=BITS)


def inserted(original: Radiograph, scale: int, contrast: float) -> Radiograph:
    """Return the coarse image of an original's middle with an edge through it."""
    coding = Coding.of(original)
    rows, columns = (min(side // scale, ROWS_PX) * scale for side in original.shape)
    top, left = (original.shape[0] - rows) // 2, (original.shape[1] - columns) // 2
    part = original.pixels[top : top + rows, left : left + columns]
    step = contrast * (coverage((rows, columns)) - 0.5) * coding.scaling.slope
    return in_memory(original, box(part + step, scale, coding), scale)


def _units(result: Radiograph) -> Unit:
    return Coding.of(result).scaling.normalise(result.pixels, np.float64)


def response(image: Unit, scale: int, step: float | None = None) -> tuple[float, float]:
    """Return the MTF at the input's Nyquist frequency, and the overshoot in per cent.

    Parameters
    ----------
    image : (H, W) result with the edge of `coverage`
    step : height of the step; None: the difference between the profile's ends
    """
    profile = profile_of(image, scale)
    ends = max(len(profile) // 8, 1)
    low, high = profile[:ends].mean(), profile[-ends:].mean()
    height = step or high - low
    # Average over a whole pixel of the result, so that noise is no overshoot.
    width = round(1 / BIN_PX)
    smooth = np.convolve(profile, np.full(width, 1 / width), "valid")
    overshoot = max(smooth.max() - high, low - smooth.min()) / height
    return mtf_at(profile, NYQUIST / scale), 100 * float(overshoot)


def profile_of(image: Unit, scale: int) -> Unit:
    """Return the edge spread function, in steps of a quarter of the result's pixels."""
    margin = MARGIN_PX * scale
    distance = _distance(image.shape)[margin:-margin]
    reach = REACH_PX * scale
    place = np.floor((distance + reach) / BIN_PX).astype(np.intp)
    bins = round(2 * reach / BIN_PX)
    inside = (place >= 0) & (place < bins)
    total = np.bincount(place[inside], image[margin:-margin][inside], bins)
    count = np.bincount(place[inside], minlength=bins)
    profile: Unit = total / np.maximum(count, 1)
    return profile


def mtf_at(profile: Unit, frequency: float) -> float:
    """Return the MTF of an edge spread function at one frequency.

    The loss by binning and by the difference of neighbouring bins is corrected. The
    line spread function is tapered towards its ends, where it has only noise.

    Parameters
    ----------
    profile : from `profile_of`
    frequency : in cycles per pixel of the result
    """
    lines = np.diff(profile) * _taper(len(profile) - 1)
    places = np.arange(len(lines)) * BIN_PX
    wave = np.exp(-2j * np.pi * frequency * places)
    lost = np.sinc(frequency * BIN_PX) ** 2
    return float(abs(lines @ wave) / abs(lines.sum()) / lost)


def _taper(length: int) -> Unit:
    """Return a window: 1 in the middle half, then a cosine down to 0 at both ends."""
    place = np.abs(np.linspace(-1, 1, length))
    falling = np.clip((place - 0.5) / 0.5, 0, 1)
    window: Unit = 0.5 + 0.5 * np.cos(np.pi * falling)
    return window
