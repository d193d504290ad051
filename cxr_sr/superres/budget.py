"""Choose the number and the size of tiles for the memory allowed."""

from __future__ import annotations

from collections.abc import Iterator

from cxr_sr import processors
from cxr_sr.superres import tiling
from cxr_sr.superres.chain import Chain
from cxr_sr.superres.settings import Settings

BASELINE_MB = 300
"""Memory in MB of the process without tiles: interpreter, libraries, weights, input."""

CHAIN_BYTES = 64
"""Working memory of the chain, in bytes for each output pixel of a tile: float32 and
float64 copies of base, residual, projection and codes."""
NETWORK_BYTES = 3600
"""Working memory of a network, in bytes for each pixel of its own grid. ONNX Runtime
keeps most layers of a trunk. torch keeps the two widest layers of hydra."""
OPENVINO_BYTES = {"input": 700, "output": 1600}
"""The same for OpenVINO, by grid. OpenVINO keeps three layers of a trunk (48 channels),
or the two widest layers of hydra."""
USUAL_FLOATS = 2600
"""Values of all layers for a pixel of `fine`. The two numbers above are for a
network of this size; memory grows in proportion to it."""
SMALLEST_TILE_PX = 32
LARGEST_TILE_PX = 512
"""Larger tiles hardly reduce the work on halos, and do not fit the processor's
caches."""


def threads_of(settings: Settings) -> int:
    """Return the number of tiles that are computed at a time."""
    return settings.threads or processors.available()


def tiles_of(
    shape: tuple[int, ...], chain: Chain, settings: Settings
) -> Iterator[tiling.Tile]:
    """Yield the tiles of an image of `shape` (rows, columns)."""
    rows, columns = shape
    halo_px = chain.halo_px
    if settings.tile_px:
        return tiling.tiles_over((rows, columns), settings.tile_px, halo_px)
    threads = threads_of(settings)
    tile_px = _tile_px(chain, settings)
    parts = tiling.parts_of((rows, columns), tile_px, halo_px, threads)
    return tiling.divide((rows, columns), parts, halo_px)


def _tile_px(chain: Chain, settings: Settings) -> int:
    """Return the largest tile whose working memory fits the budget of a thread."""
    budget = max(settings.max_memory_mb - BASELINE_MB, 32) * 1e6 / threads_of(settings)
    fine = chain.scale**2
    bytes_per_px: float = fine * CHAIN_BYTES
    if chain.engine is not None:
        openvino = chain.engine.name == "openvino"
        usual = OPENVINO_BYTES[chain.spec.grid] if openvino else NETWORK_BYTES
        layers = usual * max(1.0, chain.engine.floats_per_px / USUAL_FLOATS)
        bytes_per_px += layers * (fine if chain.spec.grid == "output" else 1)
    side = int((budget / bytes_per_px) ** 0.5) - 2 * chain.halo_px
    return min(max(side, SMALLEST_TILE_PX), LARGEST_TILE_PX)
