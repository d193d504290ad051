"""Compute the strong parts of an image again with less gain.

The gain of an image (see `gain`) suits its usual detail. The edges of markers, text and
collimators are many times stronger. There, int8 saturates, and the residual is large.
Such edges are few, so it costs little to compute their neighbourhood again. Less gain
for the whole image would lose detail everywhere.

Each pixel depends only on pixels within `SPREAD_PX`, so tiles do not change the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cxr_sr.superres.tiling import Part, Tile, with_halo

Array = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

MORE_GAIN = 2.0
"""First gain of an image, as a multiple of the gain in training. It gives detail one
bit more. With 4, up to the whole image is computed again, for 0.02 dB; and at x2, codes
saturate without a large residual."""
SPREAD_PX = 4
"""Distance in input pixels to which a saturated code has an effect."""
LESS = 0.25
"""Gain of each further computation, as a share of the previous gain."""
MOST_TIMES = 8
"""Largest number of further computations. The last gain is the first divided by
65,536."""
CELL_PX = 16
"""Side of a cell. Whole cells are computed again, so tiles have few different shapes:
an engine needs time to prepare for each new shape."""


def without_saturation(
    network: Callable[[Array], Array],
    image: Array,
    gain: float,
    radius_px: int,
    limit: float,
) -> Array:
    """Return the residual of an image; compute its strong parts with less gain.

    Parameters
    ----------
    network : returns the residual (N, C, s h, s w) of (N, C, h, w), both in units times
        the gain
    image : (N, C, h, w) units
    gain : the first gain, a power of two
    radius_px : radius of the network's receptive field, in input pixels
    limit : a residual above this limit, in units times the gain, is computed again

    Returns
    -------
    (N, C, s h, s w) units
    """
    residual = _residual(network, image, gain)
    scale = residual.shape[-1] // image.shape[-1]
    strong = _strong(residual, limit / gain, scale)
    for _ in range(MOST_TIMES):
        if not strong.any():
            break
        gain *= LESS
        around = _spread(strong)
        for tile in _tiles(around, radius_px):
            found = _residual(network, image[..., *tile.padded], gain)
            fine = around[tile.core].repeat(scale, 0).repeat(scale, 1)
            target = residual[..., *tile.target(scale)]
            np.copyto(target, found[..., *tile.inner(scale)], where=fine)
        strong &= _strong(residual, limit / gain, scale)
    return residual


def _residual(network: Callable[[Array], Array], image: Array, gain: float) -> Array:
    if gain == 1:
        return network(image)
    residual = network(image * image.dtype.type(gain))
    return residual / residual.dtype.type(gain)


def _strong(residual: Array, most: float, scale: int) -> Mask:
    """Return a mask (h, w) of the input pixels with a residual that is too large."""
    rows, columns = (side // scale for side in residual.shape[-2:])
    if max(residual.max(initial=0), -residual.min(initial=0)) <= most:
        return np.zeros((rows, columns), bool)  # the usual case
    large = _any(np.abs(residual) > most, (0, 1))
    return _any(large.reshape(rows, scale, columns, scale), (1, 3))


def _spread(strong: Mask) -> Mask:
    """Return the mask grown by `SPREAD_PX` on all sides."""
    width = 2 * SPREAD_PX + 1
    padded = np.pad(strong, SPREAD_PX)
    down = _any(sliding_window_view(padded, width, 0), (-1,))
    return _any(sliding_window_view(down, width, 1), (-1,))


def _tiles(around: Mask, radius_px: int) -> Iterator[Tile]:
    """Yield tiles of whole cells that cover a mask; one tile of all if that is less."""
    rows, columns = around.shape
    boxes = list(_boxes(_cells(around)))
    areas = [np.prod([s.stop - s.start + 2 * radius_px for s in box]) for box in boxes]
    if sum(areas) >= around.size:
        boxes = [np.s_[:rows, :columns]]
    for down, across in boxes:
        core = slice(*down.indices(rows)[:2]), slice(*across.indices(columns)[:2])
        yield with_halo(core, (rows, columns), radius_px)


def _cells(around: Mask) -> Mask:
    """Return a mask of the cells that hold a pixel of a mask (h, w)."""
    margins = [(0, -side % CELL_PX) for side in around.shape]
    padded = np.pad(around, margins)
    rows, columns = (side // CELL_PX for side in padded.shape)
    return _any(padded.reshape(rows, CELL_PX, columns, CELL_PX), (1, 3))


def _boxes(cells: Mask) -> Iterator[Part]:
    """Yield the bounding box, in pixels, of each group of neighbouring cells."""
    left = {(int(row), int(column)) for row, column in np.argwhere(cells)}
    while left:
        group, front = [], [left.pop()]
        while front:
            row, column = front.pop()
            group.append((row, column))
            beside = product(range(row - 1, row + 2), range(column - 1, column + 2))
            near = left.intersection(beside)
            left -= near
            front.extend(near)
        rows, columns = (
            slice(min(n) * CELL_PX, (max(n) + 1) * CELL_PX)
            for n in zip(*group, strict=True)
        )
        yield rows, columns


def _any(values: Mask, axes: tuple[int, ...]) -> Mask:
    found: Mask = np.logical_or.reduce(values, axes)
    return found
