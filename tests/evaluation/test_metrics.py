"""The metrics against two independent implementations, and their own laws."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from cxr_sr.evaluation.metrics import (
    MS_SSIM_MINIMUM_PX,
    psnr,
    ssim,
    ssim_and_ms_ssim,
)


def pair(shape=(200, 180), noise=0.05, data_range=255.0, seed=0):
    """A smooth random image with edges, and the same with noise; whole codes."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    smooth = 0.5 + 0.3 * np.sin(rows / 17) * np.cos(columns / 23)
    image = smooth + 0.2 * (rows > columns)
    noisy = image + random.normal(0, noise, shape)
    return (np.rint(np.clip(v, 0, 1) * data_range) for v in (image, noisy))


def independent_ssim(reference, image, data_range):
    """scikit-image's SSIM map, cut to where the 11 pixel window fits."""
    _, values = structural_similarity(
        reference,
        image,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return values[5:-5, 5:-5].mean()


def independent_ms_ssim(reference, image, data_range):
    torch = pytest.importorskip("torch")
    pytorch_msssim = pytest.importorskip("pytorch_msssim")
    tensors = [torch.tensor(v)[None, None].double() for v in (reference, image)]
    # Its own window is float32, good to 1e-6 only.
    window = torch.exp(-(torch.arange(-5, 6, dtype=torch.float64) ** 2) / (2 * 1.5**2))
    window = (window / window.sum())[None, None, None]
    value = pytorch_msssim.ms_ssim(*tensors, data_range=data_range, win=window)
    return float(value)


CASES = [
    pytest.param({}, id="8 bit, even sides"),
    pytest.param({"shape": (201, 187)}, id="odd sides"),
    pytest.param({"shape": (188, 206)}, id="sides that turn odd at a coarser level"),
    pytest.param({"noise": 0.4}, id="hardly alike"),
    pytest.param({"noise": 0.001, "data_range": 65535.0}, id="16 bit, nearly equal"),
]


class TestAgainstOthers:
    @pytest.mark.parametrize("case", CASES)
    def test_psnr_is_scikit_images(self, case):
        data_range = case.get("data_range", 255.0)
        reference, image = pair(**case)
        expected = peak_signal_noise_ratio(reference, image, data_range=data_range)
        assert psnr(reference, image, data_range) == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize("case", CASES)
    def test_ssim_is_scikit_images_inside(self, case):
        data_range = case.get("data_range", 255.0)
        reference, image = pair(**case)
        expected = independent_ssim(reference, image, data_range)
        assert ssim(reference, image, data_range) == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize("case", CASES)
    def test_ms_ssim_is_pytorch_msssims(self, case):
        data_range = case.get("data_range", 255.0)
        reference, image = pair(**case)
        expected = independent_ms_ssim(reference, image, data_range)
        _, found = ssim_and_ms_ssim(reference, image, data_range)
        # It holds the weights of the levels in float32.
        assert found == pytest.approx(expected, abs=2e-7)


class TestLaws:
    def test_equal_images_are_perfect(self):
        image, _ = pair()
        assert psnr(image, image, 255) == math.inf
        assert ssim_and_ms_ssim(image, image, 255) == pytest.approx((1, 1), abs=1e-12)

    def test_psnr_of_one_code_everywhere(self):
        black = np.zeros((8, 8), np.uint8)
        assert psnr(black, black + 1, 255) == pytest.approx(48.1308, abs=1e-4)

    def test_unsigned_differences_do_not_wrap(self):
        low, high = np.full((1, 1), 3, np.uint16), np.full((1, 1), 5, np.uint16)
        assert psnr(low, high, 65535) == psnr(high, low, 65535)

    def test_ssim_in_one_pass_with_ms_ssim_is_ssim_alone(self):
        reference, image = pair(shape=(170, 165))
        together, _ = ssim_and_ms_ssim(reference, image, 255)
        assert together == ssim(reference, image, 255)

    def test_an_image_just_large_enough_has_an_ms_ssim(self):
        side = MS_SSIM_MINIMUM_PX
        reference, image = pair(shape=(side, side))
        expected = independent_ms_ssim(reference, image, 255.0)
        _, found = ssim_and_ms_ssim(reference, image, 255)
        assert found == pytest.approx(expected, abs=2e-7)

    def test_an_inverted_image_is_no_better_than_nothing(self):
        reference, _ = pair()
        assert ssim(reference, 255 - reference, 255) < 0.5
        assert 0 <= ssim_and_ms_ssim(reference, 255 - reference, 255)[1] < 0.5

    @settings(max_examples=15, deadline=None)
    @given(
        bits=st.integers(8, 16),
        seed=st.integers(0, 99),
        noise=st.floats(0.002, 0.3),
    )
    def test_nothing_depends_on_the_unit(self, bits, seed, noise):
        reference, image = pair(shape=(40, 33), noise=noise, seed=seed)
        factor = (2**bits - 1) / 255
        wide = reference * factor, image * factor, 255 * factor
        assert psnr(*wide) == pytest.approx(psnr(reference, image, 255))
        assert ssim(*wide) == pytest.approx(ssim(reference, image, 255))

    @settings(max_examples=15, deadline=None)
    @given(rows=st.integers(11, 90), columns=st.integers(11, 60))
    def test_strips_cover_every_row_once(self, rows, columns):
        reference, image = pair(shape=(rows, columns))
        expected = independent_ssim(reference, image, 255)
        assert ssim(reference, image, 255) == pytest.approx(expected, abs=1e-9)

    def test_ssim_is_symmetric(self):
        reference, image = pair()
        assert ssim(reference, image, 255) == pytest.approx(ssim(image, reference, 255))


def test_a_megapixel_takes_well_under_a_second():
    reference, image = pair(shape=(1000, 1000))
    start = time.process_time()
    ssim_and_ms_ssim(reference, image, 255)
    assert time.process_time() - start < 1.5
