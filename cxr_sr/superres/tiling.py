"""Cut an image into tiles whose results fit together exactly.

A tile is computed with a halo as wide as the whole chain looks and is cut at the
true border of the image, so that its core comes out as if the image had been
computed in one piece; what the halo computes is thrown away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import TypeVar

Result = TypeVar("Result")
Part = tuple[slice, slice]


@dataclass(frozen=True)
class Tile:
    """A rectangle of the input, in input pixels."""

    core: Part
    """(rows, columns) this tile is responsible for."""
    padded: Part
    """The core and its halo, cut at the border of the image."""

    def inner(self, scale: int = 1) -> Part:
        """Return where the core lies in the result of the padded part."""
        rows, columns = (
            slice((c.start - p.start) * scale, (c.stop - p.start) * scale)
            for c, p in zip(self.core, self.padded, strict=True)
        )
        return rows, columns

    def target(self, scale: int) -> Part:
        """Return where the core lies in the output image."""
        rows, columns = (slice(c.start * scale, c.stop * scale) for c in self.core)
        return rows, columns


def plan(shape: tuple[int, int], tile_px: int, halo_px: int) -> Iterator[Tile]:
    """Yield tiles that cover an image of `shape` (rows, columns) once, row by row.

    The image is divided evenly, so that no tile is a sliver that is nearly all halo.
    """
    for rows in _split(shape[0], tile_px, halo_px):
        for columns in _split(shape[1], tile_px, halo_px):
            yield Tile((rows[0], columns[0]), (rows[1], columns[1]))


def _split(length: int, tile_px: int, halo_px: int) -> Iterator[tuple[slice, slice]]:
    parts = -(-length // tile_px)
    edges = [length * part // parts for part in range(parts + 1)]
    for start, stop in pairwise(edges):
        padded = slice(max(0, start - halo_px), min(length, stop + halo_px))
        yield slice(start, stop), padded


def run(
    compute: Callable[[Tile], Result], tiles: Iterator[Tile], threads: int
) -> Iterator[tuple[Tile, Result]]:
    """Yield each tile with its result, in order, `threads` tiles under way at a time.

    No more results are held than there are threads, whatever the image's size.
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
