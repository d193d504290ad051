"""Compute the strong parts of an image again with less gain.

The gain of an image (see `gain`) suits its usual detail. The edges of markers, text and
collimators are many times stronger, and there int8 saturates. Such edges are few, so it
costs little to compute their neighbourhood again. Less gain for the whole image would
lose detail everywhere. A part is strong if its residual is large, or if neighbouring
pixels differ much: where the first layers saturate, the residual may be small.

Each pixel depends only on pixels within `SPREAD_PX`, so tiles do not change the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cxr_sr.superres.tiling import Part, Tile, with_halo

Array = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

STRONG_STEP = 0.35
"""Largest difference of neighbours, in units times the gain, that does not saturate.
In training, too, crops with a larger difference get less gain. Without this limit, real
radiographs with steep edges lost 0.5 to 5 dB."""
AGAIN_STEP = STRONG_STEP / 2
"""The same for a part that is computed again. A long edge, as of a collimator, has
larger activations than the edges of the training images."""
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
NEW_SHAPE_PX = 5_000
"""Work of an engine to prepare for a new shape, as a number of pixels to compute.
Measured with OpenVINO for `fine`."""


def without_saturation(
    network: Callable[[Array], Array],
    image: Array,
    gain: float,
    radius_px: int,
    limit: float,
    wanted: Part | None = None,
) -> Array:
    """Return the residual of an image; compute its strong parts with less gain.

    Parameters
    ----------
    network : returns the residual (N, C, s h, s w) of (N, C, h, w), both in units times
        the gain
    image : (N, C, h, w) units
    gain : the first gain, a power of two
    radius_px : radius of the network's receptive field, in input pixels
    limit : a residual above this limit, in units times the gain, is computed again, and
        a difference of neighbours above `STRONG_STEP` or `AGAIN_STEP`
    wanted : (rows, columns) of the image whose residual the caller uses; elsewhere,
        strong parts may stay as they are. None: all

    Returns
    -------
    (N, C, s h, s w) units
    """
    residual = _residual(network, image, gain)
    scale = residual.shape[-1] // image.shape[-1]
    steps, seen = _steps(image), _seen(wanted, image.shape[-2:])
    strong = seen & _strong(residual, steps, (limit, STRONG_STEP), gain)
    for _ in range(MOST_TIMES):
        if not strong.any():
            break
        gain *= LESS
        around = _spread(strong) & seen
        for tile in _tiles(around, radius_px):
            found = _residual(network, image[..., *tile.padded], gain)
            fine = around[tile.core].repeat(scale, 0).repeat(scale, 1)
            target = residual[..., *tile.target(scale)]
            np.copyto(target, found[..., *tile.inner(scale)], where=fine)
        strong &= _strong(residual, steps, (limit, AGAIN_STEP), gain)
    return residual


def _residual(network: Callable[[Array], Array], image: Array, gain: float) -> Array:
    if gain == 1:
        return network(image)
    residual = network(image * image.dtype.type(gain))
    return residual / residual.dtype.type(gain)


def _strong(
    residual: Array, steps: Array, limits: tuple[float, float], gain: float
) -> Mask:
    """Return a mask (h, w) of the input pixels that saturate with a gain.

    Parameters
    ----------
    residual : (N, C, s h, s w) units
    steps : (h, w) units; see `_steps`
    limits : largest residual and largest step, in units times the gain
    """
    most, most_step = (limit / gain for limit in limits)
    strong: Mask = steps > most_step
    if max(residual.max(initial=0), -residual.min(initial=0)) <= most:
        return strong  # the usual case
    large = _any(np.abs(residual) > most, (0, 1))
    rows, columns = steps.shape
    scale = large.shape[1] // columns
    # Rows first: they lie together in memory.
    by_row = _any(large.reshape(rows, scale, columns * scale), (1,))
    strong |= _any(by_row.reshape(rows, columns, scale), (2,))
    return strong


def _steps(image: Array) -> Array:
    """Return (h, w): the largest difference of each pixel of (N, C, h, w) to the next.

    The next pixels are those above, below, left and right; planes count together.
    """
    found: Array = np.zeros(image.shape[-2:], image.dtype)
    for turned, planes in ((found, image), (found.T, image.swapaxes(2, 3))):
        step = np.abs(np.diff(planes, axis=2)).max((0, 1))
        np.maximum(turned[:-1], step, out=turned[:-1])
        np.maximum(turned[1:], step, out=turned[1:])
    return found


def _seen(wanted: Part | None, shape: tuple[int, ...]) -> Mask:
    """Return a mask of `shape` of the pixels that the result of `wanted` depends on.

    A pixel is computed again if a pixel near it is strong, so those count, too.
    """
    if wanted is None:
        return np.ones(shape, bool)
    mask = np.zeros(shape, bool)
    mask[with_halo(wanted, (shape[0], shape[1]), SPREAD_PX).padded] = True
    return mask


def _spread(strong: Mask) -> Mask:
    """Return the mask grown by `SPREAD_PX` on all sides."""
    width = 2 * SPREAD_PX + 1
    padded = np.pad(strong, SPREAD_PX)
    down = _any(sliding_window_view(padded, width, 0), (-1,))
    return _any(sliding_window_view(down, width, 1), (-1,))


def _tiles(around: Mask, radius_px: int) -> Iterator[Tile]:
    """Yield tiles of whole cells that cover a mask, with little work."""
    shape = around.shape
    cells = _cells(around)
    everywhere = slice(0, cells.shape[0]), slice(0, cells.shape[1])
    for box in _least_work(cells, everywhere, 2 * radius_px)[1]:
        rows, columns = (
            slice(s.start * CELL_PX, min(s.stop * CELL_PX, n))
            for s, n in zip(box, shape, strict=True)
        )
        yield with_halo((rows, columns), shape, radius_px)


def _cells(around: Mask) -> Mask:
    """Return a mask of the cells that hold a pixel of a mask (h, w)."""
    margins = [(0, -side % CELL_PX) for side in around.shape]
    padded = np.pad(around, margins)
    rows, columns = (side // CELL_PX for side in padded.shape)
    return _any(padded.reshape(rows, CELL_PX, columns, CELL_PX), (1, 3))


def _least_work(cells: Mask, part: Part, margin: int) -> tuple[int, list[Part]]:
    """Cover the cells of a mask in `part` with boxes; return the work and the boxes.

    A box is cut in two if the boxes of both halves are less work than the whole box.
    Otherwise the frame of a collimator would be one box, and most of it empty.

    Parameters
    ----------
    cells : mask of cells
    part : (rows, columns) of `cells`
    margin : rows, and columns, in pixels, that are computed in addition to a box

    Returns
    -------
    The work as a number of pixels; and the boxes, as (rows, columns) of cells
    """
    rows, columns = _bounds(cells, part)
    inside = cells[rows, columns]
    whole = int(_work(inside, margin)[-1])
    least = (CELL_PX + margin) ** 2 + NEW_SHAPE_PX
    if whole <= 2 * least:
        return whole, [(rows, columns)]
    (down, by_rows), (across, by_columns) = (
        _best_cut(each, margin) for each in (inside, inside.T)
    )
    if by_rows <= by_columns:
        halves = [(half, columns) for half in _halves(rows, down)]
    else:
        halves = [(rows, half) for half in _halves(columns, across)]
    first, second = (_least_work(cells, half, margin) for half in halves)
    if whole <= first[0] + second[0]:
        return whole, [(rows, columns)]
    return first[0] + second[0], first[1] + second[1]


def _halves(part: slice, first: int) -> tuple[slice, slice]:
    """Return the first cells of a part, and the rest."""
    cut = part.start + first
    return slice(part.start, cut), slice(cut, part.stop)


def _bounds(cells: Mask, part: Part) -> Part:
    """Return the smallest part that has the same cells as `part`."""
    found = (np.flatnonzero(_any(cells[part], (axis,))) for axis in (1, 0))
    rows, columns = (
        slice(s.start + at[0], s.start + at[-1] + 1)
        for s, at in zip(part, found, strict=True)
    )
    return rows, columns


def _best_cut(cells: Mask, margin: int) -> tuple[int, float]:
    """Return the number of rows above the best cut, and the work of both parts."""
    both = _work(cells, margin)[:-1] + _work(cells[::-1], margin)[-2::-1]
    if not both.size:
        return 0, math.inf
    best = int(both.argmin())
    return best + 1, float(both[best])


def _work(cells: Mask, margin: int) -> NDArray[np.int64]:
    """Return the work for the cells of the first row, of the first two rows, ..."""
    count = cells.shape[1]
    filled = _any(cells, (1,))
    first = np.where(filled, cells.argmax(1), count)
    end = np.where(filled, count - cells[:, ::-1].argmax(1), 0)
    height = np.maximum.accumulate(np.arange(1, len(cells) + 1) * filled)
    width = np.maximum.accumulate(end) - np.minimum.accumulate(first)
    work: NDArray[np.int64] = (height * CELL_PX + margin) * (width * CELL_PX + margin)
    return work + NEW_SHAPE_PX


def _any(values: Mask, axes: tuple[int, ...]) -> Mask:
    found: Mask = np.logical_or.reduce(values, axes)
    return found
