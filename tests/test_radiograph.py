"""The domain object: its stored values, and the places of its pixels."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_sr.radiograph import Derivation, Geometry
from tests.builders import FORMATS, noise, pixel_format, radiograph

FACTORS = st.floats(0.5, 8)
MILLIMETRES = st.floats(0.01, 5)

RANGES = [
    pytest.param(pixel_format(1), 0, 1, "u1", id="1 bit"),
    pytest.param(pixel_format(8), 0, 255, "u1", id="8 bits"),
    pytest.param(pixel_format(12), 0, 4095, "u2", id="12 bits"),
    pytest.param(pixel_format(16), 0, 65535, "u2", id="16 bits"),
    pytest.param(pixel_format(1, signed=True), -1, 0, "i1", id="1 bit, signed"),
    pytest.param(pixel_format(8, signed=True), -128, 127, "i1", id="8 bits, signed"),
    pytest.param(pixel_format(15, signed=True), -16384, 16383, "i2", id="15, signed"),
    pytest.param(pixel_format(16, signed=True), -32768, 32767, "i2", id="16, signed"),
    pytest.param(pixel_format(8, bits_allocated=16), 0, 255, "u2", id="8 bits in 16"),
]


@pytest.mark.parametrize(("fmt", "minimum", "maximum", "dtype"), RANGES)
def test_a_format_knows_its_range_and_type(fmt, minimum, maximum, dtype):
    assert (fmt.minimum, fmt.maximum, fmt.dtype) == (minimum, maximum, np.dtype(dtype))


@given(FORMATS)
def test_every_format_has_as_many_values_as_its_bits_and_a_type_for_them(fmt):
    assert fmt.maximum - fmt.minimum + 1 == 2**fmt.bits_stored
    limits = np.iinfo(fmt.dtype)
    assert limits.min <= fmt.minimum
    assert fmt.maximum <= limits.max


def edges_mm(geometry, shape):
    """(first, last) outer edge of the image along each axis."""
    axes = zip(geometry.spacing_mm, geometry.origin_mm, shape, strict=True)
    return [(o - mm / 2, o + mm * (n - 0.5)) for mm, o, n in axes]


class TestGeometry:
    @given(
        st.tuples(MILLIMETRES, MILLIMETRES),
        st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
        st.tuples(st.integers(1, 8), st.integers(1, 8)),
        st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    )
    @settings(max_examples=50, deadline=None)
    def test_the_outer_edges_stay_where_they_are(self, spacing, shape, factors, origin):
        geometry = Geometry(spacing, origin)
        fine = [n * f for n, f in zip(shape, factors, strict=True)]
        before = edges_mm(geometry, shape)
        after = edges_mm(geometry.upscaled(factors), fine)
        np.testing.assert_allclose(after, before, rtol=1e-12, atol=1e-9)

    @given(st.tuples(MILLIMETRES, MILLIMETRES), FACTORS, FACTORS)
    def test_rows_and_columns_are_divided_independently(self, spacing, down, across):
        finer = Geometry(spacing).upscaled((down, across))
        assert finer.spacing_mm == (spacing[0] / down, spacing[1] / across)

    def test_a_known_case(self):
        finer = Geometry((0.2, 0.4), (10.0, 20.0)).upscaled((2, 4))
        assert finer.spacing_mm == pytest.approx((0.1, 0.1))
        assert finer.origin_mm == pytest.approx((9.95, 19.85))

    def test_an_unknown_spacing_stays_unknown(self):
        assert Geometry().upscaled((2, 2)) == Geometry()

    def test_a_factor_of_one_changes_nothing(self):
        geometry = Geometry((0.143, 0.139), (1.0, -2.0))
        assert geometry.upscaled((1, 1)) == geometry


class TestRadiograph:
    def test_its_pixels_cannot_be_written(self):
        with pytest.raises(ValueError, match="read-only"):
            radiograph().pixels[0, 0] = 1

    def test_the_callers_array_stays_the_callers(self):
        pixels = noise()
        radiograph(pixels)
        pixels[0, 0] = 7
        assert pixels.flags.writeable

    def test_its_fields_cannot_be_set(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            radiograph().window = (0.0, 1.0)  # type: ignore[misc]

    def test_it_is_compared_by_identity_so_that_arrays_never_are(self):
        one = radiograph()
        assert one == one  # noqa: PLR0124 - that is the point
        assert one != radiograph()
        assert len({one, one}) == 1

    def test_replace_changes_a_copy(self):
        one = radiograph()
        other = one.replace(window=(10.0, 20.0))
        assert (one.window, other.window) == (None, (10.0, 20.0))
        assert np.shares_memory(one.pixels, other.pixels)

    @pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)], ids=["gray", "RGB"])
    def test_its_shape_is_rows_and_columns(self, shape):
        photometric = "RGB" if len(shape) == 3 else "MONOCHROME2"
        fmt = pixel_format(8, photometric=photometric)
        assert radiograph(noise(shape, fmt), fmt).shape == (5, 7)


@pytest.mark.parametrize(("sha256", "learned"), [("", False), ("ab" * 32, True)])
def test_a_derivation_is_learned_where_there_are_weights(sha256, learned):
    derivation = Derivation(
        factors=(2.0, 2.0),
        model="any",
        weights_sha256=sha256,
        engine="numpy",
        precision="fp32",
        consistency="box",
        consistency_max=0.5,
        consistency_rms=0.2,
        minimum=0,
        maximum=4095,
    )
    assert derivation.learned is learned


def test_the_hash_of_the_pixels_tells_values_and_shape_apart():
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    same = radiograph(pixels.astype(">u2").astype(np.uint16))
    assert radiograph(pixels).pixels_sha256 == same.pixels_sha256
    for other in (pixels.T.copy(), pixels + np.uint16(1), pixels.reshape(4, 3)):
        assert radiograph(other).pixels_sha256 != same.pixels_sha256
    strided = np.zeros((6, 8), np.uint16)[::2, ::2]
    strided[...] = pixels
    assert radiograph(strided).pixels_sha256 == same.pixels_sha256
