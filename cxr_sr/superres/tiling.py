"""Cut an image into tiles whose results fit together exactly.

Each tile is computed with a halo. The halo is as wide as the input that an output pixel
reads, and ends at the border of the image. So the core of a tile equals the same part
of an image computed in one piece. The result of the halo is discarded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, pairwise, product
from typing import TypeVar

Result = TypeVar("Result")
Part = tuple[slice, slice]
Shape = tuple[int, int]


@dataclass(frozen=True)
class Tile:
    """A rectangle of the input, in input pixels."""

    core: Part
    """(rows, columns) of the pixels that the tile computes."""
    padded: Part
    """The core and its halo, cut at the border of the image."""

    def inner(self, scale: int = 1) -> Part:
        """Return the place of the core in the result of the padded part."""
        rows, columns = (
            slice((c.start - p.start) * scale, (c.stop - p.start) * scale)
            for c, p in zip(self.core, self.padded, strict=True)
        )
        return rows, columns

    def target(self, scale: int) -> Part:
        """Return the place of the core in the output image."""
        rows, columns = (slice(c.start * scale, c.stop * scale) for c in self.core)
        return rows, columns


def tiles_over(shape: Shape, tile_px: int, halo_px: int) -> Iterator[Tile]:
    """Yield tiles no longer than `tile_px` that cover an image; see `even_tiles`."""
    rows, columns = shape
    return even_tiles(shape, (-(-rows // tile_px), -(-columns // tile_px)), halo_px)


def even_tiles(shape: Shape, parts: Shape, halo_px: int) -> Iterator[Tile]:
    """Yield tiles that cover an image of `shape` (rows, columns) once, row by row.

    The image is divided evenly into `parts` (down, across), so that no tile is so small
    that it is nearly all halo.
    """
    for rows in _split(shape[0], parts[0]):
        for columns in _split(shape[1], parts[1]):
            yield with_halo((rows, columns), shape, halo_px)


def with_halo(core: Part, shape: Shape, halo_px: int) -> Tile:
    """Return the tile of a rectangle of an image of `shape` (rows, columns)."""
    rows, columns = (
        slice(max(0, c.start - halo_px), min(length, c.stop + halo_px))
        for c, length in zip(core, shape, strict=True)
    )
    return Tile(core, (rows, columns))


def parts_of(shape: Shape, tile_px: int, halo_px: int, threads: int) -> Shape:
    """Return the number of parts (down, across) of an image with the least work.

    Work is the number of pixels, with halos, that the busiest thread computes. Square
    tiles have the least halo. But halves are better than quarters for an image of the
    size of two tiles, and the last tiles should not leave threads idle.

    Parameters
    ----------
    tile_px : side of the largest square tile that fits the memory. The area of another
        tile, with halo, is at most the area of this one
    """
    area = (tile_px + 2 * halo_px) ** 2

    def padded(length: int, parts: int) -> int:
        sides = min(parts - 1, 2)  # of two tiles, each has a halo on one side only
        return min(length, -(-length // parts) + sides * halo_px)

    def work(parts: Shape) -> tuple[bool, int, int]:
        tile = padded(shape[0], parts[0]) * padded(shape[1], parts[1])
        rounds = -(-parts[0] * parts[1] // threads)
        return tile > area, rounds * tile, parts[0] * parts[1]

    squares = [-(-length // tile_px) for length in shape]
    more = threads if squares[0] * squares[1] < 2 * threads else 0
    down, across = (
        range(1, min(2 * count + more, length) + 1)
        for count, length in zip(squares, shape, strict=True)
    )
    return min(product(down, across), key=work)


def _split(length: int, parts: int) -> Iterator[slice]:
    edges = [length * part // parts for part in range(parts + 1)]
    return (slice(start, stop) for start, stop in pairwise(edges))


def compute_tiles(
    compute: Callable[[Tile], Result], tiles: Iterator[Tile], threads: int
) -> Iterator[tuple[Tile, Result]]:
    """Yield each tile with its result, in order; compute `threads` tiles at a time.

    For images of any size, at most `threads` results are in memory.
    """
    with ThreadPoolExecutor(threads) as pool:
        pending: deque[tuple[Tile, Future[Result]]] = deque()
        for tile in islice(tiles, threads):
            pending.append((tile, pool.submit(compute, tile)))
        while pending:
            tile, future = pending.popleft()
            result = future.result()
            pending.extend((t, pool.submit(compute, t)) for t in islice(tiles, 1))
            yield tile, result
