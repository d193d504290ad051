"""The noise that is found is the noise that is there, and too much rather than less."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cxr_sr.formats import read
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.noise import MARGIN, Noise, estimate, level_of
from tests.builders import structure

DETECTOR = Path(__file__).parents[4] / "shared" / "data" / "detector"
DOSES = [0.004, 0.01, 0.02, 0.05]
WIDTHS_PX = [0.0, 0.4, 0.7, 1.0]


def shaped(shape, width_px, seed=0):
    """Gaussian noise of unit variance under a Gaussian of `width_px`."""
    white = np.random.default_rng(seed).normal(size=shape)
    if not width_px:
        return white
    frequency = [np.fft.fftfreq(side) for side in shape]
    squared = frequency[0][:, None] ** 2 + frequency[1][None] ** 2
    blur = np.exp(-2 * (np.pi * width_px) ** 2 * squared)
    noise = np.fft.ifft2(np.fft.fft2(white) * blur).real
    return noise / noise.std()


def law(level, sigma):
    """Standard deviation of a logarithmic detector's noise: 0.6 decades a unit."""
    return sigma * 10 ** (0.6 * (level - 0.5))


def flat(shape=(400, 380)):
    """A flat field with the fall-off of its source."""
    return np.broadcast_to(np.linspace(0.3, 0.7, shape[1]), shape)


def anatomy(shape=(400, 380)):
    """Smooth shading, curved bands and one edge; nothing that repeats at a pixel."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    bands = 0.1 * np.sin(rows / 17 + (columns / 90) ** 2)
    return 0.35 + 0.2 * np.sin(columns / 70) + bands + 0.2 * (columns > rows + 200)


def stored(unit, bits):
    """Codes (1, H, W) and the scaling of an image in units."""
    largest = 2**bits - 1
    codes = np.rint(unit * largest).clip(0, largest).astype(np.uint16)
    return codes[None], Scaling(0.0, float(largest))


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("sigma", DOSES)
@pytest.mark.parametrize("width_px", WIDTHS_PX)
@pytest.mark.parametrize("field", [flat, anatomy])
def test_the_standard_deviation_is_found_within_15_percent(
    field, width_px, sigma, bits
):
    clean = field()
    noisy = clean + law(clean, sigma) * shaped(clean.shape, width_px)
    found = estimate(*stored(noisy, bits))
    assert found is not None
    levels = np.quantile(clean, np.linspace(0.1, 0.9, 9))
    ratio = found.at(levels) / law(levels, sigma)
    assert 0.85 < np.median(ratio) < 1.15
    assert ratio.min() > 0.75


@pytest.mark.parametrize("width_px", WIDTHS_PX)
@pytest.mark.parametrize("field", [flat, anatomy])
def test_the_correlation_is_found(field, width_px):
    clean, noise = field(), shaped((400, 380), width_px)
    found = estimate(*stored(clean + 0.02 * noise, 12))
    assert found is not None
    truth = (noise[1:] * noise[:-1]).mean()
    assert found.correlation == pytest.approx(truth, abs=0.08)


@pytest.mark.parametrize("value", [0, 1000])
def test_a_constant_image_has_none(value):
    assert estimate(np.full((1, 64, 64), value, np.uint16), Scaling(0, 4095)) is None


def test_rounding_is_no_noise():
    """A smooth image in 8 bits shows nothing but the steps of its codes."""
    rows, columns = np.mgrid[:300, :300]
    smooth = 0.5 + 0.3 * np.sin(rows / 60) * np.cos(columns / 80)
    assert estimate(*stored(smooth, 8)) is None


def test_an_image_smaller_than_a_block_tells_nothing():
    assert estimate(np.zeros((1, 5, 5), np.uint16), Scaling(0, 4095)) is None


def test_padding_does_not_count():
    clean = flat()
    noisy = clean + 0.02 * shaped(clean.shape, 0.5)
    codes, scaling = stored(noisy, 12)
    alone = estimate(codes[:, :, :200], scaling)
    padded = codes.copy()
    padded[:, :, 200:] = 7
    found = estimate(padded, scaling, np.broadcast_to(padded[0] == 7, (400, 380)))
    assert alone is not None
    assert found is not None
    assert found.usual == pytest.approx(alone.usual, rel=0.1)


def test_the_scaling_sets_the_unit():
    """Another window of the same image: the same noise in codes."""
    codes, _ = stored(flat() + 0.02 * shaped((400, 380), 0.5), 12)
    wide, narrow = (
        estimate(codes, Scaling(0, 4095)),
        estimate(codes, Scaling(500, -1500)),
    )
    assert wide is not None
    assert narrow is not None
    assert narrow.usual * 1500 == pytest.approx(wide.usual * 4095, rel=0.02)


def test_too_much_is_told_rather_than_too_little():
    found = estimate(*stored(flat() + 0.02 * shaped((400, 380), 0.0), 12))
    assert found is not None
    level = np.array([0.4, 0.5])
    assert np.allclose(found.told(level), found.at(level) * MARGIN)
    assert (found.told(level) > 0.02).all()
    sigma, correlated = found.planes(level)
    assert np.allclose(correlated, sigma * found.correlation)


def test_the_level_is_the_mean_around_a_pixel():
    image = structure((1, 20, 18))
    padded = np.pad(image[0], 3, mode="edge")
    expected = padded[4:11, 6:13].mean()
    assert level_of(image)[0, 4, 6] == pytest.approx(expected)


@pytest.mark.skipif(not DETECTOR.is_dir(), reason="needs ../shared/data/detector")
def test_the_noise_of_a_real_detector_is_that_of_the_difference_of_two_exposures():
    first, second = (read(DETECTOR / f"exposure_{name}.png") for name in "ab")
    found = estimate(first.pixels[None], Scaling.of(first))
    assert found is not None
    a, b = (image.pixels.astype(float) / 65535 for image in (first, second))
    pure = (a - b) / np.sqrt(2)
    edges = np.quantile(a, np.linspace(0.05, 0.95, 8))
    for low, high in pairwise(edges):
        inside = (a >= low) & (a < high)
        truth = 1.4826 * np.median(np.abs(pure[inside] - np.median(pure[inside])))
        assert found.at(np.array([(low + high) / 2]))[0] == pytest.approx(
            truth, rel=0.16
        )
    assert found.correlation == pytest.approx(0.24, abs=0.05)


def test_a_faint_noise_amid_detail_is_measured_but_not_told():
    """This noise is the texture of a sharper image; a network would remove it."""
    detail = anatomy() + 0.02 * shaped((400, 380), 0.6) * (np.arange(380) % 40 > 13)
    found = estimate(*stored(detail + 0.003 * shaped((400, 380), 0.4, 1), 12))
    assert found is not None
    assert found.weight == 0
    assert not found.told(np.array([0.5])).any()


@pytest.mark.parametrize("width_px", WIDTHS_PX)
def test_the_same_faint_noise_is_told_where_there_is_nothing_else(width_px):
    found = estimate(*stored(flat() + 0.003 * shaped((400, 380), width_px), 12))
    assert found is not None
    assert found.share > 0.95
    assert found.weight == 1


def test_a_strong_noise_is_told_amid_any_detail():
    detail = anatomy() + 0.05 * shaped((400, 380), 0.6) * (np.arange(380) % 40 > 13)
    found = estimate(*stored(detail + 0.03 * shaped((400, 380), 0.4, 1), 12))
    assert found is not None
    assert found.weight == 1


def test_a_small_image_has_enough_levels():
    """Its noise differs sevenfold between dark and bright; two levels would hide it."""
    random = np.random.default_rng(0)
    level = np.linspace(0.1, 0.9, 110)[:, None] + np.zeros(126)
    sigma = 0.01 * 7 ** ((level - 0.1) / 0.8)
    codes = np.rint((level + sigma * random.normal(size=level.shape)) * 4095)
    found = estimate(codes.clip(0, 4095)[None].astype(np.uint16), Scaling(0, 4095))
    assert found is not None
    for at in (0.2, 0.5, 0.8):
        truth = 0.01 * 7 ** ((at - 0.1) / 0.8)
        assert found.at(np.array([at]))[0] == pytest.approx(truth, rel=0.3)


SMALL = [(50, 50), (56, 48), (100, 90)]


def small_chest(shape, seed=0):
    """A chest reduced to few pixels: its lungs are full of the finest structure."""
    frequency = np.hypot(*np.ix_(*(np.fft.fftfreq(side) for side in shape)))
    frequency[0, 0] = 1
    white = np.fft.fft2(np.random.default_rng(seed).normal(size=shape))
    texture = np.fft.ifft2(white / frequency**1.5).real
    down, across = np.ix_(*(np.arange(side) / side for side in shape))
    lungs = sum(
        np.exp(-((((down - 0.5) / 0.28) ** 2 + ((across - x) / 0.16) ** 2) ** 2))
        for x in (0.28, 0.72)
    )
    body = 0.75 - 0.45 * lungs - 0.4 * (np.abs(across - 0.5) > 0.46)
    return body + (0.004 + 0.05 * lungs) * texture / texture.std()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", SMALL)
def test_the_structure_of_a_small_image_is_no_noise(shape, seed):
    found = estimate(*stored(small_chest(shape, seed), 8))
    assert found is None or not found.is_told


@pytest.mark.parametrize("sigma", [0.02, 0.04])
@pytest.mark.parametrize("width_px", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("shape", SMALL)
def test_the_noise_of_a_small_image_is_told(shape, width_px, sigma):
    """It differs fourfold between the lungs and the abdomen."""
    clean = small_chest(shape)
    noisy = clean + law(clean, sigma) * shaped(shape, width_px)
    found = estimate(*stored(noisy, 8))
    assert found is not None
    assert found.weight == 1
    ratio = found.told(clean) / law(clean, sigma)
    assert 0.95 < np.median(ratio) < 1.5
    assert np.quantile(ratio, 0.1) > 0.9


@pytest.mark.parametrize(
    ("share", "told", "allowed"),
    [(0.95, 0.005, 0.005), (0.6, 0, 0.005), (0.45, 0, 0.005), (0.3, 0, 0)],
)
def test_a_disagreement_is_allowed_though_the_noise_is_not_told(share, told, allowed):
    """Unless hardly a block of the image shows only noise."""
    noise = Noise((0.5,), (0.005 / MARGIN,), 0.0, share)
    level = np.array([0.5])
    assert noise.told(level) == pytest.approx(told)
    assert noise.allowed(level) == pytest.approx(allowed)
