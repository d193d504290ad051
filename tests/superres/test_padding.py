"""Padding stays padding, and nothing else becomes it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_sr.superres.padding import avoid, fill, padding_mask, restore
from tests.builders import FORMATS, noise, pixel_format

QUICK = settings(max_examples=50, deadline=None)


@st.composite
def masks(draw):
    """Any mask that leaves at least one pixel of the image."""
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    mask = random.random(shape) < draw(st.floats(0, 1))
    mask[random.integers(shape[0]), random.integers(shape[1])] = False
    return mask


@st.composite
def padded_formats(draw):
    """A format and a padding range that begins and ends within it."""
    fmt = draw(FORMATS)
    value = st.integers(fmt.minimum, fmt.maximum)
    low, high = sorted((draw(value), draw(value)))
    return fmt, (low, high)


class TestMask:
    def test_a_range_is_inclusive(self):
        stored = np.array([[9, 10, 11, 12, 13]], np.uint16)
        mask = padding_mask(stored, (10, 12))
        assert mask is not None
        assert mask.tolist() == [[False, True, True, True, False]]

    @pytest.mark.parametrize("padding", [None, (0, 0), (4000, 4095)])
    def test_an_image_without_padding_has_no_mask(self, padding):
        assert padding_mask(np.full((3, 4), 100, np.uint16), padding) is None

    @pytest.mark.parametrize("padding", [(-2000, 20), (90, 70000), (-5, 99999)])
    def test_a_range_may_exceed_the_pixels_type(self, padding):
        stored = np.array([[10, 100]], np.uint8)
        expected = (stored >= padding[0]) & (stored <= padding[1])
        mask = padding_mask(stored, padding)
        assert mask is not None
        assert np.array_equal(mask, expected)


class TestFill:
    @given(masks())
    @QUICK
    def test_only_padding_is_replaced_and_only_by_image(self, mask):
        stored = np.where(mask, 0, 1 + np.arange(mask.size).reshape(mask.shape))
        filled = fill(stored, mask)
        assert np.array_equal(filled[~mask], stored[~mask])
        assert set(filled[mask]) <= set(stored[~mask])

    @given(masks())
    @QUICK
    def test_rows_with_image_take_the_nearest_of_their_own(self, mask):
        columns = np.broadcast_to(np.arange(mask.shape[1]), mask.shape)
        filled = fill(columns.copy(), mask)
        for row, valid in zip(filled, ~mask, strict=True):
            known = np.flatnonzero(valid)
            if known.size:
                distance = np.abs(known[:, None] - columns[0]).min(axis=0)
                assert np.array_equal(np.abs(row - columns[0]), distance)

    def test_rows_without_any_take_the_nearest_row(self):
        stored = np.array([[0, 0], [0, 5], [0, 0], [0, 0], [0, 0], [7, 8]])
        filled = fill(stored, stored == 0)
        assert filled.tolist() == [[5, 5], [5, 5], [5, 5], [7, 8], [7, 8], [7, 8]]

    def test_nothing_but_padding_is_returned_as_it_is(self):
        stored = np.zeros((3, 3), np.uint16)
        assert np.array_equal(fill(stored, stored == 0), stored)

    def test_the_argument_is_left_alone(self):
        stored = noise()
        before = stored.copy()
        fill(stored, stored < 2000)
        assert np.array_equal(stored, before)


class TestRestore:
    @given(masks(), st.integers(1, 4))
    @QUICK
    def test_each_padding_pixel_becomes_a_block_of_its_own_value(self, mask, scale):
        source = noise(mask.shape)
        result = np.full([n * scale for n in mask.shape], 4095, np.uint16)
        restore(result, source, mask, scale)
        expected = np.where(mask, source, 4095).repeat(scale, 0).repeat(scale, 1)
        assert np.array_equal(result, expected)


KNOWN = [
    pytest.param((0, 0), [1, 1, 2], id="zero, unsigned"),
    pytest.param((4095, 4095), [0, 1, 2], id="the top"),
    pytest.param((1, 1), [0, 0, 2], id="one"),
    pytest.param((-5, 1), [2, 2, 2], id="beginning below the format"),
]


class TestAvoid:
    @given(padded_formats())
    @settings(max_examples=100, deadline=None)
    def test_no_value_is_left_in_the_range_and_none_leaves_the_format(self, case):
        fmt, (low, high) = case
        before = np.arange(fmt.minimum, fmt.maximum + 1).astype(fmt.dtype)
        result = before.copy()
        kept = avoid(result, (low, high), fmt)
        assert kept == (low > fmt.minimum or high < fmt.maximum)
        inside = (before >= low) & (before <= high)
        assert np.array_equal(result[~inside], before[~inside])
        if kept:
            assert not ((result >= low) & (result <= high)).any()
            assert fmt.minimum <= result.min() <= result.max() <= fmt.maximum

    @given(padded_formats())
    @settings(max_examples=100, deadline=None)
    def test_each_goes_to_the_nearest_value_that_can_be_stored(self, case):
        fmt, (low, high) = case
        values = np.arange(low, high + 1).astype(fmt.dtype)
        result = values.copy()
        if avoid(result, (low, high), fmt):
            free = [v for v in (low - 1, high + 1) if fmt.minimum <= v <= fmt.maximum]
            distance = np.abs(values.astype(int)[:, None] - free).min(axis=1)
            assert np.array_equal(np.abs(result.astype(int) - values), distance)

    @pytest.mark.parametrize(("padding", "expected"), KNOWN)
    def test_known_cases(self, padding, expected):
        result = np.array([0, 1, 2], np.uint16)
        assert avoid(result, padding, pixel_format(12))
        assert result.tolist() == expected

    @pytest.mark.parametrize("padding", [(0, 4095), (-1, 70000)])
    def test_a_range_that_leaves_no_value_changes_nothing(self, padding):
        result = np.array([0, 1, 2], np.uint16)
        assert not avoid(result, padding, pixel_format(12))
        assert result.tolist() == [0, 1, 2]
