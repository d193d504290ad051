"""Batches hold the samples of their step, on any device and in any process."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from cxr_sr import processors
from cxr_sr.superres.intensity import Scaling
from cxr_sr.training.data.batches import (
    Batches,
    CropBatch,
    Epoch,
    Regions,
    loader_of,
    workers_for,
)
from cxr_sr.training.data.dataset import Crops
from cxr_sr.training.data.images import TrainingImage
from tests.builders import noise, pixel_format
from tests.training.data.test_dataset import crops, entry, image


def learner(step: int = 0, rank: int = 0, world: int = 1) -> Any:
    trainer = SimpleNamespace(global_step=step, global_rank=rank, world_size=world)
    return SimpleNamespace(trainer=trainer)


TURNS: list[tuple[int, int | None]] = [(2, 24), (3, 36)]


def epoch(
    source: Crops, steps: int, turns: list[Any] = TURNS, **at: int
) -> DataLoader[CropBatch]:
    """Return an epoch of batches of two crops."""
    now = learner(**at)
    return loader_of(Batches(source, turns, 2, now), Epoch(now, steps), workers=0)


def check_same(found: Iterable[CropBatch], expected: Iterable[CropBatch]) -> None:
    for one, two in zip(found, expected, strict=True):
        assert torch.equal(one.fine, two.fine)
        assert torch.equal(one.codes, two.codes)
        assert one.scale == two.scale


class TestBatches:
    def test_an_epoch_goes_on_where_the_trainer_stands(self):
        source = crops()
        whole, rest = epoch(source, 4), epoch(source, 2, step=2)
        assert len(whole) == 4
        check_same([*whole][2:], rest)

    def test_processes_share_the_samples(self):
        source = crops()
        found = [
            fine
            for rank in (0, 1)
            for batch in epoch(source, 2, TURNS[:1], step=3, rank=rank, world=2)
            for fine in batch.fine
        ]
        expected = [source.sample(n, 24)[0] for n in (12, 13, 16, 17, 14, 15, 18, 19)]
        assert torch.equal(torch.stack(found), torch.stack(expected))

    def test_the_scales_take_turns_each_with_its_side(self):
        batches = list(epoch(crops(), 4, step=1))
        assert [batch.scale for batch in batches] == [3, 2, 3, 2]
        assert [batch.fine.shape[-1] for batch in batches] == [36, 24, 36, 24]

    def test_a_scale_may_have_more_turns_than_another(self):
        batches = list(epoch(crops(), 6, [*TURNS, TURNS[0]]))
        assert [batch.scale for batch in batches] == [2, 3, 2, 2, 3, 2]

    @pytest.mark.filterwarnings("ignore:'pin_memory'")
    def test_a_gpu_gets_the_same_batches_from_other_processes(self):
        """Of two epochs: the processes stay, and the steps go on."""
        at = learner()
        batches = Batches(crops(), TURNS, 2, at)
        ahead = loader_of(batches, Epoch(at, 3), workers=2)
        for start in (0, 3):
            at.trainer.global_step = start
            check_same(ahead, [batches[step] for step in range(start, start + 3)])

    @pytest.mark.parametrize(
        ("accelerator", "devices", "expected"),
        [("cuda", 1, 7), ("cuda", 2, 3), ("cuda", 9, 0), ("cpu", 1, 0)],
    )
    def test_the_processes_share_the_processors(
        self, accelerator, devices, expected, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(processors, "allowed", lambda: 8)
        monkeypatch.setattr(
            "multiprocessing.get_all_start_methods", lambda: ["fork", "spawn"]
        )
        assert workers_for(accelerator, devices) == expected

    def test_where_no_process_forks_this_one_cuts(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("multiprocessing.get_all_start_methods", lambda: ["spawn"])
        assert workers_for("cuda", 1) == 0


class TestRegions:
    def test_whole_images_are_regions_too(self):
        (whole,) = Regions([image((50, 73))], None)
        assert whole.fine.shape == (1, 1, 48, 72)

    @pytest.mark.parametrize("corner", [(0, 0), (64, 112), (113, 168)])
    def test_regions_are_where_the_detail_is(self, corner):
        stored = np.full((133, 188), 100, np.uint8)
        row, column = corner
        stored[row : row + 20, column : column + 20] = noise((20, 20), pixel_format(8))
        (found,) = Regions(
            [TrainingImage(stored, Scaling(0, 255), (0, 255), entry())], 50
        )
        assert found.fine.shape == (1, 1, 48, 48)
        assert int((found.fine != 100 / 255).sum()) > 300

    def test_regions_are_validated_one_by_one(self):
        regions = Regions([image((50, 60)), image((100, 30), bits=12)], 48)
        first, second = regions
        assert len(regions) == 2
        assert isinstance(first, CropBatch)
        assert first.fine.shape == (1, 1, 48, 48)
        assert second.fine.shape == (1, 1, 48, 24)
        assert second.codes[:, :3].tolist() == [pytest.approx([1 / 4095, 0, 1])]
        assert 0.2 < float(second.codes[0, 3]) < 0.5  # noise
