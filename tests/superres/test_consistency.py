"""The projection: exact where it promises to be, smooth, and local."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_sr.superres.consistency import (
    LEAST_GRAIN,
    RADIUS_PX,
    TOLERANCE,
    agree,
    conservative_upsample,
    least_grain,
    project,
    reduce,
    usual_grain,
    within,
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
        """The test changes one measured pixel; tiles rely on this reach."""
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


class TestNoise:
    """Differences that noise explains may stay; all others are corrected."""

    @pytest.mark.parametrize("scale", SCALES)
    def test_without_noise_it_is_the_exact_box_bit_for_bit(self, scale):
        image, measured = random_image((12 * scale,) * 2), random_image((12, 12))
        found = agree(image, measured, scale, np.zeros((12, 12)), 1.0)
        assert np.array_equal(found.image, project(image, measured, scale))

    @pytest.mark.parametrize("grain", [0.0, 0.25, 1.0])
    def test_the_rest_is_no_more_than_the_noise_explains(self, grain):
        image, measured = random_image((48, 48)), 3 * random_image((24, 24), seed=1)
        sigma = np.full((24, 24), 0.5)
        fine = agree(image, measured, 2, sigma, grain).image
        rest = np.abs(measured - box_down(fine, 2))
        slack = 1.5 if grain else 1.0  # interpolation takes some of the finest grain
        assert rest.max() <= slack * TOLERANCE * 0.5 + 1e-9

    def test_a_grain_of_one_agrees_exactly(self):
        image, measured = random_image((48, 48)), random_image((24, 24), seed=1)
        fine = agree(image, measured, 2, np.full((24, 24), 0.5), 1.0).image
        assert np.abs(measured - box_down(fine, 2)).max() < 1e-12

    def test_a_grain_of_zero_leaves_an_image_within_the_noise_alone(self):
        image = random_image((48, 48))
        measured = box_down(image, 2) + 0.1
        assert np.array_equal(
            agree(image, measured, 2, np.full((24, 24), 0.5), 0.0).image, image
        )

    def test_the_grain_that_stays_is_the_interpolated_measurements(self):
        """A flat estimate becomes the bicubic measurements times the share."""
        measured = 0.02 * random_image((40, 40))
        flat = np.zeros((80, 80))
        fine = agree(flat, measured, 2, np.full((40, 40), 1.0), 0.25).image
        np.testing.assert_allclose(fine, 0.25 * upsample(measured, 2), atol=1e-12)

    def test_what_was_there_before_is_told(self):
        image, measured = random_image((8, 8)), random_image((4, 4), seed=1)
        found = agree(image, measured, 2, np.full((4, 4), 0.1), 0.25)
        assert found.error is not None
        assert found.explained is not None
        np.testing.assert_allclose(found.error, measured - box_down(image, 2))
        assert np.abs(found.explained).max() <= TOLERANCE * 0.1

    def test_all_of_a_faint_grain_stays_and_less_of_a_stronger_one(self):
        share = usual_grain(np.array([0.0, 0.004, 0.01, 0.02, 0.5]))
        assert share[:2].tolist() == [1, 1]
        assert (np.diff(share) <= 0).all()
        assert share[-1] == LEAST_GRAIN

    def test_what_stays_of_the_grain_grows_fainter_beyond_the_faint(self):
        sigma = np.linspace(0.005, 0.0158, 50)
        assert (np.diff(sigma * usual_grain(sigma)) <= 1e-12).all()

    def test_more_of_a_strong_grain_stays_if_asked(self):
        sigma = np.array([0.004, 0.05])
        assert usual_grain(sigma, 0.4) == pytest.approx([1.0, 0.4])

    def test_more_of_the_grain_of_a_smaller_image_stays(self):
        shares = [least_grain(blocks) for blocks in (24, 150, 400, 1200, 40_000)]
        assert shares == pytest.approx([0.5, 0.5, 0.31, 0.1, 0.1], abs=0.01)


class TestWithin:
    """Bounds and block means hold at once."""

    @given(SIDES, SIDES, st.sampled_from(SCALES), st.integers(0, 1000))
    @QUICK
    def test_both_hold(self, h, w, scale, seed):
        image = random_image((1, h * scale, w * scale), seed=seed)
        found = within(image, -0.5, 0.7, scale)
        assert found.min() >= -0.5
        assert found.max() <= 0.7
        expected = box_down(image, scale).clip(-0.5, 0.7)
        np.testing.assert_allclose(box_down(found, scale), expected, atol=1e-9)

    def test_an_image_within_is_the_same_array(self):
        image = random_image((8, 8))
        assert within(image, -9, 9, 2) is image

    def test_blocks_within_are_left_alone_and_the_given_image_too(self):
        image = random_image((8, 8)).clip(-1, 1)
        image[0, 0] = 3
        before = image.copy()
        found = within(image, -1, 1, 2)
        assert np.array_equal(image, before)
        assert np.array_equal(found[2:], image[2:])
        assert np.array_equal(found[:2, 2:], image[:2, 2:])

    def test_it_is_the_nearest_such_block(self):
        """Against brute force: move along the direction that keeps the mean."""
        image = np.array([[1.4, 0.2], [0.6, 0.9]])
        found = within(image, 0, 1, 2)
        distance = np.square(found - image).sum()
        random = np.random.default_rng(0)
        for _ in range(200):
            other = found + random.normal(size=(2, 2)) * 0.1
            other = np.clip(other + (image.mean() - other.mean()), 0, 1)
            if abs(other.mean() - image.mean()) < 1e-9:
                assert np.square(other - image).sum() >= distance - 1e-9
