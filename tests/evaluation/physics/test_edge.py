"""Edge response: edges whose MTF and overshoot are known by calculation."""

import dataclasses

import numpy as np
import pytest

from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.degradations import Exposure, gaussian_blur
from cxr_sr.evaluation.evaluate import compare
from cxr_sr.evaluation.physics.edge import (
    BIN_PX,
    CONTRASTS,
    REACH_PX,
    coverage,
    edge_responses,
    inserted,
    mtf_at,
    profile_of,
    response,
    scene,
)
from cxr_sr.superres.resample import upsample
from tests.builders import pixel_format, radiograph, structure

SHAPE = (384, 192)


def blurred(sigma_px):
    """An edge under a pixel's aperture and a Gaussian."""
    return gaussian_blur(coverage(SHAPE), sigma_px)


@pytest.mark.parametrize("shape", [(40, 30), (41, 31)])
def test_the_edge_runs_through_the_middle(shape):
    """Half a turn changes the sides."""
    share = coverage(shape)
    assert share + share[::-1, ::-1] == pytest.approx(1)


class TestMtf:
    @pytest.mark.parametrize("sigma_px", [0.6, 1.0, 2.0])
    @pytest.mark.parametrize("frequency", [0.05, 0.125, 0.25])
    def test_a_blurred_edge_has_the_mtf_of_gaussian_and_pixel(
        self, sigma_px, frequency
    ):
        offsets = np.arange(-8, 9)
        taps = np.exp(-0.5 * (offsets / sigma_px) ** 2)
        gaussian = taps @ np.cos(2 * np.pi * frequency * offsets) / taps.sum()
        expected = np.sinc(frequency) * gaussian
        found = mtf_at(profile_of(blurred(sigma_px), 2), frequency)
        assert found == pytest.approx(expected, abs=0.01)

    def test_what_bins_and_differences_take_away_is_given_back(self):
        """The bins' means of the edge that a square pixel sees, by calculation."""
        ends = np.arange(-10, 10 + BIN_PX, BIN_PX)
        area = np.where(ends > 0.5, ends, np.clip(ends + 0.5, 0, 1) ** 2 / 2)
        profile = np.diff(area) / BIN_PX
        assert mtf_at(profile, 0.5) == pytest.approx(np.sinc(0.5), rel=3e-3)

    def test_it_does_not_depend_on_step_or_level(self):
        edge = blurred(1.0)
        same = response(0.3 + 0.01 * edge, 2)
        assert same == pytest.approx(response(edge, 2), abs=1e-6)

    def test_noise_averages_out(self):
        noisy = blurred(1.0) + np.random.default_rng(0).normal(0, 0.05, SHAPE)
        clean, found = (response(image, 2)[0] for image in (blurred(1.0), noisy))
        assert found == pytest.approx(clean, abs=0.03)

    @pytest.mark.parametrize("scale", [2, 4])
    def test_repeated_pixels_have_the_mtf_of_aperture_and_repetition(self, scale):
        """Each value stands at `scale` places of its own pixel."""
        places = (np.arange(scale) + 0.5) / scale - 0.5
        expected = np.sinc(0.5) * np.cos(np.pi * places).mean()
        pixels = scene(0.5, scale).pixels / 4095.0
        mtf, overshoot = response(upsample(pixels, scale, "nearest"), scale)
        assert mtf == pytest.approx(expected, abs=0.01)
        assert overshoot == pytest.approx(0, abs=0.2)

    def test_pylinac_measures_the_same(self):
        """An independent MTF; its package pins an old pydicom, so it may be absent."""
        theirs = pytest.importorskip("pylinac.core.mtf")
        profile = profile_of(blurred(1.0), 2)
        other = theirs.EdgeSpreadFunctionMTF(profile, sample_spacing=0.25)
        at = float(np.interp(0.25, other.frequencies, other.mtf_values))
        assert mtf_at(profile, 0.25) == pytest.approx(at, abs=0.03)


class TestOvershoot:
    @pytest.mark.parametrize("percent", [0.0, 4.0, 13.0])
    @pytest.mark.parametrize("side", [1, -1])
    def test_a_line_beside_the_edge_is_one_bright_or_dark(self, percent, side):
        edge = coverage(SHAPE)
        rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
        distance = columns - 95.5 - np.tan(np.radians(4)) * (rows - 191.5)
        line = (side * distance > 1) & (side * distance < 4)
        edge[line] += side * percent / 100
        assert response(edge, 2)[1] == pytest.approx(percent, abs=0.3)

    def test_nothing_clips_it_away(self):
        """The scene holds black and white, so that a result may go as far."""
        image = scene(0.2, 2)
        assert (image.pixels.min(), image.pixels.max()) == (0, 4095)


class TestResponses:
    def test_every_contender_meets_every_background_and_contrast(self):
        contenders = compare(["lanczos"], [Condition(2)]).contenders
        rows = list(edge_responses(contenders, 2))
        assert [(r.contrast, r.model, r.background) for r in rows] == [
            (contrast, model, background)
            for contrast in CONTRASTS
            for model in ("bicubic", "lanczos")
            for background in ("clean", "noise")
        ]
        assert {r.dose_ugy for r in rows if r.background == "noise"} == {2.5}
        assert {r.dose_ugy for r in rows if r.background == "clean"} == {None}

    def test_an_interpolator_is_linear_so_that_neither_noise_nor_step_matter(self):
        contenders = compare([], [Condition(2)]).contenders
        rows = list(edge_responses(contenders, 2))
        assert [r.mtf for r in rows] == pytest.approx([rows[0].mtf] * 6, abs=0.03)

    def test_in_anatomy_the_edge_alone_is_measured(self):
        contenders = compare([], [Condition(2)]).contenders
        fmt = pixel_format(12)
        pixels = np.rint(4095 * (0.2 + 0.5 * structure((800, 400)))).astype(np.uint16)
        for photometric in ("MONOCHROME2", "MONOCHROME1"):
            shown = dataclasses.replace(fmt, photometric=photometric)
            rows = list(edge_responses(contenders, 2, [radiograph(pixels, shown)]))
            anatomy = [r for r in rows if r.background == "anatomy"]
            assert [r.contrast for r in anatomy] == list(CONTRASTS[:-1])
            for row in anatomy:
                assert row.mtf == pytest.approx(rows[0].mtf, abs=0.02)
                assert row.overshoot == pytest.approx(rows[0].overshoot, abs=1)

    def test_an_edge_is_inserted_in_the_middle_and_leaves_the_rest(self):
        original = radiograph(np.full((300, 301), 2000, np.uint16), pixel_format(12))
        step = inserted(original, 2, 0.1).pixels.astype(int)
        assert step.shape == (150, 150)
        assert (step[:, :20] == 2000 - 205).all()
        assert (step[:, -20:] == 2000 + 205).all()

    def test_noise_of_a_scene_is_that_of_its_exposure(self):
        quiet, noisy = scene(0.05, 2), scene(0.05, 2, Exposure(2.5, 0.0), seed=1)
        difference = (noisy.pixels - quiet.pixels.astype(float))[4:-4] / 4095
        assert 0.01 < difference.std() < 0.08
        assert len(profile_of(quiet.pixels / 4095.0, 1)) == round(2 * REACH_PX / 0.25)
