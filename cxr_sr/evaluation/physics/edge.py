"""Edge response: how sharp a slanted edge becomes, and how far it overshoots.

An edge a few degrees off the columns crosses the pixels at every phase. Its profile,
put together of all rows, is finer than the pixels; its derivative is the line spread
function, whose Fourier transform is the modulation transfer function (MTF).

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
"""Of the edge against the columns; between IEC's 1.5 to 3 and ISO's 5 degrees."""
ROWS_PX, COLUMNS_PX = 384, 96
"""Of the coarse image. The edge is crossed by many rows, so that noise averages out."""
MARGIN_PX = 12
"""At the top and at the bottom, not measured; see `scene`."""
REACH_PX = 10
"""How far from the edge it is measured, in pixels of the input."""
BIN_PX = 0.25
"""Of the profile, in pixels of the result (ISO 12233: fourfold)."""
NYQUIST = 0.5
"""Of the input, in cycles a pixel of it."""
CONTRASTS = (0.05, 0.2, 0.5)
"""Height of the step, in units."""
NOISE = Exposure(2.5, 0.5)
"""Of the edges in noise: a usual dose, and the correlation of a real panel."""
REALISATIONS = 4
"""Of the noise."""
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
    """At the Nyquist frequency of the input. The input's own pixels have 0.64 there."""
    overshoot: float
    """The larger one of over- and undershoot, in per cent of the step."""
    dose_ugy: float | None = None
    noise_width_px: float | None = None


def edge_responses(
    contenders: Sequence[Contender], scale: int, anatomy: Sequence[Radiograph] = ()
) -> Iterator[EdgeResponse]:
    """Yield every contender's response to edges: clean, in noise and in anatomy.

    Parameters
    ----------
    anatomy : gray originals into which edges are inserted; none: no such rows
    """
    for contrast in CONTRASTS:
        clean = [scene(contrast, scale)]
        noisy = [scene(contrast, scale, NOISE, k) for k in range(REALISATIONS)]
        for contender in contenders:
            for background, images in (("clean", clean), ("noise", noisy)):
                shown = [_units(contender.upscale(image, scale)) for image in images]
                found = response(np.mean(shown, axis=0), scale)
                row = EdgeResponse(contender.name, scale, background, contrast, *found)
                yield _stating_noise(row) if background == "noise" else row
            if anatomy and contrast < max(CONTRASTS):
                yield _in_anatomy(contender, scale, contrast, anatomy)


def _stating_noise(row: EdgeResponse) -> EdgeResponse:
    return dataclasses.replace(
        row, dose_ugy=NOISE.dose_ugy, noise_width_px=NOISE.width_px
    )


def _in_anatomy(
    contender: Contender, scale: int, contrast: float, anatomy: Sequence[Radiograph]
) -> EdgeResponse:
    """Return the mean response to an edge that is inserted into each of the images.

    The result without the edge is subtracted, so that the edge alone is left.
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
    """Return the share (H, W) of each pixel that lies right of the slanted edge.

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

    It has 12 bits. The rows at its top are black, and those at its bottom white: a
    result may go as far as they do, so that no overshoot is clipped away.
    """
    fine = 0.5 + contrast * (coverage((ROWS_PX * scale, COLUMNS_PX * scale)) - 0.5)
    unit = box_down(fine, scale)
    if exposure is not None:
        # The pixel alone: the converter's blur would make the edge another one.
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
    image : (H, W) result with an edge as of `coverage`
    step : its height; None: that of the profile's ends
    """
    profile = profile_of(image, scale)
    ends = max(len(profile) // 8, 1)
    low, high = profile[:ends].mean(), profile[-ends:].mean()
    height = step or high - low
    # Over one pixel of the result, lest noise in a quarter of it counts as overshoot.
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

    What binning and the difference of neighbouring bins take away is given back. The
    line spread function is tapered to its ends, where there is only noise.

    Parameters
    ----------
    profile : as of `profile_of`
    frequency : in cycles a pixel of the result
    """
    lines = np.diff(profile) * _taper(len(profile) - 1)
    places = np.arange(len(lines)) * BIN_PX
    wave = np.exp(-2j * np.pi * frequency * places)
    lost = np.sinc(frequency * BIN_PX) ** 2
    return float(abs(lines @ wave) / abs(lines.sum()) / lost)


def _taper(length: int) -> Unit:
    """Return a window that is 1 in its middle half and falls to 0 as a cosine."""
    place = np.abs(np.linspace(-1, 1, length))
    falling = np.clip((place - 0.5) / 0.5, 0, 1)
    window: Unit = 0.5 + 0.5 * np.cos(np.pi * falling)
    return window
