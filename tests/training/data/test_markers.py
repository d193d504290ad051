"""Markers drawn into training crops."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cxr_sr.training.data.dataset import Crops, Sampling
from cxr_sr.training.data.markers import CROP_PX, draw_markers
from tests.training.data.test_dataset import image

Plane = NDArray[np.float32]
SPAN = (0.0, 1.0)


def plain(*shape: int, level: float = 0.4) -> Plane:
    return np.full(shape, level, np.float32)


def marked(seed: int, unit: Plane, span: tuple[float, float] = SPAN) -> Plane:
    return draw_markers(unit, span, np.random.default_rng(seed))


def test_most_crops_are_changed_in_a_part_of_them():
    shares = [float((marked(s, plain(1, 200, 220)) != 0.4).mean()) for s in range(60)]
    assert sum(share > 0 for share in shares) > 50
    assert 0.01 < np.mean(shares) < 0.5


def test_the_crop_itself_is_left_alone():
    unit = plain(1, 100, 100)
    for seed in range(10):
        marked(seed, unit)
    assert (unit == 0.4).all()


def test_values_stay_within_what_the_image_can_store():
    span = (-1.5, 2.0)
    found = np.stack([marked(s, plain(1, 150, 150), span) for s in range(80)])
    assert found.min() == span[0]
    assert found.max() == span[1]


def test_the_same_seed_draws_the_same():
    unit = plain(1, 128, 128)
    assert np.array_equal(marked(3, unit), marked(3, unit))
    assert any(not np.array_equal(marked(3, unit), marked(s, unit)) for s in (4, 5))


def test_edges_are_smooth_as_a_detector_sees_them():
    found = np.stack([marked(s, plain(1, 128, 128)) for s in range(40)])
    levels = np.unique(found.round(3))
    assert len(levels) > 50


def test_all_planes_of_a_crop_get_the_same_marker():
    found = marked(1, plain(3, 90, 90))
    assert (found != 0.4).any()
    assert np.array_equal(found[0], found[2])


@pytest.mark.parametrize("shape", [(1, 24, 24), (1, 16, 300), (1, 8, 8)])
def test_small_crops_are_marked_too(shape: tuple[int, int, int]):
    found = [marked(seed, plain(*shape)) for seed in range(30)]
    assert all(one.shape == shape for one in found)
    assert any((one != 0.4).any() for one in found)


def test_large_crops_get_more_markers():
    def corners(side: int) -> int:
        found = (marked(s, plain(1, side, side)) != 0.4 for s in range(40))
        half = side // 2
        return sum(
            bool(one[:, :half, :half].any()) and bool(one[:, half:, half:].any())
            for one in found
        )

    assert corners(3 * CROP_PX) > corners(CROP_PX - 8)


def test_the_share_of_marked_samples_is_the_stated_one():
    flat = image((120, 120))
    never, sometimes = (
        Crops([flat], Sampling(96, altered_share=0.0, marked_share=share), 0)
        for share in (0.0, 0.5)
    )
    changed = [len(np.unique(sometimes.sample(n, 96)[0])) > 256 for n in range(60)]
    assert not any(len(np.unique(never.sample(n, 96)[0])) > 256 for n in range(60))
    assert 15 < sum(changed) < 45
