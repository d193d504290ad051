"""Resample stored values to any size in one step, antialiased bicubic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.radiograph import PixelFormat
from cxr_sr.superres.canvas import STRIP_ROWS, canvas
from cxr_sr.superres.padding import Stored, avoid, padding_mask
from cxr_sr.superres.resample import keys

NEGLIGIBLE_PX = 0.05
"""If the farthest pixel would move by less, the image is not resampled."""


@dataclass(frozen=True)
class _Axis:
    """The inputs of each output along an axis, and their weights: (outputs, taps)."""

    index: NDArray[np.intp]
    weights: NDArray[np.float64]

    @classmethod
    def between(cls, source: int, target: int, factor: float) -> _Axis:
        """Return the taps of the Keys kernel, stretched to fewer outputs than inputs.

        The first output begins at the edge of the first input. The weights inside the
        image are renormalised at the edges, also for an output that is only in part
        inside the image.
        """
        ratio = 1 / factor
        stretch = max(ratio, 1.0)
        centres = (np.arange(target) + 0.5) * ratio - 0.5
        first = np.ceil(centres - 2 * stretch).astype(np.intp)
        index = first[:, None] + np.arange(int(4 * stretch) + 1)
        distance = (index - centres[:, None]) / stretch
        weights = np.vectorize(keys, otypes=[np.float64])(distance)
        weights[(index < 0) | (index >= source)] = 0
        weights /= weights.sum(axis=1, keepdims=True)
        return cls(index.clip(0, source - 1), weights)

    def __getitem__(self, outputs: slice) -> _Axis:
        return _Axis(self.index[outputs], self.weights[outputs])

    def apply_to_rows(self, image: NDArray[Any]) -> NDArray[np.float64]:
        """Resample the first axis of `image`."""
        result = np.zeros((len(self.index), *image.shape[1:]))
        for index, weight in zip(self.index.T, self.weights.T, strict=True):
            result += image[index] * weight.reshape(-1, *[1] * (image.ndim - 1))
        return result

    def nearest(self) -> NDArray[np.intp]:
        """Return the input nearest to each output."""
        best = self.weights.argmax(axis=1)
        return np.take_along_axis(self.index, best[:, None], axis=1)[:, 0]


def resize(
    fine: Stored,
    shape: tuple[int, int],
    fmt: PixelFormat,
    padding: tuple[int, int] | None,
    factors: tuple[float, float] | None = None,
) -> Stored:
    """Return stored values (H, W[, C]) resampled to `shape` (rows, columns).

    The resampling is antialiased bicubic, in strips. Padding does not mix with the
    image: the pixels beside it get its weight, and padding itself is resampled by
    nearest neighbour.

    Parameters
    ----------
    factors : number of outputs for one input, along columns and along rows; None: the
        edges of the image do not move
    """
    sizes = list(zip(fine.shape, shape, strict=False))
    wanted = factors or tuple(target / source for source, target in sizes)
    shifts = [n * f - m for (n, m), f in zip(sizes, wanted, strict=True)]
    if fine.shape[:2] == shape and max(map(abs, shifts)) < NEGLIGIBLE_PX:
        return fine
    rows, columns = (
        _Axis.between(*size, f) for size, f in zip(sizes, wanted, strict=True)
    )
    result = canvas((*shape, *fine.shape[2:]), fine.dtype)
    for start in range(0, shape[0], STRIP_ROWS):
        part = rows[start : start + STRIP_ROWS]
        result[start : start + STRIP_ROWS] = _strip(fine, part, columns, fmt, padding)
    return result


def _strip(
    fine: Stored,
    rows: _Axis,
    columns: _Axis,
    fmt: PixelFormat,
    padding: tuple[int, int] | None,
) -> Stored:
    top = rows.index.min()
    source = fine[top : rows.index.max() + 1]
    local = _Axis(rows.index - top, rows.weights)
    mask = padding_mask(source, padding)
    if mask is None:
        values = _both(source, local, columns)
    else:
        native = _both(~mask, local, columns)
        values = _both(np.where(mask, 0, source), local, columns)
        values /= np.where(native > 0.05, native, 1)
    codes = np.rint(values).clip(fmt.minimum, fmt.maximum).astype(fine.dtype)
    if padding is not None:
        avoid(codes, padding, fmt)
    if mask is not None:
        here = np.ix_(local.nearest(), columns.nearest())
        np.copyto(codes, source[here], where=mask[here])
    return codes


def _both(image: NDArray[Any], rows: _Axis, columns: _Axis) -> NDArray[np.float64]:
    vertical = rows.apply_to_rows(image)
    return columns.apply_to_rows(vertical.swapaxes(0, 1)).swapaxes(0, 1)
