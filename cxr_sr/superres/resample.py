"""Resample images: finer by an interpolation kernel, coarser by box or bicubic.

All functions work on the last two axes of an array (..., H, W), in its own floating
type. Pixel centres lie at half-integers: output i of a grid s times finer lies at the
input coordinate (i + 0.5) / s - 0.5. If a kernel reaches beyond the image, the weights
inside are scaled to the sum of one, as Pillow and torch do. So a constant image stays
constant up to its border.

Every output is a sum in a fixed order over a fixed neighbourhood. So a part of an image
with enough of its surroundings gives the same bits as the whole image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.floating[Any]]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "bspline"]

SPLINE_POLE = math.sqrt(3) - 2
"""Pole of the cubic B-spline's prefilter (Unser, IEEE SPM 1999, 16(6):22-38)."""
SPLINE_RADIUS = 14
"""Radius of the cardinal spline, in input pixels; there it has fallen to 1e-8."""


def keys(x: float) -> float:
    """Cubic convolution with a = -0.5 (Keys, IEEE TASSP 1981, 29(6):1153-1160)."""
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0


def _cardinal_spline(x: float) -> float:
    """Return the cubic spline that is 1 at 0 and 0 at every other integer."""
    gain = -6 * SPLINE_POLE / (1 - SPLINE_POLE**2)
    near = range(math.ceil(x) - 2, math.floor(x) + 3)
    return sum(gain * SPLINE_POLE ** abs(k) * _cubic_bspline(x - k) for k in near)


def _cubic_bspline(x: float) -> float:
    x = abs(x)
    if x < 1:
        return 2 / 3 - x * x + x**3 / 2
    return (2 - x) ** 3 / 6 if x < 2 else 0.0


KERNELS: dict[str, tuple[Callable[[float], float], int]] = {
    "bilinear": (lambda x: max(0.0, 1.0 - abs(x)), 1),
    "bicubic": (keys, 2),
    "lanczos": (lambda x: np.sinc(x) * np.sinc(x / 3) if abs(x) < 3 else 0.0, 3),
    "bspline": (_cardinal_spline, SPLINE_RADIUS),
}
"""Kernel and its radius in input pixels."""


def radius_of(kind: Interpolation) -> int:
    """Return the largest distance, in input pixels, at which `upsample` reads."""
    return 0 if kind == "nearest" else KERNELS[kind][1]


def upsample(
    image: FloatImage, scale: int, kind: Interpolation = "bicubic"
) -> FloatImage:
    """Return `image` (..., H, W) on a grid `scale` times finer: (..., s*H, s*W)."""
    if scale == 1:
        return image
    if kind == "nearest":
        return image.repeat(scale, axis=-2).repeat(scale, axis=-1)
    weights = _phase_weights(kind, scale)
    return finer(finer(image, weights, -2), weights, -1)


@cache
def _phase_weights(kind: str, scale: int) -> NDArray[np.float64]:
    """Return (scale, 2 * radius + 1): the weights of the inputs, by phase."""
    kernel, radius = KERNELS[kind]
    taps = range(-radius, radius + 1)
    centres = [(phase + 0.5) / scale - 0.5 for phase in range(scale)]
    weights = np.array([[kernel(t - centre) for t in taps] for centre in centres])
    normalised: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def finer(
    image: FloatImage,
    weights: NDArray[np.float64],
    axis: int,
    edge: Literal["renormalise", "replicate"] = "renormalise",
) -> FloatImage:
    """Interpolate along one axis; `weights` (scale, taps) has a row for each phase."""
    scale, taps = weights.shape
    length = image.shape[axis]
    padded = _pad(image, axis, taps // 2, edge)
    shape = list(image.shape)
    shape[axis] = length * scale
    result = np.empty(shape, image.dtype)
    for phase in range(scale):
        target = result[_along(axis, slice(phase, None, scale))]
        _weighted_sum(padded, weights[phase], axis, out=target)
    if edge == "renormalise":
        _renormalise(result, weights, axis)
    return result


def _along(axis: int, part: slice) -> tuple[Any, ...]:
    """Return the index that takes `part` of one of the last two axes."""
    return (..., part, slice(None)) if axis == -2 else (..., part)


def _pad(image: FloatImage, axis: int, width: int, edge: str) -> FloatImage:
    """Pad one axis by zeros or by copies of the edge."""
    pad = [(0, 0)] * image.ndim
    pad[axis] = (width, width)
    return np.pad(image, pad, mode="edge" if edge == "replicate" else "constant")


def _weighted_sum(
    padded: FloatImage,
    weights: NDArray[np.float64],
    axis: int,
    out: FloatImage,
    step: int = 1,
) -> None:
    """Set out[i] to the sum of weights[k] * padded[k + step * i], in order of k."""
    reach = step * (out.shape[axis] - 1) + 1
    total = np.zeros(out.shape, out.dtype)
    term = np.empty_like(total)
    for k in np.flatnonzero(weights).tolist():
        part = padded[_along(axis, slice(k, k + reach, step))]
        np.multiply(part, out.dtype.type(weights[k]), out=term)
        total += term
    out[...] = total


def _renormalise(result: FloatImage, weights: NDArray[np.float64], axis: int) -> None:
    """Divide the outputs near both ends by the sum of the weights inside the image."""
    scale, taps = weights.shape
    length = result.shape[axis] // scale
    ones = np.pad(np.ones(length), taps // 2)
    reach = min(taps // 2, length)
    for cell in {*range(reach), *range(length - reach, length)}:
        inside = (weights @ ones[cell : cell + taps]).astype(result.dtype)
        part = result[_along(axis, slice(cell * scale, (cell + 1) * scale))]
        part /= inside[:, None] if axis == -2 else inside


def box_down(image: FloatImage, scale: int) -> FloatImage:
    """Return the means of scale x scale blocks: (..., s*H, s*W) -> (..., H, W).

    This is binning of detector elements.
    """
    rows = _sum_of_strides(image, scale, -2)
    blocks = _sum_of_strides(rows, scale, -1)
    blocks *= image.dtype.type(1 / scale**2)
    return blocks


def _sum_of_strides(image: FloatImage, scale: int, axis: int) -> FloatImage:
    """Add up each `scale` neighbours along an axis."""
    total: FloatImage = image[_along(axis, slice(0, None, scale))].copy()
    for k in range(1, scale):
        total += image[_along(axis, slice(k, None, scale))]
    return total


def bicubic_down(image: FloatImage, scale: int) -> FloatImage:
    """Return the antialiased bicubic reduction: (..., s*H, s*W) -> (..., H, W).

    Most papers use this degradation: the Keys kernel stretched by `scale`, as in
    Pillow's BICUBIC and torch's `interpolate(mode="bicubic", antialias=True)`.
    """
    return coarser(coarser(image, scale, -2), scale, -1)


@cache
def _stretched_weights(scale: int) -> NDArray[np.float64]:
    """Return the weights of a block's fine pixels, and of 2 * scale on both sides."""
    reach = 2 * scale
    centre = (scale - 1) / 2
    fine = range(-reach, scale + reach)
    weights = np.array([keys((i - centre) / scale) for i in fine])
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised


def coarser(image: FloatImage, scale: int, axis: int) -> FloatImage:
    """Reduce one axis as `bicubic_down` reduces both."""
    weights = _stretched_weights(scale)
    fine = image.shape[axis]
    length = fine // scale
    shape = list(image.shape)
    shape[axis] = length
    result = np.empty(shape, image.dtype)
    padded = _pad(image, axis, 2 * scale, "constant")
    _weighted_sum(padded, weights, axis, out=result, step=scale)
    ones = np.pad(np.ones(fine), 2 * scale)
    for cell in {*range(min(2, length)), *range(max(length - 2, 0), length)}:
        inside = weights @ ones[cell * scale : cell * scale + len(weights)]
        result[_along(axis, slice(cell, cell + 1))] /= result.dtype.type(inside)
    return result
