"""Serve labelled images to the training of a head; sample i depends on i alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset, default_collate

from cxr_sr.errors import InputError
from cxr_sr.formats import read_original
from cxr_sr.superres.models.zoo import Model
from cxr_sr.tasks.labels import Labelled
from cxr_sr.tasks.masks import read_masks
from cxr_sr.tasks.preview import Preview
from cxr_sr.tasks.training.augment import augmented
from cxr_sr.tasks.trunk import previews_of

SPARE = 1.5
"""Side of the stored image divided by the side of a sample, for augmentation by
zoom."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Example:
    """A labelled image in memory."""

    row: Labelled
    large: Tensor
    """(1 + maps, S, S) float16, `SPARE` times as large as a sample."""
    large_masks: Tensor
    """(classes, S, S) float16 in [0, 1]; (0, S, S) of a classification."""
    preview: Preview
    """The preview that the finished head will see."""
    pixels_sha256: str
    """SHA-256 of the radiograph's stored values."""
    masks: NDArray[np.bool_]
    """Masks (classes, rows, columns) at the image's full size; (0, ...) without
    masks."""

    @property
    def findings(self) -> Tensor:
        """(classes,) of a classification, 0 or 1."""
        return torch.tensor(self.row.findings, dtype=torch.float32)


class SampleBatch(NamedTuple):
    """The input of one training step."""

    images: Tensor
    """(N, 1 + maps, size, size)."""
    truth: Tensor
    """(N, classes, size, size) masks, or (N, classes) findings."""


def read_examples(
    rows: Sequence[Labelled],
    size: int,
    *,
    again: bool = False,
    trunk: Model | None = None,
) -> list[Example]:
    """Read labelled images; log a warning about each image that is left out.

    Parameters
    ----------
    size : side of a sample, px
    again : also take results of cxr-sr
    trunk : makes feature maps of the images at their own size; None: no maps
    """
    examples = []
    for row in rows:
        try:
            examples.append(_example(row, size, trunk, again=again))
        except InputError as error:
            log.warning("%s is left out: %s", row.name, error)
    return examples


def _example(row: Labelled, size: int, trunk: Model | None, *, again: bool) -> Example:
    radiograph = read_original(row.path, again=again)
    masks = read_masks(row, radiograph)
    sizes = round(size * SPARE), size
    large, preview = previews_of(radiograph, sizes, trunk)
    half = torch.float16
    return Example(
        row,
        torch.from_numpy(large.planes).to(half),
        _on_canvas(masks, large).to(half),
        preview,
        radiograph.pixels_sha256,
        masks,
    )


def _on_canvas(masks: NDArray[np.bool_], preview: Preview) -> Tensor:
    """Reduce masks by area to a preview's canvas; 0 outside the image."""
    canvas = torch.zeros(len(masks), *preview.image.shape)
    if not len(masks):
        return canvas
    shape = preview.pixels.shape
    small = functional.interpolate(
        torch.from_numpy(masks.astype(np.float32))[None],
        (shape[0], shape[1]),
        mode="bilinear",
        antialias=True,
    )
    canvas[:, preview.rows, preview.columns] = small[0]
    return canvas


class AugmentedSamples:
    """Endless augmented samples.

    The share of a patient grows with the square root of the number of its images.
    """

    def __init__(self, examples: Sequence[Example], size: int, seed: int) -> None:
        self.examples = examples
        self.size = size
        self.seed = seed
        patients = [example.row.patient for example in examples]
        counts = np.array([patients.count(patient) for patient in patients])
        self._share = counts**-0.5 / (counts**-0.5).sum()

    def sample(self, number: int) -> tuple[Tensor, Tensor]:
        """Return an image and its labels; only the seed and `number` decide them."""
        random = np.random.default_rng((self.seed, number))
        example = self.examples[int(random.choice(len(self.examples), p=self._share))]
        torch_random = torch.Generator().manual_seed(int(random.integers(2**62)))
        image, masks = augmented(
            example.large.float(),
            example.large_masks.float(),
            self.size,
            torch_random,
        )
        return image, masks if len(masks) else example.findings


class SampleBatches(Dataset[SampleBatch]):
    """The batch of each step; the number of the step decides it alone."""

    def __init__(self, samples: AugmentedSamples, batch: int) -> None:
        self.samples = samples
        self.batch = batch

    def __getitem__(self, step: int) -> SampleBatch:
        """Return the batch of a step."""
        numbers = range(step * self.batch, (step + 1) * self.batch)
        return SampleBatch(*default_collate([self.samples.sample(n) for n in numbers]))


class HeldOut:
    """The images for validation, one at a time and without augmentation."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        yield from self.examples
