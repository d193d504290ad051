"""The projection: exact where it promises to be, smooth, and local."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_sr.superres.consistency import (
    RADIUS_PX,
    conservative_upsample,
    project,
    reduce,
)
from cxr_sr.superres.resample import box_down, upsample
from tests.builders import structure

SCALES = [2, 3, 4, 8]
SIDES = st.integers(1, 12)
QUICK = settings(max_examples=30, deadline=None)


def random_image(shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def rms(values):
    return float(np.sqrt(np.square(values).mean()))


class TestBox:
    @given(SIDES, SIDES, st.sampled_from(SCALES), st.integers(0, 1000))
    @QUICK
    def test_the_means_of_any_image_become_the_measurement(self, h, w, scale, seed):
        image = random_image((2, h * scale, w * scale), seed=seed)
        measured = random_image((2, h, w), seed=seed + 1)
        error = box_down(project(image, measured, scale), scale) - measured
        assert np.abs(error).max() < 1e-9

    @given(SIDES, SIDES, st.sampled_from(SCALES), st.integers(0, 1000))
    @QUICK
    def test_float32_is_exact_to_its_rounding(self, h, w, scale, seed):
        image = random_image((h * scale, w * scale), np.float32, seed)
        measured = random_image((h, w), np.float32, seed + 1)
        result = project(image, measured, scale)
        assert result.dtype == np.float32
        error = box_down(result.astype(float), scale) - measured
        assert np.abs(error).max() < 5e-6

    @pytest.mark.parametrize("scale", SCALES)
    def test_an_image_that_agrees_is_left_alone(self, scale):
        image = structure((10 * scale, 8 * scale))
        result = project(image, box_down(image, scale), scale)
        np.testing.assert_allclose(result, image, atol=1e-14)

    @pytest.mark.parametrize("scale", SCALES)
    def test_a_constant_error_is_corrected_by_a_constant(self, scale):
        correction = conservative_upsample(np.full((5, 6), 0.25), scale)
        np.testing.assert_allclose(correction, 0.25, atol=1e-15)

    @pytest.mark.parametrize("scale", SCALES)
    def test_a_ramp_of_errors_is_corrected_by_a_ramp(self, scale):
        """Inside; at the border the last error is repeated."""
        rows, columns = np.mgrid[:12, :11]
        ramp = 0.3 * rows - 0.7 * columns
        fine = np.mgrid[: 12 * scale, : 11 * scale] + 0.5
        expected = 0.3 * (fine[0] / scale - 0.5) - 0.7 * (fine[1] / scale - 0.5)
        inside = (slice(2 * scale, -2 * scale),) * 2
        found = conservative_upsample(ramp, scale)
        np.testing.assert_allclose(found[inside], expected[inside], atol=1e-12)

    def test_it_brings_the_image_closer_to_the_truth(self):
        truth = structure((96, 96))
        measured = box_down(truth, 3)
        guess = upsample(measured, 3)
        assert rms(project(guess, measured, 3) - truth) < rms(guess - truth)


def blockiness(image, scale):
    """Mean step across block borders / mean step inside blocks; 1: no blocks."""
    steps = np.abs(np.diff(image, axis=-1))
    border = np.arange(1, image.shape[-1]) % scale == 0
    return steps[..., border].mean() / max(steps[..., ~border].mean(), 1e-9)


def soft(shape, seed=0):
    """Noise with a correlation of some pixels, as errors of a network have."""
    image = random_image(shape, seed=seed)
    for _ in range(3):
        image = sum(np.roll(image, k, axis) for axis in (0, 1) for k in (-1, 0, 1))
    return image / image.std()


def by_repetition(image, measured, scale):
    """The projection that is exact but puts blocks into the image."""
    return image + upsample(measured - box_down(image, scale), scale, "nearest")


class TestSmoothness:
    """Half the images' promise: agreement is not bought with visible blocks."""

    @pytest.mark.parametrize("scale", SCALES)
    def test_soft_errors_are_corrected_without_blocks(self, scale):
        image, measured = np.zeros((40 * scale, 40 * scale)), soft((40, 40))
        assert blockiness(project(image, measured, scale), scale) < 1.3
        assert blockiness(by_repetition(image, measured, scale), scale) > 1000

    @pytest.mark.parametrize("scale", SCALES)
    def test_even_white_noise_is_nearly_as_soft_as_bicubic_makes_it(self, scale):
        measured = random_image((40, 40))
        ours = conservative_upsample(measured, scale)
        bicubic = upsample(measured, scale)
        assert blockiness(ours, scale) < 1.35 * blockiness(bicubic, scale)

    @pytest.mark.parametrize("scale", SCALES)
    def test_noise_put_back_into_a_denoised_image_shows_no_blocks(self, scale):
        clean = structure((40, 40))
        measured = clean + random_image((40, 40)) * 0.03
        guess = upsample(clean, scale)
        ours = blockiness(project(guess, measured, scale), scale)
        bicubic = blockiness(upsample(measured, scale), scale)
        repeated = blockiness(by_repetition(guess, measured, scale), scale)
        assert ours < 1.3 * bicubic
        assert repeated > 1.8 * ours


class TestBicubic:
    @given(SIDES, SIDES, st.sampled_from(SCALES), st.integers(0, 1000))
    @QUICK
    def test_hardly_any_error_is_left_of_any_image(self, h, w, scale, seed):
        image = random_image((h * scale, w * scale), seed=seed)
        measured = random_image((h, w), seed=seed + 1)
        before = measured - reduce(image, scale, "bicubic")
        result = project(image, measured, scale, "bicubic")
        after = measured - reduce(result, scale, "bicubic")
        assert rms(after) < 0.03 * rms(before)
        assert np.abs(after).max() < 0.03 * np.abs(before).max()

    @pytest.mark.parametrize("scale", SCALES)
    @pytest.mark.parametrize("pattern", ["checkerboard", "stripes", "constant"])
    def test_nor_of_the_patterns_that_converge_slowest_and_fastest(
        self, scale, pattern
    ):
        rows, columns = np.mgrid[:24, :24]
        errors = {
            "checkerboard": (-1.0) ** (rows + columns),
            "stripes": (-1.0) ** columns,
            "constant": np.ones((24, 24)),
        }[pattern]
        fine = project(np.zeros((24 * scale, 24 * scale)), errors, scale, "bicubic")
        assert rms(errors - reduce(fine, scale, "bicubic")) < 0.01

    def test_float32_stays_float32(self):
        result = project(
            random_image((8, 8), np.float32), np.zeros((4, 4), np.float32), 2, "bicubic"
        )
        assert result.dtype == np.float32


class TestAll:
    @pytest.mark.parametrize("consistency", RADIUS_PX)
    def test_a_scale_of_one_returns_the_image(self, consistency):
        image = random_image((6, 5))
        assert project(image, image + 1, 1, consistency) is image

    def test_off_returns_the_image(self):
        image = random_image((6, 4))
        assert project(image, np.zeros((3, 2)), 2, "off") is image

    @pytest.mark.parametrize("consistency", RADIUS_PX)
    def test_the_arguments_are_left_alone(self, consistency):
        image, measured = random_image((6, 4)), random_image((3, 2))
        image.flags.writeable = measured.flags.writeable = False
        project(image, measured, 2, consistency)

    @pytest.mark.parametrize("scale", SCALES)
    @pytest.mark.parametrize("consistency", RADIUS_PX)
    def test_no_pixel_looks_further_than_stated(self, scale, consistency):
        """Measured by what one measured pixel changes; tiles rely on it."""
        side = 2 * RADIUS_PX[consistency] + 9
        measured = random_image((side, side))
        image = upsample(measured, scale)
        other = measured.copy()
        other[side // 2, side // 2] += 1
        changed = project(image, other, scale, consistency) != project(
            image, measured, scale, consistency
        )
        reach = np.argwhere(changed) // scale - side // 2
        assert np.abs(reach).max(initial=0) <= RADIUS_PX[consistency]
        if consistency == "box":
            assert np.abs(reach).max() == RADIUS_PX["box"]
