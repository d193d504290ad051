"""How to compute, and what that means on this machine: engine, threads, tiles."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cxr_sr import processors
from cxr_sr.names import Consistency, EngineName, Precision
from cxr_sr.superres import tiling
from cxr_sr.superres.chain import Chain
from cxr_sr.superres.engines import choose
from cxr_sr.superres.models.zoo import Model

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


@dataclass(frozen=True)
class Settings:
    """How to compute; of it, `precision` and `consistency` change what is computed."""

    engine: EngineName = "auto"
    """What runs the network."""
    precision: Precision = "auto"
    """Of the network; auto: int8 where model and machine have it. The base is fp32."""
    consistency: Consistency = "box"
    """The projection onto the measured pixels."""
    threads: int = 0
    """Tiles computed at a time; 0: one for each processor that this process may use
    (affinity, container quota, SLURM), which processes of `multiprocessing` divide."""
    tile_px: int = 0
    """Side of a tile in input pixels, halo left out; 0: as `max_memory_mb` allows."""
    max_memory_mb: int = 800
    """Aim for the peak of the whole process, in MB, a paged-out output left out."""
    now: datetime | None = None
    """The time that is written into headers; None: the time of the call."""


def resolved(settings: Settings, model: Model) -> Settings:
    """Return the settings with the engine and the precision that `auto` means here.

    Raises
    ------
    EngineError, SettingsError
        As `open_chain`.
    """
    if not model.spec.learned:
        return settings
    engine, precision = choose(model, settings.engine, settings.precision)
    return dataclasses.replace(settings, engine=engine, precision=precision)


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
