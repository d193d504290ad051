"""The losses: known values, known references, and gradients that stay finite."""

from __future__ import annotations

import itertools

import pytest
import pytorch_msssim
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cxr_sr.evaluation.metrics import LEVEL_WEIGHTS
from cxr_sr.training.losses import (
    LOSSES,
    charbonnier,
    mae,
    mae_and_ms_ssim,
    ms_ssim,
    ms_ssim_levels,
    mse,
)


def pair(
    side: int = 176, channels: int = 1, grain: float = 0.05
) -> tuple[Tensor, Tensor]:
    """A soft target and the same with grain, (2, C, side, side)."""
    random = torch.Generator().manual_seed(side)
    ramp = torch.linspace(0, 9, side).sin().mul(0.3).add(0.5)
    target = (ramp[:, None] * ramp).expand(2, channels, side, side)
    grained = target + grain * torch.randn(target.shape, generator=random)
    return grained, target.clone()


@pytest.mark.parametrize("name", LOSSES)
def test_equal_images_lose_nothing(name: str):
    _, target = pair()
    assert float(LOSSES[name](target, target)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_worse_image_loses_more(name: str):
    better, target = pair(grain=0.02)
    worse, _ = pair(grain=0.1)
    assert LOSSES[name](worse, target) > LOSSES[name](better, target) > 0


def test_a_uniform_error_has_its_known_values():
    target = torch.full((1, 1, 24, 24), 0.5)
    output = target + 0.1
    assert float(mae(output, target)) == pytest.approx(0.1)
    assert float(mse(output, target)) == pytest.approx(0.01)
    expected = (0.1**2 + 1e-6) ** 0.5 - 1e-3
    assert float(charbonnier(output, target)) == pytest.approx(expected)


def test_ms_ssim_of_a_uniform_error_is_its_luminance_term():
    """Flat images agree in contrast; luminance counts at the last level alone."""
    target = torch.full((1, 1, 176, 176), 0.5, dtype=torch.float64)
    luminance = (2 * 0.6 * 0.5 + 1e-4) / (0.6**2 + 0.5**2 + 1e-4)
    found = float(ms_ssim(target + 0.1, target))
    assert found == pytest.approx(luminance ** LEVEL_WEIGHTS[-1], abs=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [161, 176, 192])
def test_ms_ssim_is_the_published_one(side: int, channels: int):
    """pytorch-msssim as a whole agrees where all five levels fit."""
    output, target = pair(side, channels)
    reference = pytorch_msssim.ms_ssim(output, target, data_range=1)
    assert float(ms_ssim(output, target)) == pytest.approx(float(reference), abs=1e-5)


def test_one_level_of_ms_ssim_is_ssim():
    output, target = pair(20)
    reference = pytorch_msssim.ssim(output, target, data_range=1)
    expected = float(reference) ** sum(LEVEL_WEIGHTS)
    assert float(ms_ssim(output, target)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("side", "levels"),
    [(161, 5), (160, 4), (81, 4), (80, 3), (41, 3), (40, 2), (20, 1), (11, 1), (10, 0)],
)
def test_as_many_levels_are_used_as_fit(side: int, levels: int):
    assert ms_ssim_levels(side) == levels


def test_an_image_smaller_than_the_window_is_refused():
    with pytest.raises(ValueError, match="at least 11 px"):
        ms_ssim(torch.zeros(1, 1, 10, 40), torch.zeros(1, 1, 10, 40))


def test_the_papers_loss_weighs_mae_and_ms_ssim_six_to_four():
    output, target = pair()
    expected = 0.6 * mae(output, target) + 0.4 * (1 - ms_ssim(output, target))
    assert float(mae_and_ms_ssim(output, target)) == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("name", "start"), list(itertools.product(LOSSES, ["equal", "inverted", "flat"]))
)
def test_gradients_are_finite_wherever_training_may_start(name: str, start: str):
    """MS-SSIM's fractional powers have an infinite slope at zero contrast."""
    _, target = pair(48)
    output = {"equal": target, "inverted": 1 - target, "flat": 0 * target}[start]
    output = output.clone().requires_grad_()
    LOSSES[name](output, target).backward()
    assert output.grad is not None
    assert torch.isfinite(output.grad).all()


@given(st.floats(0.05, 0.9), st.sampled_from(sorted(LOSSES)))
def test_a_loss_never_rises_on_the_way_to_the_target(part: float, name: str):
    output, target = pair(24)
    nearer = target + part * (output - target)
    assert LOSSES[name](nearer, target) <= LOSSES[name](output, target)
