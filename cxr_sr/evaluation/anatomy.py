"""Measure what PSNR hides: the restoration of anatomy, and invented detail.

Burned-in letters, frames and collimator edges hold half of the squared error of a
radiograph in 3 % of its pixels. `anatomy_of` leaves them out. `false_structure`
measures the detail of a result at the places where the original has none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.superres.consistency import project
from cxr_sr.superres.resample import FloatImage, box_down

EDGE_SHARE = 0.03
"""Share of the pixels that count as strong edges."""
QUIET_SHARE = 0.25
"""Share of the coarse pixels that count as free of detail."""
PERCENTILE = 95


def anatomy_of(reference: NDArray[Any], scale: int) -> NDArray[np.bool_]:
    """Return a mask (H, W) of an original: False at its strongest edges, else True.

    The strength of a pixel is the largest gradient magnitude within `scale` pixels of
    it, down and across: the error of an edge reaches so far. The 3 % of the pixels with
    the largest strength are False; with equal strengths, fewer.
    """
    down, across = np.gradient(reference.astype(np.float32))
    strength = _dilated(np.hypot(down, across), scale)
    kept: NDArray[np.bool_] = strength <= np.quantile(strength, 1 - EDGE_SHARE)
    return kept


def _dilated(image: NDArray[Any], radius: int) -> NDArray[Any]:
    """Return the largest value within a square of 2 `radius` + 1 pixels a side."""
    for axis in (0, 1):
        length = image.shape[axis]
        margins = [(0, 0), (0, 0)]
        margins[axis] = (radius, radius)
        padded = np.pad(image, margins, mode="edge")
        image = padded.take(range(length), axis)
        for shift in range(1, 2 * radius + 1):
            part = padded.take(range(shift, shift + length), axis)
            np.maximum(image, part, out=image)
    return image


def unmeasured(image: NDArray[Any], scale: int) -> FloatImage:
    """Return the part of an image (s*H, s*W) that its block means do not determine.

    It is the projection onto the null space of averaging over scale x scale pixels:
    the coarse image would be the same with any other such part.
    """
    fine = image.astype(np.float32)
    zero = np.zeros([side // scale for side in image.shape], np.float32)
    return project(fine, zero, scale, "box")


def quiet_of(reference: NDArray[Any], scale: int) -> NDArray[np.bool_]:
    """Return a mask (H, W), True where the coarse image has all detail.

    It is True in the quarter of the coarse pixels whose fine pixels have the least mean
    square of `unmeasured`. Pixels with the smallest or the largest value of the image
    are left out: beside the patient and in saturated parts, no model adds detail.
    """
    energy = box_down(np.square(unmeasured(reference, scale)), scale)
    extreme = (reference == reference.min()) | (reference == reference.max())
    usable = box_down(extreme.astype(np.float32), scale) == 0
    if not usable.any():
        usable[:] = True
    quiet = usable & (energy <= np.quantile(energy[usable], QUIET_SHARE))
    fine: NDArray[np.bool_] = quiet.repeat(scale, 0).repeat(scale, 1)
    return fine


def false_structure(
    result: NDArray[Any], quiet: NDArray[np.bool_], scale: int
) -> float:
    """Return the strength of a result's detail where its original has none.

    It is the 95th percentile of the absolute `unmeasured` part of `result` (H, W) over
    the pixels `quiet`, in the unit of `result`. Bicubic interpolation has some, too,
    and noise much: compare it with bicubic's of the same coarse image.
    """
    return float(np.percentile(np.abs(unmeasured(result, scale)[quiet]), PERCENTILE))
