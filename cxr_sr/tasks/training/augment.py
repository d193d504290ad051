"""Augment training images: change position, shape and gray values at random."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from cxr_sr.tasks.preview import ENDS, LIMITS

FLIPPED_SHARE = 0.3
"""Share of the samples that are mirrored from left to right."""
PLAIN_SHARE = 0.1
"""Share of the samples that keep their gray values."""


def augmented(
    image: Tensor, masks: Tensor, size: int, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return a sample that looks like another examination or another manufacturer's.

    Parameters
    ----------
    image, masks : (1 + maps, S, S) and (C, S, S), on the same canvas. Feature maps
        change position and shape with the image, but not their values
    size : side of the result, px
    """
    grid = _grid(size, random)
    mode = "zeros" if _share(random) < 0.15 else "border"
    planes = _sampled(image, grid, mode)
    seen, maps = planes[:1], planes[1:]
    truth = _sampled(masks, grid, "zeros") if len(masks) else masks
    # Without a mask, the place of the organ is unknown.
    organ = truth.amax(0, keepdim=True) if len(masks) else torch.zeros_like(seen)
    if _share(random) >= PLAIN_SHARE:
        seen = _other_gray(seen, organ, random)
    return torch.cat([standardised(seen), maps]), truth


def resized(image: Tensor, size: int) -> Tensor:
    """Return (C, S, S) at another size, averaged by area, without augmentation."""
    return functional.interpolate(
        image[None], (size, size), mode="bilinear", antialias=True
    )[0]


def standardised(image: Tensor) -> Tensor:
    """Scale (1, H, W) like a preview: percentiles 1 and 99 become 0 and 1."""
    ends = torch.tensor([end / 100 for end in ENDS])
    low, high = torch.quantile(image, ends)
    unit: Tensor = (image - low) / (high - low).clamp_min(1e-6)
    return unit.clamp(*LIMITS)


def _share(random: torch.Generator) -> float:
    return float(torch.rand((), generator=random))


def _between(low: float, high: float, random: torch.Generator) -> float:
    return low + (high - low) * _share(random)


def _grid(size: int, random: torch.Generator) -> Tensor:
    """Return the source position of each pixel, (1, size, size, 2) in [-1, 1]."""
    angle = math.radians(_between(-15, 15, random))
    scale = math.exp(_between(math.log(0.7), math.log(1.4), random))
    narrow = math.exp(_between(-0.15, 0.15, random))
    shear = _between(-0.1, 0.1, random)
    flip = -1.0 if _share(random) < FLIPPED_SHARE else 1.0
    c, s = math.cos(angle) * scale, math.sin(angle) * scale
    rows = [
        [flip * c * narrow, shear - s, _between(-0.2, 0.2, random)],
        [s, c / narrow, _between(-0.2, 0.2, random)],
    ]
    shape = [1, 1, size, size]
    grid = functional.affine_grid(torch.tensor([rows]), shape, align_corners=False)
    bent = torch.randn(1, 2, 5, 5, generator=random) * _between(0, 0.04, random)
    bent = functional.interpolate(bent, (size, size), mode="bicubic")
    moved: Tensor = grid + bent.permute(0, 2, 3, 1)
    return moved


def _sampled(planes: Tensor, grid: Tensor, mode: str) -> Tensor:
    return functional.grid_sample(
        planes[None], grid, padding_mode=mode, align_corners=False
    )[0]


def _other_gray(image: Tensor, organ: Tensor, random: torch.Generator) -> Tensor:
    changes = (_opacity, _local_contrast, _curve, _shading, _blur, _noise, _things)
    for change in changes:
        if _share(random) < 0.5:
            image = change(image, organ, random)
    return image


def _curve(image: Tensor, _organ: Tensor, random: torch.Generator) -> Tensor:
    """Change gamma and contrast, like another look-up table."""
    unit = image.clamp(0, 1) ** math.exp(_between(-0.8, 0.8, random))
    if _share(random) < 0.5:
        steep, middle = _between(2, 8, random), _between(0.3, 0.7, random)
        unit = torch.sigmoid(steep * (unit - middle))
    return unit


def _smooth(random: torch.Generator, cells: int, size: int) -> Tensor:
    coarse = torch.randn(1, 1, cells, cells, generator=random)
    return functional.interpolate(coarse, (size, size), mode="bicubic")[0]


def _shading(image: Tensor, _organ: Tensor, random: torch.Generator) -> Tensor:
    """Darken one side, like a tilted grid at the bedside."""
    return image + _between(0, 0.25, random) * _smooth(random, 3, image.shape[-1])


def _opacity(image: Tensor, organ: Tensor, random: torch.Generator) -> Tensor:
    """Whiten a part of the lungs, like pneumonia or an effusion."""
    cells = int(_between(3, 9, random))
    cloud = _smooth(random, cells, image.shape[-1]).clamp_min(0)
    return image + _between(0, 0.5, random) * cloud * organ


def _blurred(image: Tensor, sigma: float) -> Tensor:
    reach = max(1, math.ceil(2.5 * sigma))
    taps = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = functional.pad(image[None], (reach,) * 4, mode="replicate")
    across = functional.conv2d(padded, kernel)
    return functional.conv2d(across, kernel.transpose(2, 3))[0]


def _blur(image: Tensor, _organ: Tensor, random: torch.Generator) -> Tensor:
    return _blurred(image, _between(0.3, 1.5, random))


def _local_contrast(image: Tensor, _organ: Tensor, random: torch.Generator) -> Tensor:
    """Change the local contrast, like the processing of another manufacturer."""
    smooth = _blurred(image, _between(3, 14, random))
    return image - _between(-0.4, 0.8, random) * smooth


def _noise(image: Tensor, _organ: Tensor, random: torch.Generator) -> Tensor:
    noise = torch.randn(image.shape, generator=random)
    return image + _between(0, 0.08, random) * noise


def _things(image: Tensor, _organ: Tensor, random: torch.Generator) -> Tensor:
    """Draw collimator edges, and boxes and lines that look like markers and wires."""
    image, size = image.clone(), image.shape[-1]
    for _ in range(int(_between(0, 4, random))):
        height, width = (int(_between(1, size / 6, random)) for _ in range(2))
        if _share(random) < 0.5:
            height, width = size // 2, 1 + int(_share(random) * 2)
        row, column = (int(_share(random) * (size - 1)) for _ in range(2))
        part = image[:, row : row + height, column : column + width]
        part.add_(_between(-0.4, 0.8, random))
    if _share(random) < 0.3:
        edge = int(_between(0, size / 10, random))
        side = int(_share(random) * 4)
        border = torch.rot90(image, side, (1, 2))
        border[:, :edge] = _between(-0.3, 0.3, random)
    return image
