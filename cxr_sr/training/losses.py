"""The losses of training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pytorch_msssim.ssim import _fspecial_gauss_1d, _ssim
from torch import Tensor
from torch.nn import functional

from cxr_sr.evaluation.metrics import LEVEL_WEIGHTS

Loss = Callable[[Tensor, Tensor], Tensor]
"""Takes output and target, both (N, C, H, W) in units; returns a scalar, 0 if equal."""

WINDOW_PX = 11
WINDOW_SIGMA_PX = 1.5
"""The window of Wang et al., IEEE TIP 13 (2004)."""
CHARBONNIER_EPSILON = 1e-3
LEAST_CONTRAST = 1e-4
"""Least value of a level's term: the slope of its fractional power is infinite at 0."""


def mae(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute error."""
    return (output - target).abs().mean()


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error."""
    return (output - target).square().mean()


def charbonnier(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean of sqrt(error^2 + 1e-6) - 1e-3: MAE, smooth around zero.

    References
    ----------
    P. Charbonnier et al., ICIP 1994.
    """
    error = (output - target).square() + CHARBONNIER_EPSILON**2
    return error.sqrt().mean() - CHARBONNIER_EPSILON


def ms_ssim_levels(side_px: int) -> int:
    """Return how many of the five levels fit an image whose shorter side is `side_px`.

    Each level halves the image, and the 11-px window must fit the last: five levels
    need more than 160 px, four more than 80, three more than 40.
    """
    fitting = (
        n
        for n in range(len(LEVEL_WEIGHTS), 0, -1)
        if side_px > (WINDOW_PX - 1) * 2 ** (n - 1)
    )
    return next(fitting, 0)


def ms_ssim(output: Tensor, target: Tensor) -> Tensor:
    """Return the multi-scale structural similarity of unit images, averaged over all.

    If five levels do not fit, fewer are used, and their weights are scaled to the same
    sum (see `ms_ssim_levels`). pytorch-msssim's own `ms_ssim` refuses such images, so
    this function combines its levels.

    Raises
    ------
    ValueError
        If a side is shorter than the window of 11 px.

    References
    ----------
    Z. Wang, E. P. Simoncelli, A. C. Bovik, Asilomar 2003.
    """
    levels = ms_ssim_levels(min(target.shape[-2:]))
    if not levels:
        message = f"MS-SSIM needs at least 11 px a side, not {tuple(target.shape)}"
        raise ValueError(message)
    rescale = sum(LEVEL_WEIGHTS) / sum(LEVEL_WEIGHTS[:levels])
    shares = [weight * rescale for weight in LEVEL_WEIGHTS[:levels]]
    window = _fspecial_gauss_1d(WINDOW_PX, WINDOW_SIGMA_PX)
    window = window.to(target.dtype).expand(target.shape[1], 1, 1, WINDOW_PX)
    result = torch.ones(target.shape[:2], dtype=target.dtype, device=target.device)
    for level, share in enumerate(shares):
        similarity, contrast = _ssim(output, target, 1.0, window)
        term = similarity if level == levels - 1 else contrast
        result = result * term.clamp_min(LEAST_CONTRAST) ** share
        output, target = _halved(output), _halved(target)
    return result.mean()


def one_minus_ms_ssim(output: Tensor, target: Tensor) -> Tensor:
    """Return 1 - MS-SSIM."""
    return 1 - ms_ssim(output, target)


def mae_and_ms_ssim(output: Tensor, target: Tensor) -> Tensor:
    """Return 0.6 MAE + 0.4 (1 - MS-SSIM), the founding paper's loss."""
    return 0.6 * mae(output, target) + 0.4 * one_minus_ms_ssim(output, target)


LOSSES: dict[str, Loss] = {
    "mae+ms-ssim": mae_and_ms_ssim,
    "mae": mae,
    "ms-ssim": one_minus_ms_ssim,
    "mse": mse,
    "charbonnier": charbonnier,
}


def _halved(image: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    return functional.avg_pool2d(image, 2, padding=(height % 2, width % 2))
