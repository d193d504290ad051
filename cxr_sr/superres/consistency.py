"""Projection onto the images whose reduction is the measured image.

A detector with s times larger pixels would have measured the box mean of the fine
image. `project` changes a super-resolved image as little and as smoothly as it can
so that its mean over each s x s block is the input pixel again.

The correction is interpolated conservatively: in each input pixel it is the parabola
whose mean is that pixel's error and which meets its neighbours at edge values
interpolated over four pixels - the reconstruction of the piecewise parabolic method
(Colella and Woodward, J. Comput. Phys. 1984, 54:174-201, eq. 1.5 to 1.9, without
limiters). It is continuous, so no blocks can be seen, and exact in one step, so that
no residue is left to be put in: what remains is the rounding to stored codes.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from cxr_sr.names import Consistency
from cxr_sr.superres.resample import Image, bicubic_down, box_down, finer, upsample

BICUBIC_STEPS = 6
"""Chebyshev steps of `bicubic`; each looks 4 input pixels further."""

BICUBIC_SPECTRUM = (0.25, 1.0)
"""Bounds of the eigenvalues of bicubic reduction after bicubic interpolation: half
the amplitude of the finest pattern survives along each axis."""

RADIUS_PX: dict[Consistency, int] = {"off": 0, "box": 2, "bicubic": 4 * BICUBIC_STEPS}
"""How many input pixels away the correction of a pixel looks."""


def reduce(image: Image, scale: int, consistency: Consistency) -> Image:
    """Return (..., s*H, s*W) as (..., H, W) by the projection's own reduction."""
    return (
        bicubic_down(image, scale)
        if consistency == "bicubic"
        else box_down(image, scale)
    )


def project(
    image: Image,
    measured: Image,
    scale: int,
    consistency: Consistency = "box",
) -> Image:
    """Return `image` corrected so that its reduction is `measured`.

    Parameters
    ----------
    image : (..., s*H, s*W), any units
    measured : (..., H, W), the same units
    consistency : "box" is exact; "bicubic" leaves about 1 % of the error; "off"
        returns `image`
    """
    if consistency == "off" or scale == 1:
        return image
    error = measured - reduce(image, scale, consistency)
    if consistency == "box":
        return image + conservative_upsample(error, scale)
    return image + _bicubic_preimage(error, scale)


def conservative_upsample(means: Image, scale: int) -> Image:
    """Return a smooth (..., s*H, s*W) with block means `means` (..., H, W)."""
    weights = _parabola_weights(scale)
    return finer(finer(means, weights, -2, "replicate"), weights, -1, "replicate")


@cache
def _parabola_weights(scale: int) -> NDArray[np.float64]:
    """(scale, 5): the mean of the cell's parabola over each sub-pixel.

    With left and right edge values l, r and cell mean c the parabola at t in [0, 1]
    is l + t (r - l + 6 (c - (l + r) / 2) (1 - t)) (eq. 1.5); its mean over [a, b]
    needs the means of t and t**2 there.
    """
    left = np.array([-1, 7, 7, -1, 0]) / 12  # eq. 1.9: fourth-order edge values
    right = np.array([0, -1, 7, 7, -1]) / 12
    centre = np.array([0, 0, 1, 0, 0])
    start, stop = np.arange(scale) / scale, np.arange(1, scale + 1) / scale
    t1 = ((start + stop) / 2)[:, None]
    t2 = ((start**2 + start * stop + stop**2) / 3)[:, None]
    weights: NDArray[np.float64] = (
        (1 - 4 * t1 + 3 * t2) * left
        + (3 * t2 - 2 * t1) * right
        + 6 * (t1 - t2) * centre
    )
    return weights


def _bicubic_preimage(error: Image, scale: int) -> Image:
    """Return a bicubic image whose bicubic reduction is `error`, nearly.

    Chebyshev iteration on the coarse grid (Golub and Varga, Numer. Math. 1961,
    3:147-156): three times fewer reductions than plain back-projection.
    """
    low, high = BICUBIC_SPECTRUM
    mean, half = (high + low) / 2, (high - low) / 2
    step = np.zeros_like(error)
    solution = np.zeros_like(error)
    left = error
    for k in range(BICUBIC_STEPS):
        weight = error.dtype.type(_chebyshev_weight(k, mean, half))
        momentum = error.dtype.type(weight * mean - 1)
        step = momentum * step + weight * left
        solution = solution + step
        if k < BICUBIC_STEPS - 1:
            left = left - bicubic_down(upsample(step, scale), scale)
    return upsample(solution, scale)


@cache
def _chebyshev_weight(k: int, mean: float, half: float) -> float:
    """Return the k-th relaxation weight for a spectrum mean - half .. mean + half."""
    if k == 0:
        return 1 / mean
    previous = _chebyshev_weight(k - 1, mean, half)
    ratio = half / 2 if k > 1 else half / np.sqrt(2)
    return float(1 / (mean - ratio**2 * previous))
