"""Upscaling for the tests: quiet defaults, and an independent look at the result."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cxr_sr.names import Consistency
from cxr_sr.radiograph import Derivation, Radiograph
from cxr_sr.superres import tiling
from cxr_sr.superres.budget import threads_of, tiles_of
from cxr_sr.superres.consistency import reduce
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.models.zoo import Model, load_model
from cxr_sr.superres.noise import estimate
from cxr_sr.superres.resample import box_down
from cxr_sr.superres.settings import Settings
from cxr_sr.superres.target import Target
from cxr_sr.superres.upscale import open_chain, upscale
from tests.builders import NOON, radiograph, structure

KINDS = st.sampled_from(["nearest", "bicubic", "lanczos"])
SCALES = st.sampled_from([2, 3, 4, 8])
QUICK = settings(max_examples=30, deadline=None)
ONE_THREAD = Settings(consistency="box", threads=1, now=NOON)
"""`box`: most of these images are pure texture, and texture looks like noise."""


def upscaled(
    image: Radiograph,
    model: Model | str = "bicubic",
    target: Target | int = 2,
    **changes: Any,
) -> Radiograph:
    """`upscale` on one thread at noon, unless told otherwise."""
    settings = dataclasses.replace(ONE_THREAD, **changes)
    model = load_model(model) if isinstance(model, str) else model
    return upscale(image, model, target, settings)


def derivation_of(result: Radiograph) -> Derivation:
    assert result.derivation is not None
    return result.derivation


def errors(
    result: Radiograph,
    source: Radiograph,
    scale: int,
    consistency: Consistency = "box",
) -> NDArray[np.floating[Any]]:
    """Reduced result - source, of all pixels that have nothing to do with padding."""
    fine = result.pixels.astype(np.float64)
    counted = np.ones(source.pixels.shape, bool)
    if source.padding is not None:
        low, high = source.padding
        padding = (fine >= low - 1) & (fine <= high + 1)
        counted = box_down(padding.astype(float), scale) == 0
    error: NDArray[np.floating[Any]] = reduce(fine, scale, consistency) - source.pixels
    return np.asarray(error[counted])


def calm() -> Radiograph:
    """An image whose result stays within 12 bits after any `tiny_network`."""
    pixels = np.rint(2000 + 100 * structure()).astype(np.uint16)
    return radiograph(pixels, window=(2000.0, 2100.0))


def super_resolve(
    unit: NDArray[np.floating[Any]], model: Model, scale: int, settings: Settings
) -> NDArray[np.floating[Any]]:
    """An array (H, W) of units as (s*H, s*W): the chain alone, in tiles."""
    scaling = Scaling(0.0, 1.0)
    chain = open_chain(model, scale, settings)
    result = np.empty([side * scale for side in unit.shape], unit.dtype)
    tiles = tiles_of(unit.shape, chain, settings)
    whole = chain.look(unit[None], scaling, estimate(unit[None], scaling))
    work = tiling.compute_tiles(
        lambda t: chain(unit[None, *t.padded], whole), tiles, threads_of(settings)
    )
    for tile, fine in work:
        result[tile.target(scale)] = fine.image[0, *tile.inner(scale)]
    return result
