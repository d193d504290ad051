"""Stored values to units and back, for every format there is."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_sr.superres.intensity import MINIMUM_WINDOW_SHARE, Scaling
from tests.builders import FORMATS, pixel_format, radiograph

PHOTOMETRIC = ["MONOCHROME1", "MONOCHROME2"]


def every_value(fmt):
    values = np.arange(fmt.minimum, fmt.maximum + 1).astype(fmt.dtype)
    return values.reshape(1, -1)


@st.composite
def windows(draw, fmt):
    """None, or any window: inside, beyond, wider, narrower, the wrong way round."""
    span = fmt.maximum - fmt.minimum
    bound = st.floats(fmt.minimum - 2 * span, fmt.maximum + 2 * span)
    return draw(st.none() | st.tuples(bound, bound))


@st.composite
def images(draw):
    """Every stored value of some format, with some window."""
    fmt = draw(FORMATS)
    return radiograph(every_value(fmt), fmt, window=draw(windows(fmt)))


def scaling_of(fmt, window=None):
    return Scaling.of(radiograph(every_value(fmt), fmt, window=window))


class TestInverse:
    @given(images())
    @settings(max_examples=60, deadline=None)
    def test_every_stored_value_survives_float32(self, image):
        scaling = Scaling.of(image)
        unit = scaling.normalise(image.pixels)
        assert unit.dtype == np.float32
        back = scaling.denormalise(unit)
        assert np.array_equal(np.rint(back), image.pixels)
        assert np.abs(back - image.pixels).max() < 0.05

    @given(images())
    @settings(max_examples=30, deadline=None)
    def test_float64_is_exact_to_rounding(self, image):
        scaling = Scaling.of(image)
        back = scaling.denormalise(scaling.normalise(image.pixels, np.float64))
        np.testing.assert_allclose(back, image.pixels.astype(float), atol=1e-9)

    @pytest.mark.parametrize("bits", range(1, 17))
    @pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
    @pytest.mark.parametrize("photometric", PHOTOMETRIC)
    def test_no_format_is_left_out(self, bits, signed, photometric):
        fmt = pixel_format(bits, signed=signed, photometric=photometric)
        scaling = scaling_of(fmt)
        back = scaling.denormalise(scaling.normalise(every_value(fmt)))
        assert np.array_equal(np.rint(back), every_value(fmt))

    def test_neither_direction_changes_its_argument(self):
        image = radiograph()
        scaling, before = Scaling.of(image), image.pixels.copy()
        unit = scaling.normalise(image.pixels)
        kept = unit.copy()
        scaling.denormalise(unit)
        assert np.array_equal(image.pixels, before)
        assert np.array_equal(unit, kept)


class TestView:
    @given(images())
    @settings(max_examples=30, deadline=None)
    def test_it_is_affine_so_nothing_is_clipped(self, image):
        """Also far outside the window each code is one step from its neighbour."""
        scaling = Scaling.of(image)
        unit = scaling.normalise(image.pixels, np.float64)
        np.testing.assert_allclose(np.diff(unit), 1 / scaling.slope, rtol=1e-6)

    @given(images())
    @settings(max_examples=30, deadline=None)
    def test_bone_is_bright_whatever_the_polarity(self, image):
        slope = Scaling.of(image).slope
        assert (slope < 0) == (image.format.photometric == "MONOCHROME1")

    def test_the_window_becomes_zero_to_one(self):
        scaling = scaling_of(pixel_format(12), (1000.0, 3000.0))
        unit = scaling.normalise(np.array([0, 1000, 2000, 3000, 4095]))
        assert unit.tolist() == pytest.approx([-0.5, 0, 0.5, 1, 1.5475])

    def test_in_monochrome1_the_windows_upper_end_becomes_zero(self):
        fmt = pixel_format(12, photometric="MONOCHROME1")
        unit = scaling_of(fmt, (1000.0, 3000.0)).normalise(np.array([1000, 3000, 3500]))
        assert unit.tolist() == pytest.approx([1, 0, -0.25])

    @pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
    def test_without_a_window_the_stored_range_becomes_zero_to_one(self, signed):
        fmt = pixel_format(10, signed=signed)
        unit = scaling_of(fmt).normalise(every_value(fmt))
        assert (unit.min(), unit.max()) == (0, 1)

    def test_color_is_bright_as_it_is(self):
        fmt = pixel_format(8, photometric="RGB")
        assert Scaling.of(radiograph(every_value(fmt), fmt)) == Scaling(0, 255)


FITTING = [
    pytest.param((0.0, 4095.0), id="the whole range"),
    pytest.param((1000.0, 1064.0), id="as narrow as may be"),
    pytest.param((-2000.0, 2000.0), id="half outside below"),
    pytest.param((3000.0, 7000.0), id="mostly outside above"),
    pytest.param((-0.5, 4094.5), id="between codes"),
]

USELESS = [
    pytest.param((5000.0, 6000.0), id="above all pixels"),
    pytest.param((-9000.0, -8000.0), id="below all pixels"),
    pytest.param((1000.0, 1063.0), id="too narrow"),
    pytest.param((-100.0, 4200.0), id="wider than the range"),
    pytest.param((2000.0, 2000.0), id="empty"),
    pytest.param((3000.0, 1000.0), id="the wrong way round"),
    pytest.param((-2000.0, 20.0), id="hardly overlapping"),
    pytest.param((-math.inf, math.inf), id="endless"),
    pytest.param((math.nan, math.nan), id="not a number"),
    pytest.param((math.nan, 3000.0), id="no lower end"),
    pytest.param((1000.0, math.nan), id="no upper end"),
]


class TestWindow:
    @pytest.mark.parametrize("window", FITTING)
    def test_one_that_fits_is_used(self, window):
        scaling = scaling_of(pixel_format(12), window)
        assert (scaling.zero, scaling.zero + scaling.slope) == window

    @pytest.mark.parametrize("window", FITTING)
    def test_one_of_signed_values_is_used_as_well(self, window):
        low, high = (end - 2048 for end in window)
        scaling = scaling_of(pixel_format(12, signed=True), (low, high))
        assert (scaling.zero, scaling.zero + scaling.slope) == (low, high)

    @pytest.mark.parametrize("window", USELESS)
    @pytest.mark.parametrize("photometric", PHOTOMETRIC)
    def test_one_that_does_not_is_ignored(self, window, photometric):
        fmt = pixel_format(12, photometric=photometric)
        assert scaling_of(fmt, window) == scaling_of(fmt)

    @given(images())
    @settings(max_examples=50, deadline=None)
    def test_whatever_it_is_the_view_stays_within_reason(self, image):
        """No window magnifies more than its least share allows."""
        unit = Scaling.of(image).normalise(image.pixels)
        assert np.abs(unit).max() <= 2 / MINIMUM_WINDOW_SHARE
