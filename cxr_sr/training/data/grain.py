"""The noise of training images: of any dose, any correlation, told to the network.

A detector's noise is coloured: scintillator, readout and processing leave neighbouring
pixels alike, or sharpened against each other. Every crop therefore has its own noise
power spectrum, and its own law of standard deviation against level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from cxr_sr.formats.dicom.coding.jpeg import coding_error
from cxr_sr.superres.noise import CODING_CORRELATION

REACH_PX = 4
"""Noise farther apart than twice this is independent: three times the largest width."""


@dataclass(frozen=True)
class Grain:
    """The noise to draw; every crop of a batch has its own."""

    share: float = 0.0
    """Share of the crops of `bicubic` and `box` that get noise; `detector` always
    has noise."""
    sigma: tuple[float, float] = (0.001, 0.05)
    """Standard deviation at level 0.5, in units, drawn log-uniformly."""
    tilt: tuple[float, float] = (-0.5, 1.0)
    """Decades of standard deviation from level 0 to 1. A logarithmic detector of 1.5
    decades has 0.75, a linear one on which less exposure is brighter less."""
    width_px: tuple[float, float] = (0.0, 1.2)
    """Sigma of the Gaussian that white noise is blurred with."""
    sharpened_share: float = 0.15
    """Share of crops whose noise went through an unsharp mask, as in images processed
    for presentation."""
    told: tuple[float, float] = (0.9, 1.4)
    """Standard deviation told over the true one, drawn log-uniformly: an estimate is
    never exact, and one too high does less harm (see `superres.noise`)."""
    jpeg_share: float = 0.0
    """Share of coarse crops that went through JPEG."""
    jpeg_quality: tuple[int, int] = (60, 98)


class DrawnNoise(NamedTuple):
    """Noise of unit variance, and how it is correlated."""

    values: Tensor
    """(N, C, h, w)."""
    correlation: Tensor
    """(N, 1, 1, 1) with the next pixel, down and across in the mean."""


def draw_noise(
    shape: torch.Size, settings: Grain, random: torch.Generator
) -> DrawnNoise:
    """Return coloured noise of `shape` (N, C, h, w), each crop with its own spectrum.

    References
    ----------
    R. S. Saunders, E. Samei, "A method for modifying the image quality parameters of
    digital radiographic images", Med. Phys. 30 (2003): noise shaped by its spectrum.
    """
    crops = []
    for _ in range(shape[0]):
        kernel = _kernel(settings, random)
        margin = kernel.shape[-1] - 1
        size = shape[1], 1, shape[2] + margin, shape[3] + margin
        white = torch.randn(size, generator=random)
        crops.append((functional.conv2d(white, kernel)[:, 0], _lag_one(kernel)))
    values, correlations = zip(*crops, strict=True)
    return DrawnNoise(torch.stack(values), torch.tensor(correlations).view(-1, 1, 1, 1))


def _kernel(settings: Grain, random: torch.Generator) -> Tensor:
    """Return the (1, 1, k, k) filter, of unit energy, of one crop's noise."""
    low, high = settings.width_px
    width = low + (high - low) * _uniform(random)
    kernel = _gaussian(width)
    if _uniform(random) < 0.5:
        # A veil: part of the light spreads farther in the scintillator.
        share = 0.3 * _uniform(random)
        kernel = (1 - share) * kernel + share * _gaussian(
            width + 0.5 + _uniform(random)
        )
    if _uniform(random) < settings.sharpened_share:
        point = _gaussian(0.0)
        mask = point - _gaussian(0.5 + _uniform(random))
        sharper = functional.pad(point + 1.5 * _uniform(random) * mask, (REACH_PX,) * 4)
        kernel = functional.conv2d(sharper, kernel)
    return kernel / kernel.square().sum().sqrt()


def _gaussian(width_px: float) -> Tensor:
    offset = torch.arange(-REACH_PX, REACH_PX + 1, dtype=torch.float32)
    taps = torch.exp(-0.5 * (offset / max(width_px, 1e-3)).square())
    kernel = torch.outer(taps, taps)
    return (kernel / kernel.sum())[None, None]


def _lag_one(kernel: Tensor) -> float:
    """Return the correlation of neighbours after a filter of unit energy."""
    plane = kernel[0, 0]
    down, across = (plane[1:] * plane[:-1]).sum(), (plane[:, 1:] * plane[:, :-1]).sum()
    return float(down + across) / 2


def tilted(level: Tensor, settings: Grain, random: torch.Generator) -> Tensor:
    """Return (N, 2): standard deviation at level 0.5, and decades from level 0 to 1."""
    count = len(level)
    sigma = _log_uniform(settings.sigma, count, random)
    sigma = sigma * (torch.rand(count, generator=random) < settings.share)
    low, high = settings.tilt
    tilt = low + (high - low) * torch.rand(count, generator=random)
    tilt = tilt * (torch.rand(count, generator=random) < 0.5)
    return torch.stack([sigma, tilt], 1)


def told_factor(count: int, settings: Grain, random: torch.Generator) -> Tensor:
    """Return (N, 1, 1, 1): told standard deviations divided by the true ones."""
    return _log_uniform(settings.told, count, random).view(-1, 1, 1, 1)


def planes(sigma: Tensor, correlation: Tensor) -> Tensor:
    """Return the noise planes (N, 2, h, w); see `networks.NOISE_PLANES`."""
    return torch.cat([sigma, sigma * correlation], 1)


def with_jpeg(planes: Tensor, error: Tensor) -> Tensor:
    """Return noise `planes` and the `error` (N, 1, 1, 1) of JPEG, added up."""
    sigma, correlated = planes[:, :1], planes[:, 1:]
    total = (sigma.square() + error.square()).sqrt()
    covariance = sigma * correlated + CODING_CORRELATION * error.square()
    return torch.cat([total, covariance / total.clamp_min(1e-9)], 1)


def through_jpeg(
    coarse: Tensor, settings: Grain, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return `coarse` (N, 1, h, w), some of its crops as JPEG leaves them.

    A crop is brought to the 8 bits of its own range; the blocks of 8 x 8 pixels begin
    anywhere.

    Returns
    -------
    The crops, and (N, 1, 1, 1) the standard deviation of the error that the tables of
    JPEG tell, in units; 0 without JPEG.
    """
    low, high = settings.jpeg_quality
    error = coarse.new_zeros(len(coarse), 1, 1, 1)
    for k, crop in enumerate(coarse):
        if _uniform(random) >= settings.jpeg_share:
            continue
        quality = int(torch.randint(low, high + 1, (), generator=random))
        corner = torch.randint(8, (2,), generator=random).tolist()
        crop[0], error[k] = _jpeg(crop[0], quality, corner)
    return coarse, error


def _jpeg(plane: Tensor, quality: int, corner: list[int]) -> tuple[Tensor, float]:
    import io

    import numpy as np
    from PIL import Image

    least, span = float(plane.min()), float(plane.max() - plane.min()) or 1.0
    span = max(span, 0.25)
    margins = [(first, 0) for first in corner]
    codes = ((plane - least) * (255 / span)).round().clamp(0, 255)
    padded = np.pad(codes.cpu().numpy().astype(np.uint8), margins, mode="edge")
    stream = io.BytesIO()
    Image.fromarray(padded).save(stream, "JPEG", quality=quality)
    with Image.open(stream) as image:
        decoded = np.array(image, np.float32)[corner[0] :, corner[1] :]
    error = coding_error(stream.getvalue()) * span / 255
    return torch.from_numpy(decoded) * (span / 255) + least, error


def _uniform(random: torch.Generator) -> float:
    return float(torch.rand((), generator=random))


def _log_uniform(
    ends: tuple[float, float], count: int, random: torch.Generator
) -> Tensor:
    low, high = (math.log(end) for end in ends)
    return torch.exp(low + (high - low) * torch.rand(count, generator=random))
