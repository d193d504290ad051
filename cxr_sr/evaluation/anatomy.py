"""Measure the restoration of anatomy, and invented detail; PSNR hides both.

Burned-in letters, frames and collimator edges hold half of the squared error of a
radiograph in 3 % of its pixels. `anatomy_of` leaves them out. `false_structure`
measures the detail of a result at the places where the original has none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
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
    it, down and across, because the error of an edge reaches so far. The 3 % of the
    pixels with the largest strength are False; fewer if strengths are equal.
    """
    down, across = np.gradient(reference.astype(np.float32))
    strength = np.hypot(down, across)
    for axis in (0, 1):
        margins = [(0, 0), (0, 0)]
        margins[axis] = (scale, scale)
        padded = np.pad(strength, margins, mode="edge")
        strength = sliding_window_view(padded, 2 * scale + 1, axis).max(-1)
    kept: NDArray[np.bool_] = strength <= np.quantile(strength, 1 - EDGE_SHARE)
    return kept


def unmeasured(image: NDArray[Any], scale: int) -> FloatImage:
    """Return the part of an image (s*H, s*W) that its block means do not determine.

    This part is the projection onto the null space of the mean over scale x scale
    pixels: the coarse image does not depend on it.
    """
    fine = image.astype(np.float32)
    zero = np.zeros([side // scale for side in image.shape], np.float32)
    return project(fine, zero, scale, "box")


def quiet_of(reference: NDArray[Any], scale: int) -> NDArray[np.bool_]:
    """Return a mask (H, W), True where the coarse image has all detail.

    For each coarse pixel, `unmeasured` has a mean square over the fine pixels. The mask
    is True in the quarter of the coarse pixels with the smallest mean square. Pixels
    with the smallest or the largest value of the image are left out: beside the patient
    and in saturated parts, no model adds detail.
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

    The strength is the 95th percentile of the absolute `unmeasured` part of `result`
    (H, W) over the pixels `quiet`, in the unit of `result`. Bicubic interpolation also
    has some such detail, and noise has much. So compare with the value of bicubic for
    the same coarse image.
    """
    return float(np.percentile(np.abs(unmeasured(result, scale)[quiet]), PERCENTILE))
