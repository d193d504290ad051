"""The gain of an image that int8 computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_sr.superres.canvas import STRIP_ROWS
from cxr_sr.superres.int8.gain import (
    MORE_GAIN,
    USUAL_CONTRAST,
    contrast_of,
    contrast_of_noise,
    gain_of,
)


def test_contrast_is_the_mean_step_between_neighbours():
    ramp = np.arange(6.0).reshape(1, 2, 3)  # 1 across (4 times), 3 down (3 times)
    assert contrast_of(ramp) == pytest.approx((4 * 1 + 3 * 3) / 7)


def test_strips_do_not_matter():
    image = np.random.default_rng(0).integers(0, 65536, (2, 2 * STRIP_ROWS + 1, 5))
    steps = [np.abs(np.diff(image.astype(float), axis=axis)) for axis in (1, 2)]
    expected = sum(s.sum() for s in steps) / sum(s.size for s in steps)
    assert contrast_of(image.astype(np.uint16)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4, 4), (1, 1, 9)])
def test_nothing_to_see_has_no_contrast(shape: tuple[int, int, int]):
    image = np.full(shape, 7, np.uint16)
    assert contrast_of(image) == 0
    assert gain_of(contrast_of(image)) == 1


@given(st.floats(1e-12, 1e6))
def test_a_gain_is_a_power_of_two_that_brings_the_usual_contrast(contrast: float):
    gain = gain_of(contrast)
    assert np.frexp(gain)[0] == 0.5
    if 2.0**-16 < gain < 2.0**16:
        assert 0.7 < gain * contrast / USUAL_CONTRAST < 1.42


def test_no_contrast_is_beyond_a_float():
    assert gain_of(1e300) == 2.0**-16
    assert gain_of(5e-324) == 2.0**16
    assert gain_of(float("nan")) == 1


def test_the_contrast_of_noise_is_that_of_its_image():
    image = np.random.default_rng(0).normal(0, 0.02, (1, 300, 300)).astype(np.float32)
    assert contrast_of_noise(0.02, 0.0) == pytest.approx(contrast_of(image), rel=0.01)
    pairs = (image + np.roll(image, 1, 2) + np.roll(image, 1, 1)) / np.sqrt(3)
    assert contrast_of_noise(0.02, 1 / 3) == pytest.approx(contrast_of(pairs), rel=0.01)


@pytest.mark.parametrize(
    ("contrast", "share", "more"), [(2, 0.9, MORE_GAIN), (2, 0.7, 1), (1, 0.9, 1)]
)
def test_an_image_of_strong_noise_alone_gets_more_gain(contrast, share, more):
    contrast *= USUAL_CONTRAST
    assert gain_of(contrast, share * contrast) == more * gain_of(contrast)
