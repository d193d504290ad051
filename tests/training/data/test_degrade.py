"""The degradations against other implementations and against their physics."""

from __future__ import annotations

import dataclasses
import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from cxr_sr.errors import SettingsError
from cxr_sr.evaluation.degradations import NOMINAL, Coding, expose
from cxr_sr.evaluation.degradations import bicubic as evaluated
from cxr_sr.formats.dicom.coding.jpeg import coding_error
from cxr_sr.superres import resample
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.noise import MARGIN, Noise
from cxr_sr.training.data.degrade import (
    DEGRADATIONS,
    Degradation,
    bicubic,
    box,
    degrade,
    detector,
    gaussian_blur,
    stored,
)
from cxr_sr.training.data.grain import Grain, with_jpeg
from tests.builders import pixel_format, structure

SCALES = [2, 3, 4, 8]
NOISELESS = (1e12, 1e12)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image(height: int = 48, width: int = 72, seed: int = 0) -> Tensor:
    return torch.from_numpy(structure((1, 1, height, width), seed)).float()


def codes(bits: int = 16) -> Tensor:
    """Return the row that states how an image of unit range is stored."""
    return torch.tensor([[1 / (2**bits - 1), 0.0, 1.0, 0.1]], dtype=torch.float64)


def flat(value: float, side: int = 384) -> Tensor:
    return torch.full((1, 1, side, side), value, dtype=torch.float64)


def settings(**changes: object) -> Degradation:
    return dataclasses.replace(Degradation(("detector",)), **changes)  # type: ignore[arg-type]


def detect(fine: Tensor, scale: int = 2, seed: int = 0, **changes: object) -> Tensor:
    random = generator(seed)
    shape = (*fine.shape[:2], *(side // scale for side in fine.shape[2:]))
    noise = torch.randn(shape, generator=generator(seed + 1), dtype=fine.dtype)
    return detector(fine, scale, settings(**changes), random, noise)[0]


@pytest.mark.parametrize("scale", SCALES)
def test_bicubic_is_pillows(scale: int):
    fine = image()
    pillow = Image.fromarray(fine[0, 0].numpy())
    size = (fine.shape[3] // scale, fine.shape[2] // scale)
    expected = np.asarray(pillow.resize(size, Image.Resampling.BICUBIC))
    assert np.abs(bicubic(fine, scale)[0, 0].numpy() - expected).max() < 1e-6


@pytest.mark.parametrize("scale", SCALES)
def test_bicubic_is_what_evaluation_undoes(scale: int):
    """Columns and rows are rounded alike, too, except at ties."""
    fine = (image(192, 240) * 255).round() / 255
    by_numpy = evaluated(
        fine[0, 0].double().numpy() * 255,
        scale,
        Coding(pixel_format(8), Scaling(0, 255)),
    )
    seen = degrade(fine.double(), codes(8), scale, Degradation(), generator()).image
    difference = np.abs(seen[0, 0].numpy() * 255 - by_numpy).round()
    assert difference.max() <= 1
    assert np.count_nonzero(difference) < 0.02 * difference.size


@pytest.mark.parametrize("scale", SCALES)
def test_training_and_inference_reduce_alike(scale: int):
    fine = image().double()
    by_numpy = resample.bicubic_down(fine.numpy(), scale)
    assert np.abs(bicubic(fine, scale).numpy() - by_numpy).max() < 1e-12
    by_numpy = resample.box_down(fine.numpy(), scale)
    assert np.abs(box(fine, scale).numpy() - by_numpy).max() < 1e-12


@pytest.mark.parametrize("scale", SCALES)
def test_box_averages_each_block(scale: int):
    fine = image()
    coarse = box(fine, scale)
    assert float(coarse[0, 0, 1, 2]) == pytest.approx(
        float(fine[0, 0, scale : 2 * scale, 2 * scale : 3 * scale].mean())
    )


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_a_coarse_image_is_scale_times_smaller(kind: str, scale: int):
    settings = Degradation((kind,))
    coarse = degrade(image(), codes().float(), scale, settings, generator()).image
    assert coarse.shape == (1, 1, 48 // scale, 72 // scale)
    assert coarse.dtype == torch.float32


@given(st.sampled_from(sorted(DEGRADATIONS)), st.sampled_from(SCALES), st.floats(0, 1))
def test_a_flat_image_keeps_its_value(kind: str, scale: int, value: float):
    """Up to noise, which a flood of quanta makes vanish."""
    quiet = Degradation((kind,), quanta=NOISELESS)
    coarse = degrade(flat(value, 24), codes(), scale, quiet, generator()).image
    assert float((coarse - value).abs().max()) < 1e-4


@pytest.mark.parametrize("scale", [2, 4])
def test_binning_preserves_the_mean_exposure(scale: int):
    """Detector pixels add up quanta: the exposure, not its logarithm, is averaged.

    Columns of two exposures: the coarse pixel shows the mean of the exposures.
    """
    fine = flat(0.0, 24)
    fine[..., ::2] = 1.0
    coarse = detect(fine, scale, blur_px=(1e-3, 1e-3), quanta=NOISELESS, decades=1.0)
    assert float(coarse.mean()) == pytest.approx(-math.log10((1 + 0.1) / 2), abs=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("electronic", [0.0, 40.0])
def test_noise_has_the_variance_of_counted_quanta(value: float, electronic: float):
    """Var u = (N + e^2) / (N decades ln 10)^2: Poisson plus electronics, in log."""
    quanta, decades = 5000.0, 1.0
    found = detect(
        flat(value), 2, quanta=(quanta, quanta), electronic=electronic, decades=decades
    )
    counted = quanta * 10 ** (-decades * value)
    expected = (counted + electronic**2) / (counted * decades * math.log(10)) ** 2
    assert float(found.var()) == pytest.approx(expected, rel=0.05)


def test_white_is_noisier_than_black():
    """Where less exposure arrives, the relative noise is larger."""
    black, white = detect(flat(0.1)), detect(flat(0.9))
    assert white.std() > 2 * black.std()


@pytest.mark.parametrize("scale", [2, 3])
def test_noise_is_white(scale: int):
    """Quanta are counted after the blur: neighbours are not correlated."""
    noise = detect(flat(0.5), scale)[0, 0] - 0.5
    neighbours = torch.corrcoef(
        torch.stack([noise[:, 1:].flatten(), noise[:, :-1].flatten()])
    )
    assert abs(float(neighbours[0, 1])) < 0.05


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0])
def test_blur_has_the_stated_sigma(sigma: float):
    point = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    point[0, 0, 20, 20] = 1
    blurred = gaussian_blur(point, sigma)[0, 0]
    offset = torch.arange(41, dtype=torch.float64) - 20
    assert float(blurred.sum()) == pytest.approx(1)
    variance = float((blurred.sum(0) * offset**2).sum())
    assert variance == pytest.approx(sigma**2, rel=0.05)


@pytest.mark.parametrize("scale", SCALES)
def test_training_and_evaluation_know_the_same_detector(scale: int):
    """They agree at each pixel without noise, and in the strength of the noise."""
    fine = image().double() * 1.4 - 0.2
    physics = dataclasses.replace(NOMINAL, quanta=1e12)
    expected = expose(fine[0, 0].numpy(), scale, np.random.default_rng(0), physics)
    sigma = NOMINAL.sigma_px(scale) / scale
    found = detect(fine, scale, blur_px=(sigma, sigma), quanta=NOISELESS)
    assert np.abs(found[0, 0].numpy() - expected).max() < 1e-4
    noisy = expose(flat(0.6)[0, 0].numpy(), scale, np.random.default_rng(0))
    found = detect(flat(0.6), scale, quanta=(NOMINAL.quanta, NOMINAL.quanta))
    assert float(found.std()) == pytest.approx(noisy.std(), rel=0.1)


def test_the_range_trained_over_holds_the_detector_evaluated_on():
    trained = Degradation()
    sigma = NOMINAL.sigma_px(2) / 2
    assert trained.blur_px[0] < sigma < trained.blur_px[1]
    assert trained.quanta[0] < NOMINAL.quanta < trained.quanta[1]


def test_blur_is_stated_in_pixels_of_the_coarse_detector():
    """A step's width, in coarse pixels, is the same at every scale."""
    fine = flat(0.2, 192)
    fine[..., 96:] = 0.8
    widths = [
        (detect(fine, s, blur_px=(0.8, 0.8), quanta=NOISELESS) - 0.5).abs().lt(0.29)
        for s in (4, 8)
    ]
    assert widths[0][0, 0, 5].sum() == widths[1][0, 0, 5].sum() > 0


def test_nothing_becomes_infinite_where_no_quanta_arrive():
    found = detect(flat(3.0, 48), quanta=(100.0, 100.0))
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_the_same_seed_gives_the_same_image(kind: str):
    chosen = Degradation((kind,))
    first, second = (
        degrade(image(), codes(), 2, chosen, generator(5)).image for _ in range(2)
    )
    assert torch.equal(first, second)


def test_a_mixture_draws_each_of_its_kinds():
    mixture = Degradation.of("bicubic, box")
    found = [
        degrade(image(), codes(), 2, mixture, generator(n)).image for n in range(16)
    ]
    binned = stored(box(image(), 2), codes())
    is_box = [torch.equal(f, binned) for f in found]
    is_bicubic = [bool((f - bicubic(image(), 2)).abs().max() < 3e-5) for f in found]
    assert any(is_box)
    assert any(is_bicubic)
    assert all(a != b for a, b in zip(is_box, is_bicubic, strict=True))


def test_an_unknown_degradation_is_named():
    with pytest.raises(SettingsError, match="unknown degradation 'jpeg'; there are"):
        Degradation.of("bicubic,jpeg")


def test_rounding_is_to_whole_codes():
    coarse = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    steps = [1 / 255, 1 / 4095]
    codes = torch.tensor([[s, 0.0, 1.0, 0.1] for s in steps], dtype=torch.float64)
    found = stored(coarse, codes)
    for one, before, step in zip(found, coarse, steps, strict=True):
        assert torch.allclose((one / step).round(), one / step)
        assert float((one - before).abs().max()) <= step / 2 + 1e-12


def test_what_rings_beyond_black_or_white_is_lost():
    coarse = torch.tensor([-0.1, 0.25, 1.1]).view(1, 1, 1, 3)
    found = stored(coarse, torch.tensor([[0.25, 0.0, 1.0, 0.1]]))
    assert found.flatten().tolist() == [0.0, 0.25, 1.0]


class TestJpeg:
    SETTINGS = Degradation(
        ("box",), grain=Grain(jpeg_share=1.0, jpeg_quality=(60, 60), told=(1.0, 1.0))
    )

    def test_its_error_is_told_as_a_file_tells_it(self):
        """A crop's range is its 8 bits; `Noise` tells the same of such a file."""
        fine = image(128, 128).clamp(0, 1)
        coarse = degrade(fine, codes(8), 2, self.SETTINGS, generator())
        without = degrade(fine, codes(8), 2, Degradation(("box",)), generator())
        span = float(without.image.max() - without.image.min())
        table = coding_error(jpeg_of(60)) * span / 255
        sigma, correlated = coarse.noise.unbind(1)
        assert torch.allclose(sigma, torch.tensor(table), rtol=0.01)
        assert torch.allclose(correlated, -sigma)
        error = float((coarse.image - without.image).std())
        assert 0.5 * table < error < 2 * table

    def test_training_and_inference_add_it_to_noise_alike(self):
        noise = Noise((0.5,), (0.02 / MARGIN,), 0.3, coding=0.01 / MARGIN)
        expected = noise.planes(np.full((1, 1), 0.5, np.float32))
        sigma = torch.full((1, 1, 1, 1), 0.02)
        found = with_jpeg(torch.cat([sigma, 0.3 * sigma], 1), sigma / 2)
        np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-5)

    def test_crops_without_it_are_told_none(self):
        coarse = degrade(image(), codes(8), 2, Degradation(("box",)), generator())
        assert not coarse.noise.any()


def jpeg_of(quality: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "JPEG", quality=quality)
    return stream.getvalue()
