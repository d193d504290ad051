"""Measure the similarity of two images: PSNR, SSIM and MS-SSIM, with numpy only.

All functions take two arrays (H, W) of the same shape and any real type, in the units
of `data_range`: the difference between the largest and the smallest possible value.
They compute in float64, in strips that fit into the processor's cache.

References
----------
Z. Wang et al., "Image quality assessment: from error visibility to structural
similarity", IEEE TIP 2004, 13(4):600-612 (SSIM). Z. Wang, E. P. Simoncelli and
A. C. Bovik, "Multiscale structural similarity for image quality assessment",
Asilomar 2003 (MS-SSIM).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

AnyImage = NDArray[Any]

WINDOW = 11
"""Width in pixels of the Gaussian window."""
SIGMA_PX = 1.5
K1, K2 = 0.01, 0.03
"""Constants that keep the ratios finite, as shares of the range (Wang 2004, III-C)."""
LEVEL_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Wang 2003, section 3.2: the exponents of the five levels, finest first."""
MS_SSIM_MINIMUM_PX = (WINDOW - 1) * 2 ** (len(LEVEL_WEIGHTS) - 1) + 1
"""Least side for MS-SSIM, px; below 161 px, no window fits into the coarsest level."""
STRIP_ROWS = 32


def psnr(reference: AnyImage, image: AnyImage, data_range: float) -> float:
    """Return the peak signal-to-noise ratio in dB; infinite for equal images."""
    difference = np.subtract(reference, image, dtype=np.float64)
    error = float(np.mean(np.square(difference, out=difference)))
    return 10 * math.log10(data_range**2 / error) if error else math.inf


def ssim(reference: AnyImage, image: AnyImage, data_range: float) -> float:
    """Return the mean structural similarity, at most 1.

    The Gaussian window is 11 pixels wide with a sigma of 1.5. Only windows completely
    inside the image count. Variances are population variances. Both sides must be at
    least 11 pixels.
    """
    return _similarity(reference, image, data_range)[0]


def ssim_and_ms_ssim(
    reference: AnyImage, image: AnyImage, data_range: float
) -> tuple[float, float]:
    """Return `ssim` and the multi-scale structural similarity (0 to 1, five levels).

    Both sides must be at least `MS_SSIM_MINIMUM_PX`. Each level halves the one before
    by 2 x 2 means. An odd side first gets a line of zeros, as in pytorch-msssim. This
    darkens the border a little, but published numbers and our training loss do it, too.
    """
    first, contrast = _similarity(reference, image, data_range)
    product = max(contrast, 0.0) ** LEVEL_WEIGHTS[0]
    for level, weight in enumerate(LEVEL_WEIGHTS[1:], start=2):
        reference, image = _halved(reference), _halved(image)
        whole, contrast = _similarity(reference, image, data_range)
        last = level == len(LEVEL_WEIGHTS)
        product *= max(whole if last else contrast, 0.0) ** weight
    return first, product


def _similarity(
    reference: AnyImage, image: AnyImage, data_range: float
) -> tuple[float, float]:
    """Return the means of the SSIM map and of its contrast-structure factor."""
    margin = WINDOW - 1
    rows = reference.shape[0] - margin
    totals = np.zeros(2)
    for start in range(0, rows, STRIP_ROWS):
        part = slice(start, start + STRIP_ROWS + margin)
        totals += _strip_sums(reference[part], image[part], data_range)
    luminance_too, contrast = totals / (rows * (reference.shape[1] - margin))
    return float(luminance_too), float(contrast)


def _strip_sums(
    reference: AnyImage, image: AnyImage, data_range: float
) -> NDArray[np.float64]:
    """Return the sums over one strip of SSIM and of its contrast-structure factor."""
    x = np.multiply(reference, 1 / data_range, dtype=np.float64)
    y = np.multiply(image, 1 / data_range, dtype=np.float64)
    mean_x, mean_y, squares, product = _gaussian_means(
        np.stack([x, y, x * x + y * y, x * y])
    )
    means, mean_squares = mean_x * mean_y, mean_x**2 + mean_y**2
    # Only the sum of both variances is needed, so four windowed maps are enough.
    contrast = (2 * (product - means) + K2**2) / (squares - mean_squares + K2**2)
    luminance = (2 * means + K1**2) / (mean_squares + K1**2)
    return np.array([(luminance * contrast).sum(), contrast.sum()])


def _gaussian_means(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Gaussian means of `maps` (N, H, W) where the window fits."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    taps = np.exp(-0.5 * (offsets / SIGMA_PX) ** 2)
    taps /= taps.sum()
    rows, columns = maps.shape[1] - WINDOW + 1, maps.shape[2] - WINDOW + 1
    down = _weighted([maps[:, k : k + rows] for k in range(WINDOW)], taps)
    return _weighted([down[:, :, k : k + columns] for k in range(WINDOW)], taps)


def _weighted(
    parts: list[NDArray[np.float64]], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    total: NDArray[np.float64] = parts[0] * weights[0]
    term = np.empty_like(total)
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        total += np.multiply(part, weight, out=term)
    return total


def _halved(image: AnyImage) -> NDArray[np.float64]:
    """Return 2 x 2 means; an odd side first gets a row or column of zeros."""
    padded = np.pad(image, [(side % 2, 0) for side in image.shape]).astype(np.float64)
    pairs = padded[::2] + padded[1::2]
    quarters: NDArray[np.float64] = (pairs[:, ::2] + pairs[:, 1::2]) / 4
    return quarters
