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
    image: Tensor, scale: int, settings: Grain, random: torch.Generator
) -> DrawnNoise:
    """Return coloured noise for a coarse image, each crop with its own spectrum.

    The random numbers do not depend on the device of `image`.

    Parameters
    ----------
    image : (N, C, H, W); the noise has its device and type
    scale : factor between the sides of `image` and of the noise

    References
    ----------
    R. S. Saunders, E. Samei, "A method for modifying the image quality parameters of
    digital radiographic images", Med. Phys. 30 (2003): noise shaped by its spectrum.
    """
    kernels = _kernels(len(image), settings, random)
    margin = kernels.shape[-1] - 1
    rows, columns = (side // scale + margin for side in image.shape[-2:])
    size = image.shape[1], image.shape[0], rows, columns
    white = torch.randn(size, generator=random).to(image)
    values = functional.conv2d(white, kernels.to(image), groups=len(image))
    return DrawnNoise(values.transpose(0, 1), _lag_one(kernels).to(image))


def no_noise(image: Tensor, scale: int) -> DrawnNoise:
    """Return noise without strength in the form of `draw_noise`."""
    count, channels, height, width = image.shape
    size = count, channels, height // scale, width // scale
    return DrawnNoise(image.new_zeros(size), image.new_zeros(count, 1, 1, 1))


def _kernels(count: int, settings: Grain, random: torch.Generator) -> Tensor:
    """Return a filter of unit energy for the noise of each crop: (N, 1, k, k)."""

    def drawn() -> Tensor:
        return torch.rand(count, 1, 1, 1, generator=random)

    low, high = settings.width_px
    width = low + (high - low) * drawn()
    # In half of the crops, a part of the light spreads farther in the scintillator.
    share = 0.3 * drawn() * (drawn() < 0.5)
    kernels = torch.lerp(_gaussian(width), _gaussian(width + 0.5 + drawn()), share)
    strength = 1.5 * drawn() * (drawn() < settings.sharpened_share)
    point = _gaussian(torch.zeros_like(width))
    sharper = point + strength * (point - _gaussian(0.5 + drawn()))
    planes = functional.pad(kernels, (2 * REACH_PX,) * 4).transpose(0, 1)
    both = functional.conv2d(planes, sharper, groups=count).transpose(0, 1)
    return both / both.square().sum((2, 3), keepdim=True).sqrt()


def _gaussian(width_px: Tensor) -> Tensor:
    """Return normalised Gaussians (N, 1, k, k) of widths (N, 1, 1, 1)."""
    offset = torch.arange(-REACH_PX, REACH_PX + 1, dtype=torch.float32)
    taps = torch.exp(-0.5 * (offset / width_px.clamp_min(1e-3)).square())
    taps = taps / taps.sum(-1, keepdim=True)
    return taps.mT * taps


def _lag_one(kernels: Tensor) -> Tensor:
    """Return the correlation of neighbours in white noise after filters: (N,1,1,1)."""
    down = (kernels[..., 1:, :] * kernels[..., :-1, :]).sum((2, 3), keepdim=True)
    across = (kernels[..., 1:] * kernels[..., :-1]).sum((2, 3), keepdim=True)
    return (down + across) / 2


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


def _log_uniform(
    ends: tuple[float, float], count: int, random: torch.Generator
) -> Tensor:
    low, high = (math.log(end) for end in ends)
    return torch.exp(low + (high - low) * torch.rand(count, generator=random))
