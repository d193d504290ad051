"""Pass coarse crops through JPEG, on any device.

The tables are those of Pillow. The arithmetic is that of ITU-T T.81 (A.3), without the
coding of the codes, which loses nothing.
"""

from __future__ import annotations

import io
import math
from functools import cache
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from cxr_sr.formats.dicom.coding.jpeg import coding_error
from cxr_sr.training.data.grain import Grain

SIDE = 8
"""Side of a block in px."""
LEAST_SPAN = 0.25
"""Least range, in units, that a crop spreads over 8 bits. A file is scaled as a whole,
so the codes of a flat part are no finer."""


class Tables(NamedTuple):
    """The tables of some qualities, in their order."""

    steps: Tensor
    """(Q, 8, 8): quantisation step of each frequency, in codes of 8 bits."""
    error: Tensor
    """(Q,): standard deviation of the error that a file with these tables has, in
    codes; see `coding_error`."""


def through_jpeg(
    coarse: Tensor, settings: Grain, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Compress some of the crops `coarse` (N, 1, h, w) by JPEG, and decode them.

    Each crop is scaled to 8 bits by its own range. Its blocks of 8 x 8 pixels begin at
    random places.

    Returns
    -------
    The crops; and (N, 1, 1, 1) the standard deviation of their error by the tables of
    JPEG, in units, 0 without JPEG.
    """
    count = len(coarse)
    low, high = settings.jpeg_quality
    tables = _tables(low, high)
    chosen = torch.randint(high + 1 - low, (count,), generator=random)
    corners = torch.randint(SIDE, (2, count, 1), generator=random).to(coarse.device)
    share = torch.rand(count, 1, 1, 1, generator=random)
    compressed = (share < settings.jpeg_share).to(coarse.device)
    least = coarse.amin((2, 3), keepdim=True)
    span = (coarse.amax((2, 3), keepdim=True) - least).clamp_min(LEAST_SPAN)
    codes = ((coarse - least) * (255 / span)).round().clamp(0, 255)
    decoded = _coded(codes[:, 0], tables.steps[chosen].to(coarse), corners)
    error = tables.error[chosen].to(coarse).view(-1, 1, 1, 1) * span / 255
    restored = decoded[:, None] * (span / 255) + least
    return torch.where(compressed, restored, coarse), error * compressed


def _coded(codes: Tensor, steps: Tensor, corners: Tensor) -> Tensor:
    """Return codes (N, h, w) after JPEG with `steps` (N, 8, 8).

    Parameters
    ----------
    corners : (2, N, 1): pixels of the first block above and left of the image; its
        border is repeated into them, and into the last block
    """
    each = torch.arange(len(codes), device=codes.device)[:, None, None]
    inside = [
        torch.arange(side, device=codes.device) + first
        for side, first in zip(codes.shape[1:], corners, strict=True)
    ]
    blocks = [math.ceil((side + SIDE - 1) / SIDE) for side in codes.shape[1:]]
    rows, columns = (
        (torch.arange(SIDE * n, device=codes.device) - first).clamp(0, side - 1)
        for n, first, side in zip(blocks, corners, codes.shape[1:], strict=True)
    )
    padded = codes[each, rows[:, :, None], columns[:, None]]
    shape = len(codes), blocks[0], SIDE, blocks[1], SIDE
    levels = padded.view(shape).transpose(2, 3) - 128
    cosines = _cosines(codes)
    divided = steps[:, None, None]
    kept = (cosines @ levels @ cosines.T / divided).round() * divided
    decoded = (cosines.T @ kept @ cosines + 128).round().clamp(0, 255)
    whole = decoded.transpose(2, 3).reshape(padded.shape)
    return whole[each, inside[0][:, :, None], inside[1][:, None]]


def _cosines(like: Tensor) -> Tensor:
    """Return the matrix (8, 8) of the cosine transform of a block's columns."""
    k = torch.arange(SIDE, dtype=like.dtype, device=like.device)
    waves = torch.cos(math.pi / SIDE * k[:, None] * (k + 0.5)) / math.sqrt(SIDE / 2)
    waves[0] /= math.sqrt(2)
    return waves


@cache
def _tables(low: int, high: int) -> Tables:
    """Return the tables of the qualities from `low` to `high`, as Pillow counts."""
    steps, errors = [], []
    for quality in range(low, high + 1):
        stream = io.BytesIO()
        Image.new("L", (SIDE, SIDE)).save(stream, "JPEG", quality=quality)
        with Image.open(stream) as image:
            steps.append(image.quantization[0])  # type: ignore[attr-defined]
        errors.append(coding_error(stream.getvalue()))
    shape = len(steps), SIDE, SIDE
    return Tables(
        torch.tensor(steps, dtype=torch.float32).view(shape), torch.tensor(errors)
    )
