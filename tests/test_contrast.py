"""The gain of an image that int8 computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_sr.superres.canvas import STRIP_ROWS
from cxr_sr.superres.contrast import (
    LARGEST_STEP,
    USUAL_CONTRAST,
    YIELDING,
    contrast_of,
    gain_of,
    steps_of,
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


def test_the_largest_step_is_the_strongest_edges():
    image = np.zeros((1, 4, 2 * STRIP_ROWS, 3), np.uint8)[0]
    image[2, STRIP_ROWS:] = 200
    assert steps_of(image)[1] == 200
    assert steps_of(image.swapaxes(1, 2))[1] == 200


@given(st.floats(1e-4, 1), st.floats(1, 1e3), st.sampled_from(sorted(LARGEST_STEP)))
def test_a_gain_gives_way_to_strong_edges_but_not_to_any(
    contrast: float, ratio: float, scale: int
):
    largest, most = contrast * ratio, LARGEST_STEP[scale]
    plain, found = gain_of(contrast), gain_of(contrast, largest, scale)
    assert plain / 2**YIELDING <= found <= plain
    assert found == plain or found * largest <= most or found == plain / 4
    if plain * largest <= most:
        assert found == plain


def test_a_scale_of_its_own_has_the_least_room():
    assert gain_of(2.0**-6, 1.2, 5) == gain_of(2.0**-6, 1.2, 8) == 0.5
