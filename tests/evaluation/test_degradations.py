"""Evaluation degrades images as training does in torch, and as the physics says."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cxr_sr.errors import SettingsError
from cxr_sr.evaluation.degradations import (
    DEGRADATIONS,
    NOMINAL,
    Coding,
    Detector,
    Draw,
    Exposure,
    bicubic,
    box,
    correlated,
    expose,
    gaussian_blur,
)
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.resample import bicubic_down, box_down
from tests.builders import FORMATS, noise, pixel_format, radiograph, structure

SCALES = (2, 3, 4, 8)


def coding(fmt=None):
    """8-bit codes over the whole stored range, unless told otherwise."""
    fmt = fmt or pixel_format(8)
    return Coding(fmt, Scaling.of(radiograph(noise((4, 4), fmt), fmt)))


def codes(shape=(48, 72), fmt=None):
    """Whole codes of `structure`, as float."""
    fmt = fmt or pixel_format(8)
    return np.rint(fmt.minimum + (fmt.maximum - fmt.minimum) * structure(shape))


def random(seed=0):
    return np.random.default_rng(seed)


QUIET = Detector(quanta=1e12, electronic=0.0)
"""The exposure is so high that no noise is left."""


class TestEqualToTraining:
    """Trained on one degradation, measured on the same."""

    @pytest.fixture
    def degrade(self):
        pytest.importorskip("torch")
        return pytest.importorskip("cxr_sr.training.data.degrade")

    @pytest.mark.parametrize("scale", SCALES)
    @pytest.mark.parametrize(
        ("name", "ours"), [("bicubic", bicubic_down), ("box", box_down)]
    )
    def test_bicubic_and_box(self, degrade, name, ours, scale):
        torch = pytest.importorskip("torch")
        image = structure((48, 72))
        theirs = getattr(degrade, name)(torch.tensor(image)[None, None], scale)
        assert np.allclose(ours(image, scale), theirs[0, 0].numpy(), atol=1e-12)

    @pytest.mark.parametrize("scale", [2, 8])
    def test_detector_without_noise(self, degrade, scale):
        torch = pytest.importorskip("torch")
        image = structure((48, 72))
        blur = QUIET.sigma_px(scale) / scale
        physics = degrade.Degradation(
            blur_px=(blur, blur),
            quanta=(QUIET.quanta, QUIET.quanta),
            electronic=0.0,
            decades=QUIET.decades,
        )
        tensor = torch.tensor(image)[None, None]
        still = torch.zeros(1, 1, 48 // scale, 72 // scale)
        theirs, _ = degrade.detector(tensor, scale, physics, torch.Generator(), still)
        ours = expose(image, scale, random(), QUIET)
        assert np.allclose(ours, theirs[0, 0].numpy(), atol=1e-5)

    def test_the_nominal_detector_is_one_of_those_trained_for(self, degrade):
        trained = degrade.Degradation()
        low, high = trained.blur_px
        assert low <= NOMINAL.sigma_px(4) / 4 <= high
        assert trained.quanta[0] <= NOMINAL.quanta <= trained.quanta[1]
        assert trained.electronic == NOMINAL.electronic
        assert trained.decades == NOMINAL.decades


class TestBicubic:
    @pytest.mark.parametrize("scale", SCALES)
    def test_it_is_pillows_but_for_a_code_in_a_thousand_pixels(self, scale):
        image = pytest.importorskip("PIL.Image")
        fine = codes((192, 240))
        size = 240 // scale, 192 // scale
        pillow = image.fromarray(fine.astype(np.uint8))
        expected = np.asarray(pillow.resize(size, image.Resampling.BICUBIC), float)
        difference = np.abs(bicubic(fine, scale, coding()) - expected)
        assert difference.max() <= 1
        assert np.count_nonzero(difference) <= difference.size // 1000

    def test_overshoot_is_clipped_to_the_stored_range(self):
        edge = np.kron([[0.0, 255.0], [255.0, 0.0]], np.ones((24, 24)))
        coarse = bicubic(edge, 3, coding())
        assert (coarse.min(), coarse.max()) == (0, 255)


class TestBox:
    def test_it_is_the_mean_and_halves_go_up(self):
        assert box(np.array([[1.0, 2.0], [2.0, 1.0]]), 2, coding()) == 2
        assert box(np.array([[1.0, 1.0], [2.0, 1.0]]), 2, coding()) == 1

    def test_a_negative_half_goes_up_too(self):
        signed = coding(pixel_format(12, signed=True))
        assert box(np.array([[-3.0, -2.0], [-2.0, -3.0]]), 2, signed) == -2


class TestDetector:
    @pytest.mark.parametrize("scale", SCALES)
    def test_its_converter_halves_contrast_at_mtf50(self, scale):
        physics = Detector(mtf50=0.8)
        frequency = 0.8 * 0.5 / scale
        wave = np.sin(2 * np.pi * frequency * np.arange(960) + 0.3)
        image = np.broadcast_to(wave, (64, 960))
        blurred = gaussian_blur(image, physics.sigma_px(scale))
        inner = np.s_[32, 120:-120]
        assert np.ptp(blurred[inner]) / np.ptp(image[inner]) == pytest.approx(
            0.5, abs=0.01
        )

    @pytest.mark.parametrize("unit", [0.0, 0.5, 1.0])
    def test_noise_has_the_variance_of_its_quanta(self, unit):
        seen = expose(np.full((480, 480), unit), 2, random())
        counts = NOMINAL.quanta * 10 ** (-NOMINAL.decades * seen)
        expected = NOMINAL.quanta * 10 ** (-NOMINAL.decades * unit)
        assert counts.mean() == pytest.approx(expected, rel=0.005)
        assert counts.var() == pytest.approx(expected + NOMINAL.electronic**2, rel=0.03)

    @pytest.mark.parametrize("dose", [0.25, 2.5, 25.0])
    @pytest.mark.parametrize("width", [0.0, 0.42, 1.0])
    def test_dose_sets_the_noise_and_width_only_its_correlation(self, dose, width):
        """The relative variance of Poisson counts is one over their number."""
        physics = Detector.at(Exposure(dose, width))
        seen = expose(np.full((480, 480), 0.2), 2, random(), physics)
        counts = physics.quanta * 10 ** (-physics.decades * seen)
        expected = physics.quanta * 10 ** (-physics.decades * 0.2)
        assert physics.quanta == pytest.approx(800 * dose)
        assert counts.var() == pytest.approx(expected + physics.electronic**2, rel=0.05)

    def test_a_width_of_half_a_pixel_is_nearly_that_of_a_real_panel(self):
        """Two exposures of one: 0.24 with the next pixel, 0.08 diagonally."""
        grain = correlated(random().normal(size=(512, 512)), 0.5)
        down, across, diagonal = (
            (grain * np.roll(grain, shift, (0, 1))).mean()
            for shift in ((1, 0), (0, 1), (1, 1))
        )
        assert grain.var() == pytest.approx(1, abs=0.02)
        assert (down, across) == pytest.approx((0.24, 0.24), abs=0.03)
        assert diagonal == pytest.approx(0.08, abs=0.03)

    def test_correlated_noise_is_as_strong_at_the_border(self):
        grain = correlated(random().normal(size=(4000, 40)), 1.0)
        assert grain[:, 0].std() == pytest.approx(grain[:, 20].std(), rel=0.05)

    @pytest.mark.parametrize(
        ("dose", "width", "told"),
        [
            (0, 0, "above 0, such as 2.5"),
            (math.nan, 0, "above 0"),
            (2.5, -1, "expected 0"),
            (2.5, 9, "to 4 pixels"),
        ],
    )
    def test_an_exposure_that_cannot_be_is_refused(self, dose, width, told):
        with pytest.raises(SettingsError, match=told):
            Exposure(dose, width)

    def test_bright_bone_is_noisier_than_dark_lung(self):
        lung, bone = (expose(np.full((96, 96), u), 4, random()).std() for u in (0, 1))
        assert bone > 4 * lung

    def test_exposures_average_not_greys(self):
        """Half black, half white binned: log of the mean, not the mean of logs."""
        columns = np.tile([0.0, 1.0], 96)
        seen = expose(np.broadcast_to(columns, (96, 192)), 2, random(), QUIET)
        expected = -math.log10((1 + 10**-1.5) / 2) / 1.5
        assert seen[10:-10, 10:-10] == pytest.approx(expected, abs=2e-3)

    def test_a_flat_image_stays_flat_to_its_border(self):
        seen = expose(np.full((24, 24), 0.4), 4, random(), QUIET)
        assert seen == pytest.approx(0.4, abs=1e-4)

    def test_outside_the_unit_range_there_is_no_noise_and_no_clipping(self):
        image = np.full((24, 48), 0.0)
        image[:, 24:] = -3.0
        seen = expose(image, 2, random())
        noise_free = seen[:, 18:] - expose(np.zeros((24, 48)), 2, random())[:, 18:]
        assert noise_free == pytest.approx(-3.0)

    @settings(max_examples=20, deadline=None)
    @given(arrays(np.float64, (24, 24), elements=st.floats(-64, 64)))
    def test_no_unit_value_breaks_it(self, image):
        assert np.isfinite(expose(image, 3, random())).all()

    def test_the_seed_decides(self):
        image = structure((24, 24))
        first, again, other = (expose(image, 2, random(s)) for s in (1, 1, 2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


@settings(max_examples=30, deadline=None)
@given(
    fmt=FORMATS, name=st.sampled_from(list(DEGRADATIONS)), scale=st.sampled_from(SCALES)
)
def test_a_coarse_image_is_one_that_a_file_could_hold(fmt, name, scale):
    fine = noise((24, 48), fmt).astype(float)
    coarse = DEGRADATIONS[name](fine, scale, coding(fmt), Draw(random()))
    assert coarse.shape == (24 // scale, 48 // scale)
    assert np.array_equal(coarse, np.rint(coarse))
    assert fmt.minimum <= coarse.min() <= coarse.max() <= fmt.maximum


def test_monochrome1_is_degraded_in_its_own_polarity():
    """Stored dark is exposed dark either way, so the noise lies on the other side."""
    image = np.zeros((96, 96))
    deviations = []
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        fmt = pixel_format(12, photometric=photometric)
        coarse = DEGRADATIONS["detector"](image, 2, coding(fmt), Draw(random()))
        deviations.append(coarse.std())
    assert deviations[0] > 1.5 * deviations[1]
