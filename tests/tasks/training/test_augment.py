"""Augmentation moves the mask with the image, and depends on the seed alone."""

from __future__ import annotations

import numpy as np
import torch

from cxr_sr.tasks.training.augment import augmented
from tests.tasks.builders import lungs


def sample(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    mask = torch.from_numpy(lungs(0, (96, 96)).astype(np.float32))[None]
    random = torch.Generator().manual_seed(seed)
    return augmented(1 - mask, mask, 64, random)


def test_the_same_seed_gives_the_same_sample():
    (one, mask), (again, mask_again) = sample(5), sample(5)
    assert torch.equal(one, again)
    assert torch.equal(mask, mask_again)
    assert not torch.equal(one, sample(6)[0])


def test_the_organ_stays_under_its_mask():
    """The organ is darker than its surroundings in most samples, as under the mask."""
    darker = 0
    for seed in range(40):
        image, mask = sample(seed)
        assert image.shape == mask.shape == (1, 64, 64)
        assert image.isfinite().all()
        assert 0 <= mask.min() <= mask.max() <= 1.001
        darker += bool(image[mask > 0.5].mean() < image[mask < 0.5].mean())
    assert darker >= 36
