"""Make training samples from radiographs; the number of a sample decides it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from cxr_sr.errors import SettingsError
from cxr_sr.names import MULTIPLE
from cxr_sr.superres.int8.gain import contrast_of
from cxr_sr.superres.models.spec import NetworkGrid
from cxr_sr.training.data.images import TrainingImage
from cxr_sr.training.data.markers import draw_markers

DETAILED_SHARE = 0.6
"""Share of crops around a detailed block; the probability of a block is proportional to
its detail. Markers and collimator edges cover a hundredth of a radiograph, but cause
most of the errors of its enlargement. The other crops lie anywhere, so that the network
also learns plain regions."""
TURNED_SHARE = 0.2
"""Share of crops that are flipped or transposed at random. The others stay upright,
like the text on a radiograph, so that the network learns the shape of letters."""
BLOCK_PX = 16
"""Side of the blocks whose detail is compared."""


@dataclass(frozen=True)
class Sampling:
    """Settings for the crop and the gray levels of a training sample."""

    crop_px: int | None = 48
    """Side of the crop in px; None: the whole image. For a network at input size, the
    side of the coarse crop; for others, the side of the fine crop, a multiple of 24."""
    altered_share: float = 0.5
    """Share of samples with another window and bit depth than their own."""
    gain: tuple[float, float] = (0.5, 2.0)
    """Least and largest contrast of a simulated window, relative to the own window."""
    bits: tuple[int, int] = (8, 16)
    """Least and largest bit depth of the simulated window."""
    marked_share: float = 0.0
    """Share of samples with drawn markers."""

    def sides(
        self, grid: NetworkGrid, scales: tuple[int, ...]
    ) -> dict[int, int | None]:
        """Return the side of the fine crop for each scale; None: the whole image.

        Raises
        ------
        SettingsError
            If a scale does not divide the crop.
        """
        side = self.crop_px
        if side is None:
            return dict.fromkeys(scales)
        if grid == "input" and side > 0:
            return {scale: side * scale for scale in scales}
        if side <= 0 or side % MULTIPLE:
            raise SettingsError(
                f"a crop of {side} px does not fit every scale; it has to be a "
                f"multiple of {MULTIPLE}, for example {3 * MULTIPLE}"
            )
        return dict.fromkeys(scales, side)


class Crops:
    """Endless random crops, each with the coding of its image.

    All images are in memory, so worker processes would have little to do; metrics.csv
    of the run states the share of the time in which steps waited for crops.
    """

    def __init__(
        self, images: Sequence[TrainingImage], sampling: Sampling, seed: int
    ) -> None:
        self.images = images
        self.sampling = sampling
        self.seed = seed
        # Running sums over the blocks, to draw a block by its detail.
        self.details = [detail(image).cumsum() for image in images]
        self.codes = [Codes.of(image) for image in images]

    def sample(self, number: int, side: int | None) -> tuple[Tensor, Tensor]:
        """Return a fine crop (C, side, side) in units, and its codes (see `CropBatch`).

        Only the seed and `number` decide them. So a resumed run continues with the
        samples that the killed run would have used.
        """
        random = np.random.default_rng((self.seed, number))
        chosen = int(random.integers(len(self.images)))
        image = self.images[chosen]
        unit = _cut(image, self.details[chosen], side, random)
        unit = _flipped(unit, random)
        codes = self.codes[chosen]
        if random.random() < self.sampling.marked_share:
            unit = draw_markers(unit, image.span, random)
        if random.random() < self.sampling.altered_share:
            unit, codes = alter(unit, codes, self.sampling, random)
        return torch.from_numpy(np.ascontiguousarray(unit)), torch.tensor(codes)


def _cut(
    image: TrainingImage,
    running: NDArray[np.float64],
    side: int | None,
    random: np.random.Generator,
) -> NDArray[Any]:
    if side is None:
        return image.crop(*image.whole)
    limits = [n - side for n in image.sides]
    corner = random.integers(limits, endpoint=True)
    if random.random() < DETAILED_SHARE and running.any():
        block = np.searchsorted(running, random.random() * running[-1], side="right")
        place = divmod(int(block), image.sides[1] // BLOCK_PX)
        around = BLOCK_PX // 2 - random.integers(side, size=2)
        corner = np.multiply(place, BLOCK_PX) + around
    row, column = np.clip(corner, 0, limits).tolist()
    return image.crop((row, column), (side, side))


def detail(image: TrainingImage) -> NDArray[np.float64]:
    """Return the detail of each block of `BLOCK_PX` squared pixels: (rows, columns).

    The detail is the mean squared Laplacian of the stored values, which resembles the
    error of interpolation. The rest at the right and at the bottom has no blocks.
    """
    blocks = [n // BLOCK_PX for n in image.sides]
    rows, columns = (n * BLOCK_PX for n in blocks)
    values = image.stored[:rows, :columns].astype(np.float32)
    energy = np.zeros((rows, columns))
    energy[1:-1, 1:-1] = laplacian(values) ** 2
    shape = (blocks[0], BLOCK_PX, blocks[1], BLOCK_PX)
    blockwise: NDArray[np.float64] = energy.reshape(shape).mean(axis=(1, 3))
    return blockwise


def most_detailed(
    image: TrainingImage, side_px: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the arguments of `TrainingImage.crop` for the part with most detail.

    Its sides are multiples of 24 px, at most `side_px`. Most errors of an enlarged
    radiograph lie in this part, so it is better for choosing weights than the centre of
    the image, which has the fewest errors.
    """
    height, width = (min(n, side_px) // MULTIPLE * MULTIPLE for n in image.sides)
    window = height // BLOCK_PX, width // BLOCK_PX
    sums = sliding_window_view(detail(image), window).sum((2, 3))
    place = divmod(int(sums.argmax()), sums.shape[1])
    # Stretch the places, so that the last place reaches the rest beyond the blocks.
    row, column = (
        at * (whole - part) // max(1, count - 1)
        for at, whole, part, count in zip(
            place, image.sides, (height, width), sums.shape, strict=True
        )
    )
    return (row, column), (height, width)


def laplacian(values: NDArray[Any]) -> NDArray[Any]:
    """Return the Laplacian (H - 2, W - 2) of (H, W), or of the mean of (H, W, C)."""
    values = values if values.ndim == 2 else values.mean(axis=2)
    across = values[1:-1, :-2] + values[1:-1, 2:]
    down = values[:-2, 1:-1] + values[2:, 1:-1]
    result: NDArray[Any] = across + down - 4 * values[1:-1, 1:-1]
    return result


def _flipped(unit: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
    if random.random() >= TURNED_SHARE:
        return unit
    down, across, turned = random.random(3) < 0.5
    unit = unit[:, ::-1] if down else unit
    unit = unit[:, :, ::-1] if across else unit
    return unit.transpose(0, 2, 1) if turned else unit


class Codes(NamedTuple):
    """The coding of the whole image of a crop, in units."""

    step: float
    """Difference of neighbouring codes."""
    least: float
    largest: float
    """Least and largest value that can be stored."""
    contrast: float
    """Contrast of the image; see `contrast_of`."""

    @classmethod
    def of(cls, image: TrainingImage) -> Codes:
        """Return the coding of an image, as it was read."""
        contrast = contrast_of(np.atleast_3d(image.stored).transpose(2, 0, 1))
        return cls(image.code, *image.span, contrast * image.code)


def alter(
    unit: NDArray[Any], codes: Codes, sampling: Sampling, random: np.random.Generator
) -> tuple[NDArray[Any], Codes]:
    """Return a crop with another window and bit depth, and its new coding.

    The map is linear, like `Scaling`, and clips no value.
    """
    low, high = sampling.gain
    gain = low * (high / low) ** random.random()
    centre = random.uniform(unit.min(), unit.max())
    bits = int(random.integers(*sampling.bits, endpoint=True))
    altered = (unit - unit.dtype.type(centre)) * unit.dtype.type(gain)
    least, largest = (
        (end - centre) * gain + 0.5 for end in (codes.least, codes.largest)
    )
    step, contrast = gain / (2**bits - 1), codes.contrast * gain
    return altered + unit.dtype.type(0.5), Codes(step, least, largest, contrast)
