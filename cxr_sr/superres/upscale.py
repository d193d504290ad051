"""The one way an image goes, from stored values to stored values.

::

    stored -> units -> bicubic + residual -> projection -> stored, tile by tile
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.formats import check_storable
from cxr_sr.radiograph import Derivation, Radiograph
from cxr_sr.superres import consistency as projection
from cxr_sr.superres import tiling
from cxr_sr.superres.arguments import check_radiograph, model_of, target_of
from cxr_sr.superres.budget import threads_of, tiles_of
from cxr_sr.superres.canvas import STRIP_ROWS, canvas
from cxr_sr.superres.chain import Chain
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.models.zoo import Model
from cxr_sr.superres.padding import avoid, fill, padding_mask, restore
from cxr_sr.superres.resize import resize
from cxr_sr.superres.settings import Settings
from cxr_sr.superres.target import Target, plan_size


def upscale(
    radiograph: Radiograph,
    model: Model | str | Path,
    target: Target | int = 2,
    settings: Settings | None = None,
) -> Radiograph:
    """Return the radiograph super-resolved, with a header that says so.

    Parameters
    ----------
    radiograph : as `read`, `from_array` or `from_dataset` returned it
    model : a name or a weights file as `load_model` takes them, or what it returned
    target : a scale (2, 3, 4, 8), or `Scale`, `Spacing` or `LongSide`

    Returns
    -------
    A radiograph of the same pixel format and polarity over the same extent;
    `derivation` says what was done and how well it agrees with the input.

    Raises
    ------
    SettingsError
        If an argument is of another type, if model and target do not go together, or
        the input states no spacing.
    ModelError
        If there is no such model, or its weights are missing or altered.
    OutputError
        If the result could not be stored (Rows > 65535, PixelData >= 4 GiB).
    EngineError
        If the engine is not installed.
    """
    settings = settings or Settings()
    radiograph, model = check_radiograph(radiograph), model_of(model)
    size = plan_size(radiograph, target_of(target), model.spec)
    check_storable((*size.shape, *radiograph.pixels.shape[2:]), radiograph.format)
    chain = open_chain(model, size.scale, settings, radiograph.pixels.shape[2:])
    fine, tally = _compute(radiograph, chain, settings)
    padding = radiograph.padding if tally.padding_kept else None
    pixels = resize(fine, size.shape, radiograph.format, padding)
    derivation = _derivation(radiograph, pixels, chain, tally)
    return _finish(radiograph, pixels, derivation, settings.now)


def super_resolve(
    unit: NDArray[np.floating[Any]], model: Model, scale: int, settings: Settings
) -> NDArray[np.floating[Any]]:
    """Return an array (H, W) of units as (s*H, s*W): the chain without the file.

    Evaluation measures this; `upscale` stores it.
    """
    chain = open_chain(model, scale, settings)
    result = np.empty([side * scale for side in unit.shape], unit.dtype)
    tiles = tiles_of(unit.shape, chain, settings)
    gain = chain.gain(unit[None])
    work = tiling.run(
        lambda t: chain(unit[None, *t.padded], gain), tiles, threads_of(settings)
    )
    for tile, fine in work:
        result[tile.target(scale)] = fine[0, *tile.inner(scale)]
    return result


def open_chain(
    model: Model, scale: int, settings: Settings, planes: tuple[int, ...] = ()
) -> Chain:
    """Open a chain for images of `planes`, after refusing what it cannot do.

    Parameters
    ----------
    planes : what follows (H, W) in the shape of the image: () for gray, (3,) for RGB

    Raises
    ------
    EngineError
        If the engine is not installed.
    SettingsError
        If the model does not do the scale, the precision or the planes.
    """
    model.spec.check_planes(planes)
    return Chain.open(
        model,
        scale,
        settings.consistency,
        settings.engine,
        settings.precision,
        threads_of(settings),
    )


@dataclass(frozen=True)
class _Tally:
    """What a tile, or all of them, missed the input by, in stored codes."""

    largest: float = 0.0
    squares: float = 0.0
    count: int = 0
    padding_kept: bool = True

    def __add__(self, other: _Tally) -> _Tally:
        return _Tally(
            max(self.largest, other.largest),
            self.squares + other.squares,
            self.count + other.count,
            self.padding_kept and other.padding_kept,
        )


class _Job:
    """One radiograph on its way; `tile` is called from several threads."""

    def __init__(self, radiograph: Radiograph, chain: Chain) -> None:
        self.radiograph = radiograph
        self.chain = chain
        self.scaling = Scaling.of(radiograph)
        self.planes = np.atleast_3d(radiograph.pixels).transpose(2, 0, 1)
        self.mask = padding_mask(self.planes[0], radiograph.padding)
        self.view = self.planes
        if self.mask is not None:
            self.view = fill(self.planes[0], self.mask)[None]
        self.gain = chain.gain(self.view, self.scaling.slope)

    def tile(self, tile: tiling.Tile) -> tuple[NDArray[Any], _Tally]:
        """Compute the stored values (C, s*h, s*w) of one tile's core."""
        fmt = self.radiograph.format
        stored = self.view[:, *tile.padded]
        fine = self.chain(self.scaling.normalise(stored), self.gain)
        codes = self.scaling.denormalise(fine)
        np.rint(codes, out=codes)
        wanted = codes
        codes = wanted.clip(fmt.minimum, fmt.maximum)
        error = self._error(codes, codes != wanted, stored, tile)
        result = codes[:, *tile.inner(self.chain.scale)].astype(fmt.dtype)
        kept = self._pad(result, tile)
        largest = float(np.abs(error).max(initial=0.0))
        return result, _Tally(largest, float(error @ error), error.size, kept)

    def _error(
        self,
        codes: NDArray[Any],
        clipped: NDArray[np.bool_],
        stored: NDArray[Any],
        tile: tiling.Tile,
    ) -> NDArray[Any]:
        """Return the core's errors (n,) where neither clipped nor padding."""
        scale, inner = self.chain.scale, tile.inner()
        reduced = projection.reduce(codes, scale, self.chain.consistency)
        error = (reduced - stored)[:, *inner]
        counted = np.ones(error.shape, bool)
        if clipped.any():
            share = projection.reduce(clipped.astype(codes.dtype), scale, "box")
            counted &= share[:, *inner] == 0
        if self.mask is not None:
            counted &= ~self.mask[tile.core]
        agreed: NDArray[Any] = error[counted]
        return agreed

    def _pad(self, result: NDArray[Any], tile: tiling.Tile) -> bool:
        """Put padding back into a tile; tell whether it stays distinguishable."""
        if self.radiograph.padding is None:
            return True
        kept = avoid(result, self.radiograph.padding, self.radiograph.format)
        if self.mask is not None:
            mask = self.mask[tile.core]
            restore(result[0], self.planes[0][tile.core], mask, self.chain.scale)
        return kept


def _compute(
    radiograph: Radiograph, chain: Chain, settings: Settings
) -> tuple[NDArray[Any], _Tally]:
    """Return stored values (s*H, s*W[, 3]) and their agreement with the input."""
    job = _Job(radiograph, chain)
    scale = chain.scale
    planes, rows, columns = job.planes.shape
    shape = (rows * scale, columns * scale, planes)
    result = canvas(shape, radiograph.format.dtype)
    tally = _Tally()
    tiles = tiles_of((rows, columns), chain, settings)
    for tile, (part, part_tally) in tiling.run(job.tile, tiles, threads_of(settings)):
        result[tile.target(scale)] = part.transpose(1, 2, 0)
        tally += part_tally
    return result.reshape(*shape[:2], *radiograph.pixels.shape[2:]), tally


def _derivation(
    radiograph: Radiograph, pixels: NDArray[Any], chain: Chain, tally: _Tally
) -> Derivation:
    rows, columns = radiograph.shape
    engine = chain.engine
    low, high = _extremes(pixels, radiograph.padding if tally.padding_kept else None)
    return Derivation(
        factors=(pixels.shape[0] / rows, pixels.shape[1] / columns),
        model=chain.spec.name,
        weights_sha256=chain.spec.weights_sha256(chain.precision),
        engine=engine.name if engine else "numpy",
        precision=chain.precision,
        consistency=chain.consistency,
        consistency_max=tally.largest,
        consistency_rms=(tally.squares / max(tally.count, 1)) ** 0.5,
        minimum=low,
        maximum=high,
        padding_kept=tally.padding_kept,
        pixels_sha256=radiograph.pixels_sha256,
    )


def _extremes(pixels: NDArray[Any], padding: tuple[int, int] | None) -> tuple[int, int]:
    """Return the smallest and largest stored value that is not padding."""
    lows, highs = [], []
    for start in range(0, len(pixels), STRIP_ROWS):
        strip = pixels[start : start + STRIP_ROWS]
        mask = padding_mask(strip, padding)
        native = strip if mask is None else strip[~mask]
        if native.size:
            lows.append(int(native.min()))
            highs.append(int(native.max()))
    return min(lows, default=0), max(highs, default=0)


def _finish(
    radiograph: Radiograph,
    pixels: NDArray[Any],
    derivation: Derivation,
    now: datetime | None,
) -> Radiograph:
    now = now or datetime.now().astimezone()
    return radiograph.replace(
        pixels=pixels,
        geometry=radiograph.geometry.upscaled(derivation.factors),
        header=radiograph.header.derived(derivation, pixels.shape, now),
        padding=radiograph.padding if derivation.padding_kept else None,
        derivation=derivation,
    )
