"""Anatomy and invented structure are told apart on images with known answers."""

import numpy as np
import pytest

from cxr_sr.evaluation.anatomy import (
    anatomy_of,
    false_structure,
    quiet_of,
    unmeasured,
)
from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.protocol import as_stored, degraded, measure
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.resample import box_down, upsample
from tests.builders import pixel_format, radiograph, structure

SCALES = (2, 3, 4, 8)


def lettered(shape=(96, 96)):
    """12-bit anatomy of low contrast with a small burned-in letter."""
    pixels = np.rint(1500 + 400 * structure(shape))
    pixels[40:48, 40:42] = 4095
    return pixels.astype(np.uint16)


class TestAnatomy:
    @pytest.mark.parametrize("scale", SCALES)
    def test_at_most_three_per_cent_are_left_out(self, scale):
        kept = anatomy_of(lettered((240, 240)), scale)
        assert 0.96 < kept.mean() < 1

    def test_strong_edges_are_three_per_cent(self):
        noise = np.random.default_rng(0).normal(size=(400, 400))
        assert anatomy_of(noise, 1).mean() == pytest.approx(0.97, abs=0.002)

    def test_the_letter_is_left_out_as_far_as_its_edges_reach(self):
        kept = anatomy_of(lettered((240, 240)), 2)
        assert not kept[38:50, 38:44].any()
        assert kept[100:].mean() > 0.95

    def test_an_error_beside_a_letter_costs_psnr_and_no_anatomy(self):
        original = radiograph(lettered((240, 240)), pixel_format(12))

        def spoiled(pixels):
            wrong = original.pixels.copy()
            wrong[pixels] += 300
            return lambda coarse: coarse.replace(pixels=wrong)

        at_letter, elsewhere = (
            measure(original, Condition(2), spoiled(np.s_[rows, 38]))
            for rows in (slice(40, 48), slice(140, 148))
        )
        assert at_letter.psnr == pytest.approx(elsewhere.psnr)
        assert at_letter.anatomy_psnr > elsewhere.anatomy_psnr + 20

    def test_a_constant_image_is_all_anatomy(self):
        assert anatomy_of(np.full((24, 24), 7), 3).all()


class TestUnmeasured:
    @pytest.mark.parametrize("scale", SCALES)
    def test_block_means_know_nothing_of_it(self, scale):
        image = structure((48, 72))
        rest = unmeasured(image, scale)
        assert box_down(rest, scale) == pytest.approx(0, abs=1e-6)
        assert unmeasured(rest, scale) == pytest.approx(rest, abs=1e-6)

    def test_a_smooth_image_has_none(self):
        rows, columns = np.mgrid[:48, :48]
        ramp = 0.3 * rows + 0.1 * columns
        assert unmeasured(ramp, 4)[8:-8, 8:-8] == pytest.approx(0, abs=1e-4)


class TestFalseStructure:
    """A line that nobody measured, painted where the original is flat."""

    def half_flat(self):
        pixels = np.full((96, 96), 2000.0)
        pixels[:, :48] += 200 * np.random.default_rng(0).normal(size=(96, 48))
        pixels[0, 0], pixels[0, 1] = 0, 4095
        return pixels.clip(0, 4095)

    def test_quiet_is_where_the_original_has_no_detail(self):
        quiet = quiet_of(self.half_flat(), 2)
        assert not quiet[:, :40].any()
        assert 0.15 < quiet.mean() < 0.6

    def test_a_quarter_of_textured_anatomy_is_quiet(self):
        noise = np.random.default_rng(0).normal(size=(240, 240))
        assert quiet_of(noise, 2).mean() == pytest.approx(0.25, abs=0.002)

    def test_one_pixel_in_twenty_is_stronger_than_the_false_structure(self):
        noise = np.random.default_rng(0).normal(size=(480, 480))
        found = false_structure(noise, np.full(noise.shape, fill_value=True), 2)
        two_sided = 1.96  # of a normal distribution
        assert found == pytest.approx(two_sided * unmeasured(noise, 2).std(), rel=0.02)

    def test_the_border_of_the_film_is_no_quiet_anatomy(self):
        film = self.half_flat()
        film[60:] = 0
        assert not quiet_of(film, 2)[60:].any()

    @pytest.mark.parametrize("scale", [2, 4])
    @pytest.mark.parametrize("height", [10, 100])
    def test_worms_are_measured_by_their_height(self, scale, height):
        original = self.half_flat()
        quiet = quiet_of(original, scale)
        worms = height * np.where(np.arange(96) % scale < scale // 2, 1, -1)
        assert false_structure(original + worms, quiet, scale) == pytest.approx(
            height, rel=0.2
        )
        assert false_structure(original, quiet, scale) < 1

    def test_a_score_tells_it_in_thousandths_of_the_range(self):
        fmt = pixel_format(12)
        original = radiograph(self.half_flat().astype(np.uint16), fmt)

        def worms(coarse):
            unit = Scaling.of(coarse).normalise(coarse.pixels)
            fine = upsample(unit, 2) + 0.02 * np.where(np.arange(96) % 2, 1, -1)
            return as_stored(coarse, fine)

        assert measure(original, Condition(2), worms).false_structure == pytest.approx(
            20, rel=0.2
        )

    def test_detail_that_the_original_has_is_not_false(self):
        """A perfect restoration of texture scores no more than the quiet part holds."""
        trial = degraded(
            radiograph(self.half_flat().astype(np.uint16), pixel_format(12)),
            Condition(2),
        )
        assert false_structure(trial.reference, trial.quiet, 2) < 1
