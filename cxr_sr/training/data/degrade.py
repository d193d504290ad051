"""Simulate a coarser image of the same chest.

Every degradation maps (N, C, H, W) in units to (N, C, H / scale, W / scale). The sides
must be divisible by the scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from cxr_sr.errors import SettingsError
from cxr_sr.hints import did_you_mean
from cxr_sr.superres.noise import LEVEL_RADIUS_PX
from cxr_sr.training.data import grain
from cxr_sr.training.data.grain import Grain
from cxr_sr.training.data.jpeg import through_jpeg


@dataclass(frozen=True)
class Degradation:
    """The degradations to simulate, and their strength."""

    kinds: tuple[str, ...] = ("bicubic",)
    """Names in `DEGRADATIONS`; each batch draws one of them."""
    blur_px: tuple[float, float] = (0.25, 0.45)
    """Least and largest sigma of the presampling blur, in pixels of the coarse
    detector. For 0.45, the MTF of the blur at Nyquist, exp(-2 (pi sigma f)^2), is 0.37.
    With the pixel aperture (0.64), the MTF is that of indirect flat panels, 0.25 to
    0.45 (Samei, Med. Phys. 30, 2003)."""
    quanta: tuple[float, float] = (300.0, 10_000.0)
    """Least and largest number of quanta that a coarse pixel detects where the image is
    black, drawn log-uniformly. RQA5 has 30,174 quanta for each mm^2 and uGy
    (IEC 62220-1-1): 2.5 uGy on pixels of 0.14 to 0.4 mm with a DQE of 0.6 gives 900 to
    7,000."""
    electronic: float = 5.0
    """Standard deviation of the additive electronic noise, in quanta."""
    decades: float = 1.5
    """Orders of magnitude in exposure between black (0) and white (1)."""
    grain: Grain = field(default_factory=Grain)
    """Additional noise and JPEG."""

    @classmethod
    def of(cls, kinds: str, grain: Grain | None = None) -> Degradation:
        """Read a list such as "bicubic,box".

        Raises
        ------
        SettingsError
            If one of the names is unknown.
        """
        names = tuple(name.strip() for name in kinds.split(","))
        for name in names:
            if name not in DEGRADATIONS:
                raise SettingsError(
                    f"unknown degradation {name!r};"
                    f"{did_you_mean(name, DEGRADATIONS)} there are "
                    f"{', '.join(DEGRADATIONS)}"
                )
        return cls(names, grain=grain or Grain())


Hold = Callable[[Tensor], Tensor]
"""A function that rounds and clips (N, C, H, W) like a file; input and result in
units."""


class Coarse(NamedTuple):
    """Coarse crops, and the noise planes for the network."""

    image: Tensor
    """(N, C, h, w) in units, rounded and clipped like a file."""
    noise: Tensor
    """(N, 2, h, w) in units; see `networks.NOISE_PLANES`."""

    @classmethod
    def of(cls, image: Tensor) -> Coarse:
        """Return crops (N, C, h, w) without noise."""
        return cls(image, image.new_zeros(len(image), 2, *image.shape[2:]))

    def times(self, gain: Tensor) -> Coarse:
        """Return image and noise multiplied by `gain`."""
        return Coarse(self.image * gain, self.noise * gain)


def degrade(
    image: Tensor,
    codes: Tensor,
    scale: int,
    settings: Degradation,
    random: torch.Generator,
) -> Coarse:
    """Return the coarse image of `image` by one of `settings.kinds`, drawn at random.

    Parameters
    ----------
    image : (N, C, H, W) in units
    codes : (N, 4), `dataset.Codes` of the images; the result is rounded and clipped
        like a file with this coding
    scale : factor between the sides of `image` and of the result
    """
    kinds = settings.kinds
    drawn = kinds[int(torch.randint(len(kinds), (), generator=random))]
    hold = partial(stored, codes=codes)
    if drawn == "detector" or settings.grain.share:
        noise = grain.draw_noise(image, scale, settings.grain, random)
    else:
        noise = grain.no_noise(image, scale)
    if drawn == "detector":
        seen, law = detector(image, scale, settings, random, noise.values)
    else:
        clean = bicubic(image, scale, hold) if drawn == "bicubic" else box(image, scale)
        law = _tilted_law(grain.tilted(image, settings.grain, random).to(image))
        seen = clean + law(clean) * noise.values
    factor = grain.told_factor(len(image), settings.grain, random).to(image)
    level = _level_of(seen.mean(1, keepdim=True))
    planes = grain.planes(law(level) * factor, noise.correlation)
    if settings.grain.jpeg_share:
        seen, error = through_jpeg(seen, settings.grain, random)
        planes = grain.with_jpeg(planes, error * factor)
    return Coarse(hold(seen), planes)


def _level_of(seen: Tensor) -> Tensor:
    """Return the local level of (N, 1, h, w); see `superres.noise.level_of`."""
    padded = functional.pad(seen, (LEVEL_RADIUS_PX,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, 2 * LEVEL_RADIUS_PX + 1, stride=1)


Law = Callable[[Tensor], Tensor]
"""A function of levels (N, C, h, w) in units; it returns the standard deviation of
their noise."""


def _tilted_law(drawn: Tensor) -> Law:
    sigma, tilt = (column.view(-1, 1, 1, 1) for column in drawn.unbind(1))
    return lambda level: sigma * 10 ** (tilt * (level.clamp(0, 1) - 0.5))


def stored(coarse: Tensor, codes: Tensor) -> Tensor:
    """Return `coarse` (N, C, H, W) rounded and clipped to the `codes` (N, 4) of a file.

    Clipping removes the ringing beyond black and white.
    """
    step, least, largest, _ = (c.view(-1, 1, 1, 1) for c in codes.unbind(1))
    return ((coarse / step).round() * step).clamp(least, largest)


def bicubic(image: Tensor, scale: int, hold: Hold | None = None) -> Tensor:
    """Return the antialiased bicubic reduction (a = -0.5), the usual one in papers.

    First the columns are reduced, then the rows. Between the two steps, `hold` rounds
    the values, as Pillow does.
    """
    rows, columns = (side // scale for side in image.shape[-2:])
    reduced = partial(functional.interpolate, mode="bicubic", antialias=True)
    narrow = reduced(image, size=(image.shape[-2], columns))
    return reduced(hold(narrow) if hold else narrow, size=(rows, columns))


def box(image: Tensor, scale: int) -> Tensor:
    """Return the mean over scale x scale pixels: detector binning."""
    return functional.avg_pool2d(image, scale)


def detector(
    image: Tensor,
    scale: int,
    settings: Degradation,
    random: torch.Generator,
    noise: Tensor,
) -> tuple[Tensor, Law]:
    """Return the image of a detector with pixels `scale` times larger.

    The unit image is taken as logarithmic: white where the least exposure arrived. The
    steps in the linear exposure are: presampling blur, binning, Poisson noise of the
    quanta (as a Gaussian of the same variance, because a pixel has hundreds of quanta)
    and electronic noise. `noise` (N, C, H / scale, W / scale) has unit variance and
    gives the noise its shape. Values outside the unit range, where a panel is saturated
    or without signal, are binned without noise. `evaluation.degradations` has the same
    detector with one setting.

    References
    ----------
    I. A. Cunningham, "Applied linear-systems theory", Handbook of Medical Imaging
    vol. 1, SPIE 2000: the order of the steps. A. Foi et al., "Practical
    Poissonian-Gaussian noise modeling", IEEE TIP 17 (2008): the noise.
    """
    low, high = settings.blur_px
    sigma = low + (high - low) * float(torch.rand((), generator=random))
    quanta = _log_uniform(*settings.quanta, random)
    inside = image.clamp(0, 1)
    exposure = torch.exp(-settings.decades * math.log(10) * inside)
    expected = quanta * box(gaussian_blur(exposure, sigma * scale), scale)
    deviation = (expected + settings.electronic**2).sqrt()
    # No value falls below one quantum, because a real detector corrects its offset.
    counted = (expected + deviation * noise).clamp_min(1.0)
    recorded = -(counted / quanta).log10() / settings.decades

    def law(level: Tensor) -> Tensor:
        there = quanta * 10 ** (-settings.decades * level.clamp(0, 1))
        return (there + settings.electronic**2).sqrt() / (
            there * math.log(10) * settings.decades
        )

    return recorded + box(image - inside, scale), law


def gaussian_blur(image: Tensor, sigma_px: float) -> Tensor:
    """Blur `image` (N, C, H, W) by a Gaussian; border pixels are repeated."""
    reach = math.ceil(3 * sigma_px)
    offset = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    taps = torch.exp(-0.5 * (offset / sigma_px).square())
    taps = (taps / taps.sum()).expand(image.shape[1], 1, 1, 2 * reach + 1)
    padded = functional.pad(image, (reach,) * 4, mode="replicate")
    rows = functional.conv2d(padded, taps, groups=image.shape[1])
    return functional.conv2d(rows, taps.mT, groups=image.shape[1])


def _log_uniform(low: float, high: float, random: torch.Generator) -> float:
    drawn = float(torch.rand((), generator=random))
    return math.exp(math.log(low) + drawn * math.log(high / low))


DEGRADATIONS = ("bicubic", "box", "detector")
