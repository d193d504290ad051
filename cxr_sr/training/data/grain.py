"""Add noise of any dose and any correlation to training images.

The noise of a detector is correlated: scintillator and readout make neighbouring pixels
similar, sharpening makes them different. So every crop gets its own noise power
spectrum, and its own law for the standard deviation at each level.
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
"""Half the side of the largest kernel, in px: three times the largest width. Noise is
independent at twice this distance."""


@dataclass(frozen=True)
class Grain:
    """Settings of the noise; every crop of a batch gets its own noise."""

    share: float = 0.0
    """Share of the crops of `bicubic` and `box` that get noise; `detector` always
    has noise."""
    sigma: tuple[float, float] = (0.001, 0.05)
    """Standard deviation at level 0.5, in units, drawn log-uniformly."""
    tilt: tuple[float, float] = (-0.5, 1.0)
    """Orders of magnitude between the standard deviations at level 1 and at level 0. A
    logarithmic detector of 1.5 decades has 0.75. A linear detector has a negative
    number, because less exposure is brighter."""
    width_px: tuple[float, float] = (0.0, 1.2)
    """Sigma of the Gaussian that blurs white noise."""
    sharpened_share: float = 0.15
    """Share of crops whose noise is sharpened by an unsharp mask, as in images
    processed for presentation."""
    told: tuple[float, float] = (0.9, 1.4)
    """Told standard deviation divided by the true one, drawn log-uniformly. An estimate
    is never exact, and too much does less harm than too little (see
    `superres.noise`)."""
    jpeg_share: float = 0.0
    """Share of coarse crops that are compressed by JPEG."""
    jpeg_quality: tuple[int, int] = (60, 98)
    """Least and largest quality of JPEG, as Pillow counts it."""


class DrawnNoise(NamedTuple):
    """Noise of unit variance, and its correlation."""

    values: Tensor
    """(N, C, h, w)."""
    correlation: Tensor
    """(N, 1, 1, 1): mean correlation with the next pixel down and across."""


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
    """Return the filter (1, 1, k, k) of unit energy for the noise of one crop."""
    low, high = settings.width_px
    width = low + (high - low) * _uniform(random)
    kernel = _gaussian(width)
    if _uniform(random) < 0.5:
        # A part of the light spreads farther in the scintillator.
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
    """Return the correlation of neighbours in white noise after a filter."""
    plane = kernel[0, 0]
    down, across = (plane[1:] * plane[:-1]).sum(), (plane[:, 1:] * plane[:, :-1]).sum()
    return float(down + across) / 2


def tilted(level: Tensor, settings: Grain, random: torch.Generator) -> Tensor:
    """Return (N, 2): the standard deviation at level 0.5, and the drawn `tilt`."""
    count = len(level)
    sigma = _log_uniform(settings.sigma, count, random)
    sigma = sigma * (torch.rand(count, generator=random) < settings.share)
    low, high = settings.tilt
    tilt = low + (high - low) * torch.rand(count, generator=random)
    tilt = tilt * (torch.rand(count, generator=random) < 0.5)
    return torch.stack([sigma, tilt], 1)


def told_factor(count: int, settings: Grain, random: torch.Generator) -> Tensor:
    """Return (N, 1, 1, 1): the factors between told and true standard deviations."""
    return _log_uniform(settings.told, count, random).view(-1, 1, 1, 1)


def planes(sigma: Tensor, correlation: Tensor) -> Tensor:
    """Return the noise planes (N, 2, h, w); see `networks.NOISE_PLANES`."""
    return torch.cat([sigma, sigma * correlation], 1)


def with_jpeg(planes: Tensor, error: Tensor) -> Tensor:
    """Return noise `planes` that include the `error` (N, 1, 1, 1) of JPEG."""
    sigma, correlated = planes[:, :1], planes[:, 1:]
    total = (sigma.square() + error.square()).sqrt()
    covariance = sigma * correlated + CODING_CORRELATION * error.square()
    return torch.cat([total, covariance / total.clamp_min(1e-9)], 1)


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
