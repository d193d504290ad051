"""Projection onto the images whose reduction is the measured image.

A detector with s times larger pixels would have measured the box mean of the fine
image. `project` changes a super-resolved image as little and as smoothly as it can
so that its mean over each s x s block is the input pixel again.

The correction is interpolated conservatively: in each input pixel it is the parabola
whose mean is that pixel's error and which meets its neighbours at edge values
interpolated over four pixels - the reconstruction of the piecewise parabolic method
(Colella and Woodward, J. Comput. Phys. 1984, 54:174-201, eq. 1.5 to 1.9, without
limiters). It is continuous, so that no blocks can be seen. It is exact in one step: the
only error left is the rounding to stored codes.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cxr_sr.names import Consistency
from cxr_sr.superres.resample import FloatImage, bicubic_down, box_down, finer, upsample

BICUBIC_STEPS = 6
"""Number of Chebyshev steps of `bicubic`; each reads 4 input pixels further."""

BICUBIC_SPECTRUM = (0.25, 1.0)
"""Bounds of the eigenvalues of bicubic reduction after bicubic interpolation: half
the amplitude of the finest pattern survives along each axis."""

STRIP_ROWS = 64
"""Rows of blocks that `within` fills at a time, so that it needs little memory."""
TOLERANCE = 3.0
"""An error of up to so many standard deviations of the noise may be noise."""
FAINT_GRAIN, LEAST_GRAIN = 0.005, 0.1
"""A grain up to this standard deviation, in units, is kept whole: half a per cent of
the window is a step or two of a screen. Of a stronger grain, at least this share is
kept."""

MOST_GRAIN = 0.5
"""Least share of a strong grain to keep in the smallest images. The smaller an image,
the more texture is mixed into its noise in every block."""
GRAIN_BLOCKS = (150, 1200)
"""Numbers of blocks: up to the first, `MOST_GRAIN` is kept; from the second on,
`LEAST_GRAIN`."""
UNTOLD_GRAIN = 0.5
"""Share to keep where the noise is not told. There `fine` and `fast` remove no noise,
and the disagreement is mostly due to the way in which the image was reduced. With a
share of 1, images reduced by bicubic lose 0.2 dB at x2 and x4; with 0, averaged images
do. `hydra` and `vdsr` remove noise from every image, and lose 0.1 to 0.3 dB by this
share."""

RADIUS_PX: dict[Consistency, int] = {
    "off": 0,
    "noise": 4,
    "box": 2,
    "bicubic": 4 * BICUBIC_STEPS,
}
"""Distance in input pixels up to which the correction of a pixel reads its input."""


def reduce(image: FloatImage, scale: int, consistency: Consistency) -> FloatImage:
    """Return (..., s*H, s*W) as (..., H, W) by the projection's own reduction."""
    return (
        bicubic_down(image, scale)
        if consistency == "bicubic"
        else box_down(image, scale)
    )


class Agreement(NamedTuple):
    """An image that agrees with its measurement, and the size of the correction."""

    image: FloatImage
    """(..., s*H, s*W)."""
    error: FloatImage | None = None
    """(..., H, W) measurement minus block means before the correction; None: not
    computed."""
    explained: FloatImage | None = None
    """The part of `error` that the noise of the measurement explains."""


def project(
    image: FloatImage,
    measured: FloatImage,
    scale: int,
    consistency: Consistency = "box",
) -> FloatImage:
    """Return `image` corrected so that its reduction is `measured`.

    Parameters
    ----------
    image : (..., s*H, s*W), any units
    measured : (..., H, W), the same units
    consistency : "box" is exact, and so is "noise" here, where no noise is known;
        "bicubic" leaves about 1 % of the error; "off" returns `image`
    """
    if consistency == "off" or scale == 1:
        return image
    error = measured - reduce(image, scale, consistency)
    if consistency == "bicubic":
        return image + _bicubic_preimage(error, scale)
    return image + conservative_upsample(error, scale)


def agree(
    image: FloatImage,
    measured: FloatImage,
    scale: int,
    sigma: FloatImage,
    grain: float | FloatImage,
) -> Agreement:
    """Return `image` with the errors corrected that noise of `measured` cannot explain.

    The part of an error within `TOLERANCE` standard deviations may be noise. The share
    `grain` of that part is added, interpolated by bicubic as the measurement would be,
    so that grain is never amplified. The rest of the error is not noise. It is
    corrected exactly, as `project` does.

    Parameters
    ----------
    image : (..., s*H, s*W), any units
    measured : (..., H, W), the same units
    sigma : (..., H, W), the same units: standard deviation of the noise; where it is 0
        the result agrees exactly
    grain : 0 (the image alone) to 1 (exact agreement); one share, or one for each pixel

    References
    ----------
    V. A. Morozov, 1966: the discrepancy principle, to fit data as well as their noise
    allows, and no better.
    """
    error = measured - box_down(image, scale)
    most = error.dtype.type(TOLERANCE) * sigma
    explained = np.clip(error, -most, most)
    kept = upsample(np.asarray(grain, error.dtype) * explained, scale)
    unexplained = error - explained
    if np.ndim(grain) == 0 and grain == 1:
        unexplained = error - box_down(kept, scale)
    fine = image + kept + conservative_upsample(unexplained, scale)
    return Agreement(fine, error, explained)


def usual_grain(sigma: FloatImage, least: float = LEAST_GRAIN) -> FloatImage:
    """Return the share of the grain that is kept by default.

    A faint grain is kept whole: nobody sees it, and part of it may be texture. Of a
    stronger grain less is kept, so that the remaining grain is fainter.

    Parameters
    ----------
    sigma : any shape, units: standard deviation of the noise
    least : the least share

    Returns
    -------
    `least` to 1: the square of `FAINT_GRAIN` / sigma
    """
    faint = sigma.dtype.type(FAINT_GRAIN)
    ratio = faint / np.maximum(sigma, faint)
    share: FloatImage = np.maximum(ratio * ratio, sigma.dtype.type(least))
    return share


def least_grain(blocks: int) -> float:
    """Return the least share of a strong grain to keep.

    Parameters
    ----------
    blocks : the number of blocks from which the noise was estimated
    """
    ends = MOST_GRAIN, LEAST_GRAIN
    return float(np.interp(np.log(blocks), np.log(GRAIN_BLOCKS), ends))


def conservative_upsample(means: FloatImage, scale: int) -> FloatImage:
    """Return a smooth (..., s*H, s*W) with block means `means` (..., H, W)."""
    weights = _parabola_weights(scale)
    return finer(finer(means, weights, -2, "replicate"), weights, -1, "replicate")


def within(image: FloatImage, low: float, high: float, scale: int) -> FloatImage:
    """Return `image` (..., s*H, s*W) clipped to two bounds with unchanged block means.

    A block mean outside the bounds becomes the nearer bound. In a block that has to
    change, all values move by one amount and are then clipped: of all blocks with the
    same mean within the bounds, that is the nearest one (water-filling; D. P. Palomar,
    J. R. Fonollosa, IEEE Trans. Signal Process. 2005, 53(2):686-695).
    """
    if image.min(initial=low) >= low and image.max(initial=high) <= high:
        return image
    image = image.copy()
    *planes, rows, columns = image.shape
    cut = image.reshape(*planes, rows // scale, scale, columns // scale, scale)
    blocks = cut.swapaxes(-3, -2)
    for start in range(0, rows // scale, STRIP_ROWS):
        strip = blocks[..., start : start + STRIP_ROWS, :, :, :]
        outside = (strip < low) | (strip > high)
        touched = outside.any(-1).any(-1)
        found = strip[touched].reshape(-1, scale * scale)
        filled = _filled(found.astype(np.float64), low, high)
        strip[touched] = filled.reshape(-1, scale, scale)
    return image


def _filled(blocks: FloatImage, low: float, high: float) -> FloatImage:
    """Move all values of each block (n, k) by one amount, as `within` does.

    The sum of a block, clipped, is piecewise linear in that amount. Its slope is the
    number of values between the bounds; it changes where a value leaves the lower
    bound, and where one reaches the upper bound.
    """
    count = blocks.shape[-1]
    wanted = count * blocks.mean(-1, keepdims=True).clip(low, high)
    turns = np.concatenate([low - blocks, high - blocks], -1)
    order = turns.argsort(-1)
    turns = np.take_along_axis(turns, order, -1)
    slopes = np.where(order < count, 1, -1).cumsum(-1)
    sums = np.full_like(turns, count * low)
    sums[:, 1:] += (slopes[:, :-1] * np.diff(turns)).cumsum(-1)
    last = np.maximum((sums < wanted).sum(-1, keepdims=True) - 1, 0)
    turn, reached, slope = (
        np.take_along_axis(values, last, -1) for values in (turns, sums, slopes)
    )
    # Rounding may leave `last` at the end, where no value moves any more.
    moved = blocks + turn + (wanted - reached) / np.maximum(slope, 1)
    filled: FloatImage = moved.clip(low, high)
    return filled


@cache
def _parabola_weights(scale: int) -> NDArray[np.float64]:
    """Return weights (scale, 5): the mean of the cell's parabola over each sub-pixel.

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


def _bicubic_preimage(error: FloatImage, scale: int) -> FloatImage:
    """Return a bicubic image whose bicubic reduction is nearly `error`.

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
