"""Define the losses of training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pytorch_msssim.ssim import _fspecial_gauss_1d, _ssim
from torch import Tensor
from torch.nn import functional

from cxr_sr.evaluation.metrics import LEVEL_WEIGHTS

Loss = Callable[[Tensor, Tensor], Tensor]
"""A function of output and target, both (N, C, H, W) in units; it returns a scalar, 0
for equal images."""

WINDOW_PX = 11
WINDOW_SIGMA_PX = 1.5
"""The window of Wang et al., IEEE TIP 13 (2004)."""
CHARBONNIER_EPSILON = 1e-3
LEAST_CONTRAST = 1e-4
"""Least value of the term of a level; at 0, the slope of its power is infinite."""


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
    """Return the number of levels that fit an image with a shorter side of `side_px`.

    Each level halves the image, and the window of 11 px must fit into the last level:
    five levels need more than 160 px, four levels 80 px, three levels 40 px.
    """
    fitting = (
        n
        for n in range(len(LEVEL_WEIGHTS), 0, -1)
        if side_px > (WINDOW_PX - 1) * 2 ** (n - 1)
    )
    return next(fitting, 0)


def ms_ssim(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean multi-scale structural similarity of unit images.

    If five levels do not fit, the function uses fewer levels, and scales their weights
    to the same sum (see `ms_ssim_levels`). `ms_ssim` of pytorch-msssim refuses such
    images, so this function combines the levels itself.

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
    """Return 0.6 MAE + 0.4 (1 - MS-SSIM), the loss of the paper behind `hydra`."""
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
