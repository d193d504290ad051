"""How many tiles of what size are computed at a time, within the memory allowed."""

from __future__ import annotations

from collections.abc import Iterator

from cxr_sr import processors
from cxr_sr.superres import tiling
from cxr_sr.superres.chain import Chain
from cxr_sr.superres.settings import Settings

BASELINE_MB = 300
"""What the process itself takes: interpreter, libraries, weights, the input."""

CHAIN_BYTES = 64
"""Working memory of the chain for an output pixel of a tile: float32 and float64
copies of base, residual, projection and codes."""
NETWORK_BYTES = 3600
"""Working memory of a network for a pixel of its own grid. ONNX Runtime holds most of
a trunk's layers, as torch does hydra's two widest."""
OPENVINO_BYTES = {"input": 700, "output": 1600}
"""OpenVINO holds three layers of a trunk (48 channels), and hydra's two widest."""
SMALLEST_TILE_PX = 32
LARGEST_TILE_PX = 512
"""Beyond this the halo costs little, and the processor's caches are left behind."""


def threads_of(settings: Settings) -> int:
    """Return how many tiles are computed at a time."""
    return settings.threads or processors.available()


def tiles_of(
    shape: tuple[int, ...], chain: Chain, settings: Settings
) -> Iterator[tiling.Tile]:
    """Yield the tiles of an image of `shape` (rows, columns)."""
    rows, columns = shape
    halo_px = chain.halo_px
    if settings.tile_px:
        return tiling.plan((rows, columns), settings.tile_px, halo_px)
    threads = threads_of(settings)
    tile_px = _tile_px(chain, settings)
    parts = tiling.parts_of((rows, columns), tile_px, halo_px, threads)
    return tiling.divide((rows, columns), parts, halo_px)


def _tile_px(chain: Chain, settings: Settings) -> int:
    """Return the largest tile whose working memory fits the budget of a thread."""
    budget = max(settings.max_memory_mb - BASELINE_MB, 32) * 1e6 / threads_of(settings)
    fine = chain.scale**2
    bytes_per_px = fine * CHAIN_BYTES
    if chain.engine is not None:
        openvino = chain.engine.name == "openvino"
        layers = OPENVINO_BYTES[chain.spec.grid] if openvino else NETWORK_BYTES
        bytes_per_px += layers * (fine if chain.spec.grid == "output" else 1)
    side = int((budget / bytes_per_px) ** 0.5) - 2 * chain.halo_px
    return min(max(side, SMALLEST_TILE_PX), LARGEST_TILE_PX)
