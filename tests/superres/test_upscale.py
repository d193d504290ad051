"""A radiograph gives a finer one; some attributes change and others must not."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_sr.errors import SettingsError
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.models.shipped import INTERPOLATORS
from cxr_sr.superres.models.zoo import load_model
from cxr_sr.superres.upscale import upscale
from tests.builders import (
    FORMATS,
    noise,
    pixel_format,
    radiograph,
    structure,
    tiny_model,
)
from tests.superres.builders import (
    KINDS,
    ONE_THREAD,
    QUICK,
    SCALES,
    calm,
    derivation_of,
    errors,
    super_resolve,
    upscaled,
)


@st.composite
def images(draw):
    """Stored values all over a format, with or without a window."""
    fmt = draw(FORMATS)
    shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    pixels = noise(shape, fmt, seed=draw(st.integers(0, 1000)))
    ends = st.floats(fmt.minimum - 100, fmt.maximum + 100)
    window = draw(st.none() | st.tuples(ends, ends).map(sorted).map(tuple))
    return radiograph(pixels, fmt, window=window)


class TestIdentity:
    @given(images(), st.sampled_from([*INTERPOLATORS]))
    @QUICK
    def test_at_x1_the_output_is_the_input_bit_for_bit(self, image, model):
        result = upscaled(image, model, 1)
        assert np.array_equal(result.pixels, image.pixels)
        assert result.pixels.dtype == image.pixels.dtype
        assert derivation_of(result).consistency_max == 0

    @given(images(), st.data())
    @QUICK
    def test_also_around_padding(self, image, data):
        value = data.draw(st.integers(image.format.minimum, image.format.maximum))
        image = image.replace(padding=(value, min(value + 3, image.format.maximum)))
        assert np.array_equal(upscaled(image, "nearest", 1).pixels, image.pixels)

    def test_also_in_color(self):
        fmt = pixel_format(8, photometric="RGB")
        image = radiograph(noise((9, 7, 3), fmt), fmt)
        assert np.array_equal(upscaled(image, "nearest", 1).pixels, image.pixels)

    def test_repetition_repeats_bit_for_bit(self):
        image = radiograph(noise())
        expected = image.pixels.repeat(3, axis=0).repeat(3, axis=1)
        assert np.array_equal(upscaled(image, "nearest", 3).pixels, expected)


class TestAgreement:
    @given(images(), KINDS, SCALES)
    @settings(max_examples=60, deadline=None)
    def test_box_means_are_the_input_to_one_code(self, image, model, scale):
        result = upscaled(image, model, scale)
        error = np.abs(errors(result, image, scale))
        assert error.max(initial=0) < 1
        assert error.max(initial=0) - 0.01 <= derivation_of(result).consistency_max < 1

    @pytest.mark.parametrize("bits", range(1, 17))
    @pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
    @pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
    def test_no_format_is_left_out(self, bits, signed, photometric):
        fmt = pixel_format(bits, signed=signed, photometric=photometric)
        image = radiograph(fmt=fmt)
        assert np.abs(errors(upscaled(image), image, 2)).max(initial=0) < 1

    @pytest.mark.parametrize("scale", [2, 3, 4, 8])
    def test_a_network_is_held_to_it_too(self, tmp_path, scale):
        pytest.importorskip("torch")
        image = calm()
        result = upscaled(image, tiny_model(tmp_path), scale)
        error = np.abs(errors(result, image, scale))
        assert error.size == image.pixels.size
        assert error.max() < 1

    @pytest.mark.parametrize("consistency", ["box", "bicubic", "off"])
    def test_the_report_says_what_was_reached(self, consistency):
        image = radiograph()
        result = upscaled(image, consistency=consistency)
        derivation, error = derivation_of(result), errors(result, image, 2, consistency)
        assert error.size == image.pixels.size
        assert derivation.consistency == consistency
        assert derivation.consistency_max == pytest.approx(
            np.abs(error).max(), abs=1e-3
        )
        rms = np.sqrt(np.square(error).mean())
        assert derivation.consistency_rms == pytest.approx(rms, abs=1e-3)

    def test_the_projections_differ_as_they_promise(self):
        kinds = ("box", "bicubic", "off")
        results = [
            upscaled(radiograph(), consistency=kind, value_range="stored")
            for kind in kinds
        ]
        box, bicubic, off = (derivation_of(r).consistency_max for r in results)
        assert box <= 0.5
        assert bicubic < 2
        assert off > 10

    def test_values_moved_off_the_padding_count_as_clipped(self):
        """If they did not count, the report would promise a wrong agreement."""
        image = radiograph(padding=(1900, 2100))
        image = image.replace(pixels=np.where(image.pixels > 2000, 2200, 1800))
        result = upscaled(image.replace(pixels=image.pixels.astype(np.uint16)))
        assert derivation_of(result).consistency_max < 1


class TestStoredValues:
    @given(images(), KINDS, SCALES)
    @QUICK
    def test_format_window_and_type_are_the_inputs(self, image, model, scale):
        result = upscaled(image, model, scale)
        assert result.format == image.format
        assert result.window == image.window
        assert result.pixels.dtype == image.pixels.dtype
        assert result.pixels.min() >= image.format.minimum
        assert result.pixels.max() <= image.format.maximum

    @given(images(), KINDS, SCALES)
    @QUICK
    def test_polarity_is_a_mirror(self, image, model, scale):
        """A network's input does not depend on polarity; stored values are mirrored."""
        fmt = dataclasses.replace(image.format, photometric="MONOCHROME2")
        other = dataclasses.replace(fmt, photometric="MONOCHROME1")
        mirrored = fmt.minimum + fmt.maximum - image.pixels.astype(int)
        plain = radiograph(image.pixels, fmt)
        inverse = radiograph(mirrored.astype(fmt.dtype), other)
        results = [upscaled(image, model, scale) for image in (plain, inverse)]
        total = sum(result.pixels.astype(int) for result in results)
        assert np.abs(total - (fmt.minimum + fmt.maximum)).max() <= 1

    def test_nothing_is_clipped_at_the_window(self):
        image = radiograph(window=(1500.0, 2500.0))
        result = upscaled(image)
        assert result.pixels.min() < 1000
        assert result.pixels.max() > 3000
        difference = result.pixels.astype(int) - upscaled(radiograph()).pixels
        assert np.abs(difference).max() <= 1

    @pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
    def test_overshoot_is_clipped_at_the_stored_range(self, signed):
        fmt = pixel_format(10, signed=signed)
        pixels = np.full((16, 16), fmt.minimum, fmt.dtype)
        pixels[:, 8:] = fmt.maximum
        result = upscaled(radiograph(pixels, fmt), "lanczos", 4).pixels
        assert (result.min(), result.max()) == (fmt.minimum, fmt.maximum)
        assert (np.diff(result.astype(int)) >= 0)[:, 30:34].all()

    def test_the_input_is_left_alone(self):
        image = radiograph(padding=(0, 0))
        before = image.pixels.copy()
        upscaled(image)
        assert np.array_equal(image.pixels, before)

    def test_color_goes_plane_by_plane(self):
        fmt = pixel_format(8, photometric="RGB")
        pixels = noise((9, 7, 3), fmt)
        result = upscaled(radiograph(pixels, fmt), value_range="stored").pixels
        gray = pixel_format(8)
        planes = [
            upscaled(radiograph(pixels[..., k], gray), value_range="stored").pixels
            for k in range(3)
        ]
        assert np.array_equal(result, np.stack(planes, axis=-1))


class TestSuperResolve:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("model", INTERPOLATORS)
    def test_type_and_size(self, model, dtype):
        unit = structure((9, 8)).astype(dtype)
        result = super_resolve(unit, load_model(model), 3, ONE_THREAD)
        assert (result.dtype, result.shape) == (dtype, (27, 24))

    def test_rounded_to_codes_it_is_what_upscale_stores(self, tmp_path):
        pytest.importorskip("torch")
        image, model = calm(), tiny_model(tmp_path)
        scaling = Scaling.of(image)
        unit = scaling.normalise(image.pixels)
        fine = scaling.denormalise(super_resolve(unit, model, 2, ONE_THREAD))
        stored = upscaled(image, model, value_range="stored").pixels
        assert np.array_equal(np.rint(fine).clip(0, 4095), stored)


class TestRefusals:
    def test_int8_is_refused_where_there_are_no_such_weights(self):
        with pytest.raises(SettingsError, match="no int8 weights"):
            upscaled(radiograph(noise()), precision="int8")

    def test_a_color_network_is_refused_for_a_gray_image(self, tmp_path):
        model = tiny_model(tmp_path, "trunk", channels=3)
        with pytest.raises(SettingsError, match=r"3 planes together.*has 1"):
            upscale(radiograph(noise()), model, 2)
