"""JPEG in training is the JPEG that writes files."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from cxr_sr.training.data.grain import Grain
from cxr_sr.training.data.jpeg import SIDE, through_jpeg
from tests.builders import structure

SHAPE = 50, 61


def by_pillow(codes: np.ndarray, quality: int, corner: tuple[int, int]) -> np.ndarray:
    """Return codes through a file; the first block begins before them by `corner`."""
    stream = io.BytesIO()
    padded = np.pad(codes, [(first, 0) for first in corner], mode="edge")
    Image.fromarray(padded).save(stream, "JPEG", quality=quality)
    with Image.open(stream) as image:
        return np.array(image, np.float32)[corner[0] :, corner[1] :]


@pytest.mark.parametrize("quality", [60, 80, 98])
def test_its_results_are_pillows(quality: int):
    """But for a coefficient halfway between two steps, here and there."""
    settings = Grain(jpeg_share=1.0, jpeg_quality=(quality, quality))
    codes = (structure(SHAPE) * 255).round().astype(np.uint8)
    codes.flat[:2] = 0, 255  # its range, so that a crop has the codes of the file
    coarse = torch.from_numpy(codes / np.float32(255))[None, None]
    found, _ = through_jpeg(coarse, settings, torch.Generator().manual_seed(1))
    decoded = found[0, 0].numpy() * 255
    corners = [(row, column) for row in range(SIDE) for column in range(SIDE)]
    apart = [np.abs(decoded - by_pillow(codes, quality, at)) for at in corners]
    nearest = min(apart, key=np.mean)
    assert nearest.mean() < 0.5
    assert (nearest > 1).mean() < 0.1
    if quality < 98:  # else a block's place hardly shows
        others = sorted(float(each.mean()) for each in apart)[1:]
        assert nearest.mean() < 0.5 * others[0]


def test_the_share_is_that_of_the_settings():
    coarse = torch.rand(400, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    settings = Grain(jpeg_share=0.3)
    found, error = through_jpeg(coarse, settings, torch.Generator().manual_seed(1))
    changed = (found != coarse).flatten(1).any(1)
    assert 0.2 < float(changed.float().mean()) < 0.4
    assert bool((error.flatten()[~changed] == 0).all())
    assert float((error.flatten()[changed] > 0).float().mean()) > 0.8
