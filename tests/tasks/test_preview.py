"""The preview of a radiograph for a head, and the way back to its pixels."""

from __future__ import annotations

import numpy as np
import pytest

from cxr_sr import from_array
from cxr_sr.errors import NotARadiographError
from cxr_sr.tasks.preview import preview_of
from tests.tasks.builders import chest, lungs


@pytest.mark.parametrize("shape", [(80, 96), (300, 200), (700, 701), (33, 500)])
def test_a_mask_comes_back_where_it_was(shape: tuple[int, int]):
    truth = lungs(1, (shape[0], shape[1]))
    pixels = np.where(truth, 30, 200).astype(np.uint8)
    preview = preview_of(from_array(pixels), 192)
    assert preview.image.shape == (192, 192)
    back = preview.enlarged(preview.image[None])[0]
    assert back.shape == shape
    wrong = (back < 0.5) != truth
    assert wrong.mean() < 0.04


def test_gain_offset_polarity_and_depth_do_not_matter():
    """16 bits, another window and MONOCHROME1 show a head the same chest."""
    gray = chest(2).astype(np.uint16)
    plain = preview_of(from_array(gray, bits_stored=16), 64).image
    stronger = preview_of(from_array(gray * 100 + 3000, bits_stored=16), 64).image
    inverted = preview_of(
        from_array(65535 - gray * 100, bits_stored=16, photometric="MONOCHROME1"), 64
    ).image
    assert np.abs(stronger - plain).max() < 0.02
    assert np.abs(inverted - stronger).max() < 0.02


def test_an_image_of_a_few_pixels_is_refused():
    with pytest.raises(NotARadiographError, match="40 x 8 px; expected at least 16"):
        preview_of(from_array(np.zeros((8, 40), np.uint8)), 64)


def test_an_image_of_one_value_has_no_contrast_to_stretch():
    assert np.isfinite(
        preview_of(from_array(np.full((40, 40), 9, np.uint8)), 32).image
    ).all()
