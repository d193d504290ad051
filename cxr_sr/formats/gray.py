"""Convert colour samples to gray if all pixels are gray; refuse true colour."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import NotARadiographError

LOSSY_TOLERANCE = 4
"""Largest difference between red, green and blue of a gray pixel after lossy
compression, in 8-bit codes."""
CHANNELS = (
    "It has colour or alpha channels: cxr-sr reads it as gray if red, green and blue "
    "are equal everywhere and no pixel is transparent, and refuses it otherwise."
)
ENLARGED = (
    "The result also enlarges blocks of 8 x 8 px and ringing at edges, and is not more "
    "faithful than its source. A DICOM result states the loss "
    "(LossyImageCompression 01)."
)
CONVERTED = "converted to MONOCHROME2 from colour samples that were all gray"
LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601, which JPEG files and YBR_FULL use."""
Samples = NDArray[np.integer[Any]]


def gray_of(samples: Samples, *, lossy: bool = False, bits: int = 8) -> Samples:
    """Return the gray value of each pixel.

    Parameters
    ----------
    samples : (H, W), or (H, W, C): gray; gray and alpha; red, green and blue; or red,
        green, blue and alpha
    lossy : True if the samples come from a lossy code. Then red, green and blue may
        differ by `LOSSY_TOLERANCE`, and the function returns the luma
    bits : number of bits of a lossy sample

    Returns
    -------
    (H, W), of the same type

    Raises
    ------
    NotARadiographError
        If a pixel is transparent, or has a colour.
    """
    if samples.ndim == 2:
        return samples
    channels = samples.shape[2]
    if channels in {2, 4}:
        _check_opaque(samples[..., -1])
    if channels <= 2:
        return np.ascontiguousarray(samples[..., 0])
    return _without_colour(samples[..., :3], _tolerance(bits) if lossy else 0)


def colour_of(samples: Samples) -> Samples:
    """Return the red, green and blue of opaque samples (H, W, 3 or 4).

    Raises
    ------
    NotARadiographError
        If a pixel is transparent.
    """
    if samples.shape[2] == 4:
        _check_opaque(samples[..., -1])
    return np.ascontiguousarray(samples[..., :3])


def gray_of_ybr(samples: Samples, *, lossy: bool = False, bits: int = 8) -> Samples:
    """Return the luma of YBR_FULL samples (H, W, 3) whose chroma is neutral.

    Raises
    ------
    NotARadiographError
        If a pixel has a colour.

    References
    ----------
    DICOM PS3.3 C.7.6.3.1.2
    """
    neutral = 1 << (bits - 1)
    chroma = np.abs(samples[..., 1:].astype(np.int32) - neutral).max(-1)
    _refuse_colour(chroma > (_tolerance(bits) if lossy else 0))
    return np.ascontiguousarray(samples[..., 0])


def _tolerance(bits: int) -> int:
    return LOSSY_TOLERANCE << max(0, bits - 8)


def _without_colour(samples: Samples, tolerance: int) -> Samples:
    red = samples[..., 0]
    if all((samples[..., c] == red).all() for c in (1, 2)):
        return np.ascontiguousarray(red)
    spread = samples.max(-1).astype(np.int32) - samples.min(-1)
    _refuse_colour(spread > tolerance)
    luma = sum(w * samples[..., c] for c, w in enumerate(LUMA))
    gray: Samples = np.rint(luma).astype(samples.dtype)
    return gray


def _refuse_colour(coloured: NDArray[np.bool_]) -> None:
    count = int(coloured.sum())
    if count:
        raise NotARadiographError(
            f"the image has true colour: red, green and blue differ in {count} of "
            f"{coloured.size} pixels; expected gray: leave it out, or save one gray "
            "channel of it"
        )


def _check_opaque(alpha: Samples) -> None:
    transparent = int((alpha != np.iinfo(alpha.dtype).max).sum())
    if transparent:
        raise NotARadiographError(
            f"the image is transparent in {transparent} of {alpha.size} pixels, whose "
            "value depends on the background; expected an opaque image: save it "
            "without alpha channel"
        )
