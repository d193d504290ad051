"""Padding on its way through: it stays, keeps apart, and does not ring."""

import numpy as np
import pytest

from cxr_sr.superres.target import LongSide
from tests.builders import noise, radiograph
from tests.superres.builders import calm, derivation_of, errors, upscaled

CASES = (
    pytest.param((0, 0), id="zero, unsigned"),
    pytest.param((4095, 4095), id="the top"),
    pytest.param((2000, 2000), id="amid the image"),
    pytest.param((0, 40), id="a range at the bottom"),
    pytest.param((4000, 4095), id="a range at the top"),
)


def framed(padding):
    """An image on a frame of padding, and where the padding is."""
    pixels = noise((24, 20))
    low, high = padding
    pixels[(pixels >= low) & (pixels <= high)] = 1234
    mask = np.ones(pixels.shape, bool)
    mask[4:-3, 5:-2] = False
    frame = np.random.default_rng(1).integers(low, high, mask.shape, endpoint=True)
    pixels = np.where(mask, frame, pixels).astype(np.uint16)
    return radiograph(pixels, padding=padding), mask


class TestPadding:
    @pytest.mark.parametrize("padding", CASES)
    @pytest.mark.parametrize("model", ["bicubic", "lanczos"])
    def test_it_stays_and_nothing_else_becomes_it(self, padding, model):
        image, mask = framed(padding)
        result = upscaled(image, model, 3)
        fine_mask = mask.repeat(3, 0).repeat(3, 1)
        expected = image.pixels.repeat(3, 0).repeat(3, 1)
        low, high = padding
        padded = (result.pixels >= low) & (result.pixels <= high)
        assert np.array_equal(padded, fine_mask)
        assert np.array_equal(result.pixels[fine_mask], expected[fine_mask])
        assert result.padding == padding
        assert derivation_of(result).padding_kept

    @pytest.mark.parametrize("padding", CASES)
    def test_native_pixels_agree_beside_it_too(self, padding):
        image, _ = framed(padding)
        result = upscaled(image, "bicubic", 2)
        assert np.abs(errors(result, image, 2)).max() < 1

    def test_the_reported_agreement_leaves_padding_out(self):
        image = calm()
        pixels = image.pixels.copy()
        pixels[:17] = 0
        image = image.replace(pixels=pixels, padding=(0, 0))
        result = upscaled(image, consistency="off")
        rms = np.sqrt(np.square(errors(result, image, 2)).mean())
        assert derivation_of(result).consistency_rms == pytest.approx(rms, rel=1e-3)

    @pytest.mark.parametrize("padding", CASES)
    def test_its_value_does_not_ring_into_the_image(self, padding):
        image = radiograph(np.full((20, 20), 1000, np.uint16), padding=padding)
        pixels = image.pixels.copy()
        pixels[:, :7], pixels[:3] = padding[1], padding[0]
        result = upscaled(image.replace(pixels=pixels), "lanczos", 4)
        assert (result.pixels[12:, 28:] == 1000).all()

    @pytest.mark.parametrize("target", [2, LongSide(33)])
    def test_where_everything_is_padding_it_is_no_longer_declared(self, target):
        image = radiograph(noise((24, 20)), padding=(0, 4095))
        result = upscaled(image, "bicubic", target)
        assert result.padding is None
        assert not derivation_of(result).padding_kept

    def test_extremes_leave_it_out(self):
        image, mask = framed((4095, 4095))
        derivation = derivation_of(result := upscaled(image))
        native = result.pixels[~mask.repeat(2, 0).repeat(2, 1)]
        assert derivation.minimum == native.min()
        assert derivation.maximum == native.max() < 4095

    def test_it_survives_a_size_between_two_scales(self):
        image, mask = framed((0, 0))
        result = upscaled(image, "bicubic", LongSide(36))
        share = (result.pixels == 0).mean()
        assert share == pytest.approx(mask.mean(), abs=0.05)
        assert result.padding == (0, 0)
