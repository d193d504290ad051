"""Upscale a radiograph: from stored values to stored values.

::

    stored -> units -> bicubic + residual -> projection -> stored, tile by tile
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cxr_sr.formats import check_storable
from cxr_sr.radiograph import Derivation, Radiograph
from cxr_sr.superres.arguments import check_radiograph, model_of, target_of
from cxr_sr.superres.budget import check_weights, threads_of
from cxr_sr.superres.canvas import STRIP_ROWS
from cxr_sr.superres.chain import Chain
from cxr_sr.superres.engines import open_engine
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.maps import Maps
from cxr_sr.superres.models.zoo import Model
from cxr_sr.superres.noise import estimate_of
from cxr_sr.superres.padding import padding_mask
from cxr_sr.superres.pixels import Tally, compute, compute_maps
from cxr_sr.superres.resize import resize
from cxr_sr.superres.settings import Settings, resolved
from cxr_sr.superres.target import Target, plan_size


def upscale(
    radiograph: Radiograph,
    model: Model | str | Path,
    target: Target | int = 2,
    settings: Settings | None = None,
    maps: Maps | None = None,
) -> Radiograph:
    """Return the radiograph super-resolved, with a header that says so.

    Parameters
    ----------
    radiograph : as `read`, `from_array` or `from_dataset` returned it
    model : a name or a weights file, as `load_model` takes them, or its result
    target : a scale (2, 3, 4, 8), or `Scale`, `Spacing` or `LongSide`
    maps : receive the feature maps of the same pass, if its weights are theirs

    Returns
    -------
    A radiograph of the same pixel format and polarity over the same extent;
    `derivation` has the settings and the agreement with the input.

    Raises
    ------
    SettingsError
        If an argument has a wrong type, if the model does not support the target, or if
        the input states no spacing for a target in mm.
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
    noise = None
    if model.spec.noise_planes or settings.consistency == "noise":
        noise = estimate_of(radiograph)
    suited = model if noise and noise.is_told else model.clean
    chain = open_chain(suited, size.scale, settings, radiograph.pixels.shape[2:])
    taken = []
    if maps and chain.engine and chain.engine.weights_sha256 in maps.weights:
        chain, taken = with_maps(chain, suited, settings), [maps]
    fine, tally = compute(radiograph, chain, noise, settings, taken)
    padding = radiograph.padding if tally.padding_kept else None
    pixels = resize(fine, size.shape, radiograph.format, padding, size.fine_factors)
    derivation = dataclasses.replace(
        _derivation(radiograph, pixels, chain, tally),
        factors=size.factors,
        overhang_px=size.overhang_px,
        value_range=settings.value_range,
    )
    if noise is not None:
        codes = abs(Scaling.of(radiograph).slope)
        derivation = dataclasses.replace(
            derivation,
            noise_sigma=noise.usual * codes,
            noise_correlation=noise.correlation,
            coding_error=noise.coding * codes,
            grain=chain.grain_of(noise),
        )
    result = _finish(radiograph, pixels, derivation, settings.now)
    if size.spacing_mm is None:
        return result
    geometry = dataclasses.replace(result.geometry, spacing_mm=size.spacing_mm)
    return result.replace(geometry=geometry)


def open_chain(
    model: Model, scale: int, settings: Settings, planes: tuple[int, ...] = ()
) -> Chain:
    """Open a chain; refuse a request that the model does not support.

    Parameters
    ----------
    planes : shape of a pixel: () for gray, (3,) for RGB

    Raises
    ------
    EngineError
        If the engine is not installed.
    SettingsError
        If the model does not support the scale, the precision or the planes, or its
        weights do not fit into the allowed memory.
    """
    model.spec.check_planes(planes)
    check_weights(model, resolved(settings, model))
    chain = Chain.open(
        model,
        scale,
        settings.consistency,
        settings.engine,
        settings.precision,
        threads_of(settings),
    )
    return dataclasses.replace(chain, grain=settings.grain)


def with_maps(chain: Chain, model: Model, settings: Settings) -> Chain:
    """Return a chain of a trunk that also computes the feature maps."""
    how = settings.engine, settings.precision, threads_of(settings)
    tapped = open_engine(model, chain.scale, *how, maps=True)
    return dataclasses.replace(chain, tapped=tapped)


def fill_maps(
    radiograph: Radiograph, model: Model, settings: Settings, maps: Sequence[Maps]
) -> None:
    """Compute the feature maps of a trunk for an image, without an image.

    Raises
    ------
    EngineError, ModelError, SettingsError
        For the same reasons as `upscale`.
    """
    planes = radiograph.pixels.shape[2:]
    settings = dataclasses.replace(settings, consistency="off")
    chain = open_chain(model, min(model.spec.scales), settings, planes)
    chain = with_maps(chain, model, settings)
    noise = estimate_of(radiograph) if model.spec.noise_planes else None
    compute_maps(radiograph, chain, noise, settings, maps)


def _derivation(
    radiograph: Radiograph,
    pixels: NDArray[Any],
    chain: Chain,
    tally: Tally,
) -> Derivation:
    rows, columns = radiograph.shape
    engine = chain.engine
    low, high = _extremes(pixels, radiograph.padding if tally.padding_kept else None)
    return Derivation(
        factors=(pixels.shape[0] / rows, pixels.shape[1] / columns),
        model=chain.spec.name,
        weights_sha256=engine.weights_sha256 if engine else "",
        engine=engine.name if engine else "numpy",
        precision=chain.precision,
        consistency=chain.consistency,
        consistency_max=tally.largest,
        consistency_rms=tally.rms,
        minimum=low,
        maximum=high,
        grain_asked=chain.grain,
        padding_kept=tally.padding_kept,
        noise_explained=tally.explained_share,
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
        coding_error=0.0,
        derivation=derivation,
    )
