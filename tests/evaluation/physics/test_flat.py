"""Noise amplification: fields of known noise, and models that do known things to it."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.degradations import Exposure, correlated
from cxr_sr.evaluation.evaluate import compare
from cxr_sr.evaluation.physics.flat import (
    BANDS,
    SIDE_PX,
    amplifications,
    band_power,
    flat_field,
    local_noise,
    spread_of,
)


def white(shape=(320, 320), seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@dataclasses.dataclass(frozen=True)
class Fake:
    """A contender whose result is a function of bicubic's."""

    name: str
    bicubic: Any
    change: Any

    def upscale(self, coarse, scale):
        plain = self.bicubic.upscale(coarse, scale)
        mean = plain.pixels.mean()
        changed = mean + self.change(plain.pixels - mean)
        return plain.replace(pixels=np.rint(changed).astype(np.uint16))


@pytest.fixture(scope="module")
def bicubic():
    return compare([], [Condition(2)]).contenders[0]


def of(bicubic, change, exposure=None):
    fake: Any = Fake("fake", bicubic, change)
    (found,) = amplifications([bicubic, fake], 2, [exposure or Exposure()])
    return found


class TestFlatField:
    @pytest.mark.parametrize("width", [0.0, 0.6, 1.2])
    def test_its_noise_is_that_of_its_quanta(self, width):
        field = flat_field(Exposure(2.5, width))
        assert field.shape == (SIDE_PX, SIDE_PX)
        unit = field.pixels / 4095
        quanta = 2000 * 10 ** (-1.5 * 0.5)
        sigma = np.sqrt(quanta + 25) / quanta / np.log(10) / 1.5
        assert unit.mean() == pytest.approx(0.5, abs=0.005)
        assert unit.std() == pytest.approx(sigma, rel=0.05)

    def test_each_has_noise_of_its_own(self):
        one, two = (flat_field(Exposure(), seed) for seed in (0, 1))
        assert not np.array_equal(one.pixels, two.pixels)


class TestBandPower:
    def test_white_noise_has_the_same_in_every_band(self):
        powers = np.mean([band_power(white(seed=k), 2) for k in range(4)], axis=0)
        assert powers / powers.mean() == pytest.approx(1, abs=0.1)

    @pytest.mark.parametrize("scale", [2, 4])
    @pytest.mark.parametrize("band", range(4))
    def test_a_wave_is_found_in_its_band_of_the_inputs_frequencies(self, scale, band):
        cycles = (BANDS[band] + min(BANDS[band + 1], 0.9)) / 2 / scale
        wave = np.sin(2 * np.pi * cycles * np.arange(320))
        powers = band_power(np.broadcast_to(wave, (320, 320)), scale)
        assert powers.argmax() == band
        assert powers[band] > 100 * np.delete(powers, band).max()

    def test_a_constant_can_be_divided_by(self):
        assert (band_power(np.full((64, 64), 3.0), 2) > 0).all()


class TestSpread:
    def test_even_noise_has_what_chance_gives(self):
        """The standard deviation of n values varies by 1 / sqrt(2 n)."""
        assert spread_of(local_noise(white((640, 640)))) == pytest.approx(
            1 / 45.25, rel=0.15
        )

    def test_erased_patches_raise_it(self):
        blotched = white((640, 640))
        blotched[:, 256:384] = 0
        even = local_noise(white((640, 640)))
        assert spread_of(local_noise(blotched)) > 10 * spread_of(even)

    def test_no_noise_has_none(self):
        assert spread_of(local_noise(np.full((64, 64), 7))) == 0


class TestAmplification:
    def test_bicubic_itself_amplifies_nothing(self, bicubic):
        same = of(bicubic, lambda noise: noise)
        assert same.power == pytest.approx([1, 1, 1, 1])
        assert same.spread == same.bicubic_spread

    def test_twice_the_noise_has_four_times_the_power_in_every_band(self, bicubic):
        double = of(bicubic, lambda noise: 2 * noise, Exposure(1, 0.6))
        assert double.power == pytest.approx([4, 4, 4, 4], rel=0.02)
        assert double.spread == pytest.approx(double.bicubic_spread, rel=0.02)
        assert double.unevenness == pytest.approx(2, rel=0.02)
        assert (double.dose_ugy, double.noise_width_px) == (1, 0.6)

    def test_smoothing_is_seen_in_the_fine_bands(self, bicubic):
        soft = of(bicubic, lambda noise: correlated(noise, 2.0) / np.sqrt(8 * np.pi))
        assert soft.power[0] > 0.2
        assert soft.power[2] < 0.1
        assert soft.power[3] < 0.01

    def test_blotches_are_seen_in_the_spread(self, bicubic):
        def patchwise(noise):
            noise[:, 150:250] = 0
            return noise

        blotched = of(bicubic, patchwise)
        assert blotched.spread > 3 * blotched.bicubic_spread
        assert blotched.unevenness > 3

    def test_what_is_left_of_erased_noise_is_no_blotch(self, bicubic):
        def nearly_erased(noise):
            noise = 0.05 * noise
            noise[:, 150:250] = 0
            return noise

        erased = of(bicubic, nearly_erased)
        assert erased.spread > 3 * erased.bicubic_spread
        assert erased.unevenness < 0.5

    def test_lanczos_amplifies_fine_noise(self):
        contenders = compare(["lanczos"], [Condition(2)]).contenders
        (lanczos,) = amplifications(contenders, 2, [Exposure(2.5, 0.6)])
        assert lanczos.model == "lanczos"
        assert lanczos.power[0] == pytest.approx(1, abs=0.02)
        assert 1.1 < lanczos.power[2] < 1.5
