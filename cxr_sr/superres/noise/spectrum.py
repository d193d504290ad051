"""The noise power spectrum of an image, from the flattest of its DCT blocks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

BLOCK_PX = 8
MOST_BLOCKS = 40_000
"""More blocks take time and do not improve the estimate."""
LARGEST_STRIDE_PX = 64
LEVELS = 12
"""Groups of blocks of similar level."""
FLAT_SHARE = 0.08
"""Share of the blocks of each level that is used: the flattest."""
LEAST_BLOCKS = 24
"""With fewer blocks, no estimate is made. With 48, images of 100 px had one or two
levels, and the result of one of them lost 5 dB."""
FEW_BLOCKS = 1800
"""With fewer blocks, there are too few of each level: one spectrum is measured, and one
slope of the variance against level."""
CHI_MEDIAN = 0.4549
"""Median divided by mean of the energy of one DCT coefficient of Gaussian noise."""
FLATTEST_SHARE_OF_MEAN = 0.3
"""Mean low-frequency energy of the flattest blocks of pure noise, divided by that of
all its blocks."""
WIDEST_PX = 1.3
"""Sigma of the widest Gaussian that continues the spectrum to low frequencies."""

FREQUENCY = np.arange(BLOCK_PX)
BASIS = np.cos(np.pi * np.outer(FREQUENCY, 2 * FREQUENCY + 1) / (2 * BLOCK_PX))
BASIS *= np.where(FREQUENCY == 0, 1, np.sqrt(2))[:, None] / np.sqrt(BLOCK_PX)
BOTH_WAYS = np.kron(BASIS, BASIS).astype(np.float32)
"""The transform of a block as one matrix (64, 64)."""
ROWS = 32
"""Blocks in one product. OpenBLAS computes larger products with all processors. Its
threads then wait for more work for 20 ms, and slow down the engine of the network."""
LAG_ONE = (BASIS[:, 1:] * BASIS[:, :-1]).sum(1) * BLOCK_PX / (BLOCK_PX - 1)
"""Contribution of each frequency to the correlation of neighbouring pixels."""
RADIUS = np.hypot(*np.meshgrid(FREQUENCY, FREQUENCY))
SQUARED = (RADIUS / (2 * BLOCK_PX)) ** 2
"""Squared spatial frequency of each coefficient, in cycles a pixel."""
LOW = (RADIUS > 0) & (RADIUS < 2.5)
EDGES = (2.5, 3.5, 4.5, 5.5, 6.5, 8.0, 10.0)
BANDS = [(a <= RADIUS) & (b > RADIUS) for a, b in pairwise(EDGES)]
BAND_SQUARED = np.array([SQUARED[band].mean() for band in BANDS])
TRUST = np.array([1, 1, 1, 0.5, 0.15, 0.05])
"""Weight of each band in the continuation: the last bands hold rounding and leakage."""
REFERENCE = slice(1, 5)
"""The mean of these bands is the reference for the noise of a level."""
HIGH = np.logical_or.reduce(BANDS[REFERENCE])
LEAKAGE = (
    (0.0, 0.4, 0.6, 0.7, 0.75),
    (1.0, 1.02, 1.045, 1.085, 1.17),
)
"""Measured correlation, and true divided by measured standard deviation at it. A block
loses a part of noise that is wider than the block (simulated Gaussian noise)."""
CORRELATION_LEAKAGE = 1.13
"""True correlation divided by the measured one, for the same reason."""


def blocks_of(planes: NDArray[Any]) -> NDArray[Any]:
    """Return (n, 8, 8) stored values, spread evenly over the image."""
    rows, columns = planes.shape[1:]
    if min(rows, columns) < BLOCK_PX:
        return np.empty((0, BLOCK_PX, BLOCK_PX))
    stride = int(np.sqrt(rows * columns / MOST_BLOCKS))
    stride = min(max(stride, 3), LARGEST_STRIDE_PX)
    windows = sliding_window_view(planes, (BLOCK_PX, BLOCK_PX), (1, 2))
    chosen = windows[:, ::stride, ::stride].reshape(len(planes), -1, BLOCK_PX, BLOCK_PX)
    blocks: NDArray[Any] = chosen[0] if len(planes) == 1 else chosen.mean(0)
    return blocks


def energies(blocks: Array) -> tuple[Array, Array]:
    """Return the level (n,) and the energy (n, 8, 8) of blocks (n, 8, 8).

    A block has one energy for each frequency, in units squared.
    """
    values = blocks.reshape(len(blocks), -1)
    found = np.empty(values.shape, np.float32)
    for start in range(0, len(values), ROWS):
        part = slice(start, start + ROWS)
        np.matmul(values[part], BOTH_WAYS.T, out=found[part])
    level = found[:, 0] / BLOCK_PX
    return level, np.square(found, out=found).reshape(blocks.shape)


def sums_of(energy: Array, band: NDArray[np.bool_]) -> Array:
    """Return the sum of the energies (n,) of (n, 8, 8) in a band (8, 8)."""
    sums: Array = np.einsum("nij,ij->n", energy, band.astype(energy.dtype))
    return sums


def spectra(
    level: Array, energy: Array, most: int = LEVELS
) -> tuple[Array, Array, Array]:
    """Return the levels (L,), their band energies (L, B) and low energies (L,).

    `most` limits the number L of levels.
    """
    lowest = sums_of(energy, LOW)
    count = int(min(most, len(level) * FLAT_SHARE / LEAST_BLOCKS))
    groups = np.array_split(np.argsort(level, kind="stable"), max(1, count))
    rows = []
    for group in groups:
        flat = flattest(lowest, group, FLAT_SHARE, LEAST_BLOCKS)
        bands = [np.median(energy[flat][:, band]) / CHI_MEDIAN for band in BANDS]
        rows.append((np.median(level[flat]), bands, np.median(lowest[flat])))
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return columns[0], columns[1], columns[2] / LOW.sum()


def flattest(
    lows: Array, group: NDArray[np.intp], share: float, least: int
) -> NDArray[np.intp]:
    """Return the blocks of a group (indices) with the least low energies: a share."""
    kept = min(max(int(len(group) * share), least), len(group))
    flat: NDArray[np.intp] = group[np.argpartition(lows[group], kept - 1)[:kept]]
    return flat


def reference_of(bands: Array) -> Array:
    """Return the energy (L,) that stands for the noise of each level."""
    mean: Array = np.exp(np.log(np.maximum(bands[:, REFERENCE], 1e-12)).mean(1))
    return mean


def variance_and_correlation(bands: Array, lows: Array) -> tuple[float, float]:
    """Return the variance, the reference being 1, and the correlation of the noise."""
    reference = reference_of(bands)
    relative = np.median(np.maximum(bands, 1e-12) / reference[:, None], axis=0)
    shape = shape_of(relative, float(np.median(lows / reference)))
    total = shape.sum()
    across, down = ((LAG_ONE * shape.sum(axis)).sum() / total for axis in (0, 1))
    measured = float(across + down) / 2
    lost = float(np.interp(measured, *LEAKAGE)) ** 2
    correlation = min(max(measured * CORRELATION_LEAKAGE, -0.5), 0.95)
    return float(shape.mean()) * lost, correlation


def shape_of(bands: Array, low: float) -> Array:
    """Return the noise power spectrum (8, 8), its reference bands being 1.

    Parameters
    ----------
    bands : (B,) relative energy of each band
    low : relative energy at low frequencies, anatomy included
    """
    matrix = np.stack([np.ones_like(BAND_SQUARED), -BAND_SQUARED], 1)
    weighted = matrix * TRUST[:, None], np.log(bands) * TRUST
    steepness = float(np.linalg.lstsq(*weighted, rcond=None)[0][1])
    steepest = (2 * np.pi * WIDEST_PX) ** 2
    steepness = min(max(steepness, -steepest / 4), steepest)
    start = np.average(np.log(bands) + steepness * BAND_SQUARED, weights=TRUST)
    shape = np.exp(start - steepness * SQUARED)
    for band, measured in zip(BANDS, bands, strict=True):
        shape[band] = measured
    shape[LOW] = np.minimum(shape[LOW], low / FLATTEST_SHARE_OF_MEAN)
    shape[0, 0] = shape[0, 1]
    return shape
