"""A wanted target becomes a scale and a size, or a message that helps."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_sr.errors import SettingsError
from cxr_sr.radiograph import Geometry
from cxr_sr.superres.models.spec import ModelSpec
from cxr_sr.superres.models.zoo import MODELS
from cxr_sr.superres.target import LongSide, Scale, Size, Spacing, plan_size
from tests.builders import radiograph

LEARNED = ModelSpec("ours", "", network="trunk", scales=(2, 3, 4, 8))


def image(shape=(100, 80), spacing_mm: tuple[float, float] | None = (0.2, 0.2)):
    pixels = np.broadcast_to(np.uint16(0), shape)
    return radiograph(pixels, geometry=Geometry(spacing_mm))


class TestScale:
    @pytest.mark.parametrize("factor", LEARNED.scales)
    def test_a_scale_of_the_model_needs_no_resampling(self, factor):
        size = plan_size(image(), Scale(factor), LEARNED)
        assert size == Size(factor, (100 * factor, 80 * factor))

    @pytest.mark.parametrize("factor", [-1, 0, 1, 5, 16])
    def test_any_other_names_those_it_has(self, factor):
        message = f"not made for x{factor}; expected one of x2, x3, x4, x8"
        with pytest.raises(SettingsError, match=message):
            plan_size(image(), Scale(factor), LEARNED)

    def test_interpolators_do_also_one_and_five(self):
        for factor in (1, 5):
            size = plan_size(image(), Scale(factor), MODELS["bicubic"])
            assert size.scale == factor


SPACINGS = [
    pytest.param(0.1, 2, (200, 160), id="exactly x2"),
    pytest.param(0.2, 2, (100, 80), id="the same: super-resolved, then reduced"),
    pytest.param(0.15, 2, (133, 107), id="between x1 and x2"),
    pytest.param(0.06667, 3, (300, 240), id="x3 in few digits"),
    pytest.param(0.066666, 3, (300, 240), id="a trifle more than x3"),
    pytest.param(0.08, 3, (250, 200), id="between x2 and x3"),
    pytest.param(0.03, 8, (667, 533), id="between x4 and x8"),
    pytest.param(0.025, 8, (800, 640), id="exactly x8"),
    pytest.param(0.024999, 8, (800, 640), id="a trifle more than x8"),
]


class TestSpacing:
    @pytest.mark.parametrize(("mm", "scale", "shape"), SPACINGS)
    def test_the_smallest_scale_that_suffices_is_taken(self, mm, scale, shape):
        assert plan_size(image(), Spacing(mm), LEARNED) == Size(scale, shape)

    def test_a_spacing_is_the_very_number_that_was_asked_for(self):
        """Division would make 0.06999999999999999 of it."""
        size = plan_size(image(spacing_mm=(0.143, 0.143)), Spacing(0.07), LEARNED)
        assert size.spacing_mm == (0.07, 0.07)
        assert size.factors == (0.143 / 0.07, 0.143 / 0.07)
        assert size.overhang_px == pytest.approx((-2 / 7, -3 / 7))
        assert plan_size(image(), Scale(2), LEARNED).spacing_mm is None

    def test_oblong_pixels_become_square(self):
        size = plan_size(image(spacing_mm=(0.4, 0.2)), Spacing(0.1), LEARNED)
        assert size == Size(4, (400, 160))

    @given(st.floats(0.05, 0.5), st.floats(0.05, 0.5), st.floats(1, 8))
    @settings(max_examples=50, deadline=None)
    def test_what_is_reached_is_what_was_asked_to_half_a_pixel(self, down, across, by):
        mm = min(down, across) / by
        if max(down, across) / mm > 8:
            return
        size = plan_size(image(spacing_mm=(down, across)), Spacing(mm), LEARNED)
        extent = np.multiply((100, 80), (down, across))
        assert np.abs(extent / mm - size.shape).max() <= 0.5 + 1e-6
        assert size.scale * 100 >= size.shape[0]
        assert size.scale * 80 >= size.shape[1]

    @pytest.mark.parametrize("spacing", [None, (0.0, 0.0), (0.2, 0.0), (-0.1, 0.1)])
    def test_without_a_spacing_in_the_file_a_scale_is_proposed(self, spacing):
        with pytest.raises(SettingsError, match="states no usable pixel spacing"):
            plan_size(image(spacing_mm=spacing), Spacing(0.1), LEARNED)

    @pytest.mark.parametrize("mm", [0.0, -0.1, math.nan, math.inf])
    def test_no_spacing_at_all_is_asked_for(self, mm):
        with pytest.raises(SettingsError, match=f"{mm} mm"):
            plan_size(image(), Spacing(mm), LEARNED)

    def test_a_coarser_one_is_the_business_of_export(self):
        message = r"2\.5 times coarser than the input.*cxr-sr export"
        with pytest.raises(SettingsError, match=message):
            plan_size(image(), Spacing(0.5), LEARNED)

    def test_coarser_along_one_axis_is_too_coarse(self):
        with pytest.raises(SettingsError, match="2 times coarser"):
            plan_size(image(spacing_mm=(0.4, 0.1)), Spacing(0.2), LEARNED)

    def test_finer_than_the_largest_scale_is_refused(self):
        with pytest.raises(SettingsError, match="cannot enlarge by 20"):
            plan_size(image(), Spacing(0.01), LEARNED)


class TestLongSide:
    @pytest.mark.parametrize("shape", [(100, 80), (80, 100)])
    @given(st.integers(100, 800))
    def test_the_longer_side_gets_exactly_that_long(self, shape, px):
        size = plan_size(image(shape), LongSide(px), LEARNED)
        assert max(size.shape) == px
        assert abs(min(size.shape) - 0.8 * px) <= 0.5

    def test_it_needs_no_spacing(self):
        size = plan_size(image(spacing_mm=None), LongSide(300), LEARNED)
        assert size == Size(3, (300, 240))

    def test_a_shorter_one_is_the_business_of_export(self):
        with pytest.raises(SettingsError, match="2 times coarser"):
            plan_size(image(), LongSide(50), LEARNED)

    @pytest.mark.parametrize("px", [0, -7])
    def test_no_pixels_at_all_are_asked_for(self, px):
        with pytest.raises(SettingsError, match=f"a long side of {px} px"):
            plan_size(image(), LongSide(px), LEARNED)
