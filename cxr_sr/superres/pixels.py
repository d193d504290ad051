"""Compute the stored values of a result tile by tile, and compare them with the input.

The comparison uses the final stored values, after bounds, rounding and padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.names import ValueRange
from cxr_sr.radiograph import Radiograph
from cxr_sr.superres import tiling
from cxr_sr.superres.budget import threads_for, tiles_of
from cxr_sr.superres.canvas import IN_MEMORY_BYTES, canvas, return_memory
from cxr_sr.superres.chain import Chain, Whole
from cxr_sr.superres.consistency import Agreement, reduce, within
from cxr_sr.superres.engines.checked import Checked
from cxr_sr.superres.engines.tapped import Tapped, share_without_maps
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.maps import Maps, MapsPart
from cxr_sr.superres.noise import Noise
from cxr_sr.superres.padding import avoid, fill, padding_mask, restore
from cxr_sr.superres.settings import Settings


@dataclass(frozen=True)
class Tally:
    """The disagreement of one tile, or of all tiles, with the input."""

    largest: float = 0.0
    """Largest difference of the result's means from the input, in stored codes."""
    squares: float = 0.0
    """Sum of the squared disagreements, in stored codes."""
    count: int = 0
    """Number of input pixels that are not padding."""
    before: float = 0.0
    """Sum of the squared disagreements before the correction, in units squared."""
    explained: float = 0.0
    """The part of `before` that the noise explains."""
    padding_kept: bool = True
    """True if padding can still be told from the image."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            max(self.largest, other.largest),
            self.squares + other.squares,
            self.count + other.count,
            self.before + other.before,
            self.explained + other.explained,
            self.padding_kept and other.padding_kept,
        )

    @property
    def rms(self) -> float:
        """Root mean square of the disagreement, in stored codes."""
        # The last digits of a sum depend on the tiles.
        return float(f"{(self.squares / max(self.count, 1)) ** 0.5:.9g}")

    @property
    def explained_share(self) -> float:
        """Share of the squared disagreement that the noise explains; 1 without any."""
        return round(self.explained / self.before, 6) if self.before else 1.0


class Work:
    """The work on one radiograph; several threads call `tile`.

    Parameters
    ----------
    radiograph : a radiograph, as it was read
    chain : the computations at one scale
    noise : noise of the radiograph
    value_range : allowed values of the result. "source": between the least and the
        largest value of the radiograph without padding; "stored": all values of its
        pixel format
    maps : receive the feature maps; the chain has an engine that returns them
    """

    def __init__(
        self,
        radiograph: Radiograph,
        chain: Chain,
        noise: Noise | None,
        value_range: ValueRange = "source",
        maps: Sequence[Maps] = (),
    ) -> None:
        self.radiograph = radiograph
        self.chain = chain
        self.maps = maps
        self.network_s: list[float] = []
        """Time of the network for each tile with feature maps, in seconds."""
        self.scaling = Scaling.of(radiograph)
        self.planes = np.atleast_3d(radiograph.pixels).transpose(2, 0, 1)
        self.mask = padding_mask(self.planes[0], radiograph.padding)
        self.view = self.planes
        if self.mask is not None:
            self.view = fill(self.planes[0], self.mask)[None]
        self.whole: Whole = chain.look(self.view, self.scaling, noise)
        fmt = radiograph.format
        self.bounds = fmt.minimum, fmt.maximum
        if value_range == "source":
            self.bounds = int(self.view.min()), int(self.view.max())

    def tile(self, tile: tiling.Tile) -> tuple[NDArray[Any], Tally, list[MapsPart]]:
        """Compute the stored values (C, s*h, s*w) of one tile's core, and its maps."""
        chain, inner = self.chain, tile.inner(self.chain.scale)
        tapped = Tapped(chain.tapped) if self.maps and chain.tapped else None
        unit = self.scaling.normalise(self.view[:, *tile.padded])
        found = chain(unit, self.whole, tapped, tile.inner())
        parts = self._parts(tile, tapped)
        codes = self.scaling.denormalise(found.image)
        if chain.consistency in ("noise", "box"):
            codes = within(codes[:, *inner], *self.bounds, chain.scale)
        codes = np.rint(codes, out=codes).clip(*self.bounds, out=codes)
        core = codes if found.image.shape != codes.shape else codes[:, *inner]
        result = core.astype(self.radiograph.format.dtype)
        kept = self._pad(result, tile)
        if chain.consistency == "bicubic":  # its kernel reads pixels around the core
            means = reduce(codes, chain.scale, "bicubic")[:, *tile.inner()]
        else:
            means = reduce(result.astype(np.float32), chain.scale, "box")
        return result, self._tally(means, found, tile, padding_kept=kept), parts

    def parts(self, tile: tiling.Tile) -> list[MapsPart]:
        """Compute nothing but the feature maps of one tile."""
        if self.chain.tapped is None:
            return []
        tapped = Tapped(self.chain.tapped)
        unit = self.scaling.normalise(self.view[:, *tile.padded])
        self.chain.tap(unit, self.whole, tapped)
        return self._parts(tile, tapped)

    def _parts(self, tile: tiling.Tile, tapped: Tapped | None) -> list[MapsPart]:
        if tapped is None or tapped.maps is None:
            return []
        self.network_s.append(tapped.seconds)  # a list is safe among threads
        gain = self.whole.gain
        return [maps.part(tapped.maps, tile, gain) for maps in self.maps]

    def _tally(
        self,
        means: NDArray[Any],
        found: Agreement,
        tile: tiling.Tile,
        *,
        padding_kept: bool,
    ) -> Tally:
        error = means - self.view[:, *tile.core]
        if self.mask is not None:
            error = error[:, ~self.mask[tile.core]]
        counted = error.ravel().astype(np.float64)
        return Tally(
            float(np.abs(counted).max(initial=0.0)),
            _sum_of_squares(counted),
            counted.size,
            _energy(found.error, tile),
            _energy(found.explained, tile),
            padding_kept,
        )

    def _pad(self, result: NDArray[Any], tile: tiling.Tile) -> bool:
        """Put padding back; return True if it can be told from the image."""
        if self.radiograph.padding is None:
            return True
        kept = avoid(result, self.radiograph.padding, self.radiograph.format)
        if self.mask is not None:
            mask = self.mask[tile.core]
            restore(result[0], self.planes[0][tile.core], mask, self.chain.scale)
        return kept


def _energy(values: NDArray[Any] | None, tile: tiling.Tile) -> float:
    """Return the sum of the squares of a tile's core."""
    if values is None:
        return 0.0
    return _sum_of_squares(values[:, *tile.inner()].ravel().astype(np.float64))


def _sum_of_squares(values: NDArray[np.float64]) -> float:
    # Not by @: threads of OpenBLAS would slow down the engine; see `spectrum.ROWS`.
    return float(np.einsum("i,i", values, values))


def compute(
    radiograph: Radiograph,
    chain: Chain,
    noise: Noise | None,
    settings: Settings,
    maps: Sequence[Maps] = (),
) -> tuple[NDArray[Any], Tally]:
    """Return the stored values (s*H, s*W[, 3]), and their disagreement with the input.

    Parameters
    ----------
    radiograph : a radiograph, as it was read
    chain : the computations at one scale
    noise : noise of the radiograph
    settings : threads, tiles and the range of values
    maps : receive the feature maps of the same pass
    """
    work = Work(radiograph, chain, noise, settings.value_range, maps)
    scale = chain.scale
    planes, rows, columns = work.planes.shape
    shape = (rows * scale, columns * scale, planes)
    result = canvas(shape, radiograph.format.dtype)
    tally = Tally()
    tiles = tiles_of(radiograph.pixels.shape, chain, settings)
    threads = threads_for(radiograph.pixels.shape, chain, settings)
    for tile, found in tiling.compute_tiles(work.tile, tiles, threads):
        part, part_tally, parts = found
        result[tile.target(scale)] = part.transpose(1, 2, 0)
        tally += part_tally
        _add(parts, maps)
    _tell_saved(work, threads)
    if chain.engine is not None and result.nbytes > IN_MEMORY_BYTES:
        # A writer may need memory for a copy of a large result.
        chain.engine.release()
        return_memory()
    pixels = result.reshape(*shape[:2], *radiograph.pixels.shape[2:])
    return pixels, tally


def compute_maps(
    radiograph: Radiograph,
    chain: Chain,
    noise: Noise | None,
    settings: Settings,
    maps: Sequence[Maps],
) -> None:
    """Compute only the feature maps that `compute` would give, without an image.

    `compute` describes the parameters.
    """
    work = Work(radiograph, chain, noise, maps=maps)
    tiles = tiles_of(radiograph.pixels.shape, chain, settings)
    threads = threads_for(radiograph.pixels.shape, chain, settings)
    for _, parts in tiling.compute_tiles(work.parts, tiles, threads):
        _add(parts, maps)


def _add(parts: Sequence[MapsPart], maps: Sequence[Maps]) -> None:
    for each, part in zip(maps, parts, strict=bool(parts)):
        each.add(part)


def _tell_saved(work: Work, threads: int) -> None:
    """Record the time that a second pass for the maps would have taken in addition.

    Both passes would average the maps, so only the time without them counts.
    """
    plain, tapped = work.chain.engine, work.chain.tapped
    if not (work.network_s and isinstance(plain, Checked) and tapped):
        return
    planes = work.chain.spec.channels + work.chain.spec.noise_planes
    share = share_without_maps(plain, tapped, planes)
    at_a_time = min(threads, len(work.network_s))
    for maps in work.maps:
        maps.saved_s = share * sum(work.network_s) / at_a_time
