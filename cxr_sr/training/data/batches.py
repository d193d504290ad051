"""Put training samples together to batches, ahead of the steps that use them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch
from lightning import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from cxr_sr import processors
from cxr_sr.training.data.dataset import Codes, Crops, most_detailed
from cxr_sr.training.data.images import TrainingImage

Batch = TypeVar("Batch")
AHEAD = 4
"""Number of batches that each worker has ready."""


class CropBatch(NamedTuple):
    """The crops of one step."""

    fine: Tensor
    """(N, C, H, W) in units."""
    codes: Tensor
    """(N, 4): `Codes` of the fine images."""
    scale: int = 0
    """The scale of this step; 0 for a region, which is validated at all scales."""


class Batches(Dataset[CropBatch]):
    """The batch of each step; the number of the step decides it alone.

    Parameters
    ----------
    crops : the source of the crops
    turns : scales with the side of their fine crop; the steps use them in turn
    batch : number of crops in a step of each process
    learner : its trainer knows the processes that share a step
    """

    def __init__(
        self,
        crops: Crops,
        turns: Sequence[tuple[int, int | None]],
        batch: int,
        learner: LightningModule,
    ) -> None:
        self.crops = crops
        self.turns = turns
        self.batch = batch
        self.learner = learner

    def __getitem__(self, step: int) -> CropBatch:
        """Return the batch of a step of this process."""
        trainer = self.learner.trainer
        scale, side = self.turns[step % len(self.turns)]
        first = (step * trainer.world_size + trainer.global_rank) * self.batch
        numbers = range(first, first + self.batch)
        fine, codes = default_collate([self.crops.sample(n, side) for n in numbers])
        return CropBatch(fine, codes, scale)


class Epoch(Sampler[int]):
    """The numbers of the next `steps` steps, from the current step of the trainer."""

    def __init__(self, learner: LightningModule, steps: int) -> None:
        self.learner = learner
        self.steps = steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[int]:
        start = self.learner.trainer.global_step
        return iter(range(start, start + self.steps))


def workers_for(accelerator: str, devices: int) -> int:
    """Return the number of processes that cut crops for each of `devices` processes.

    A GPU trains faster than one processor cuts crops. Only a forked process shares the
    images with this one; elsewhere, and on a CPU, this process cuts: 0.
    """
    if accelerator != "cuda" or "fork" not in multiprocessing.get_all_start_methods():
        return 0
    return max(processors.allowed() // devices - 1, 0)


def loader_of(batches: Dataset[Batch], epoch: Epoch, workers: int) -> DataLoader[Batch]:
    """Return the batches of one epoch.

    Parameters
    ----------
    batches : gives the batch of each step
    workers : number of processes that cut them ahead, into memory that a GPU can copy
        from at once; 0: this process cuts them
    """
    return DataLoader(
        batches,
        batch_size=None,
        sampler=epoch,
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        persistent_workers=workers > 0,
        multiprocessing_context="fork" if workers else None,
        pin_memory=workers > 0,
    )


class Regions:
    """The images for validation, or their most detailed parts; one in each batch."""

    def __init__(self, images: Sequence[TrainingImage], side_px: int | None) -> None:
        self.images = images
        self.parts = [
            most_detailed(image, side_px) if side_px else image.whole
            for image in images
        ]

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[CropBatch]:
        for image, part in zip(self.images, self.parts, strict=True):
            fine = torch.from_numpy(image.crop(*part).copy())
            yield CropBatch(fine[None], torch.tensor([Codes.of(image)]))
