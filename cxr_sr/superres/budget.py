"""Choose the number and the size of tiles for the memory allowed."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from cxr_sr import processors
from cxr_sr.errors import SettingsError
from cxr_sr.superres import tiling
from cxr_sr.superres.chain import Chain
from cxr_sr.superres.models.spec import ModelSpec
from cxr_sr.superres.models.zoo import Model
from cxr_sr.superres.settings import Settings

BASELINE_MB = {"numpy": 200, "onnx": 250, "openvino": 290, "torch": 420}
"""Memory in MB of the process without tiles, by engine: interpreter and libraries."""
WEIGHTS_COPIES = 9
"""Memory of the weights, as a multiple of the file's size: its bytes, the parsed graph,
the part of one scale, and what the engine makes of them. Measured up to 150 MB."""

CHAIN_BYTES = 64
"""Working memory of the chain, in bytes for each output pixel of a tile: float32 and
float64 copies of base, residual, projection and codes."""
NETWORK_BYTES = 4200
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


def check_weights(model: Model, settings: Settings) -> None:
    """Refuse a network whose weights alone need more memory than is allowed.

    Parameters
    ----------
    settings : with the engine that runs the network

    Raises
    ------
    SettingsError
    """
    path = model.file_of(settings.engine, settings.precision)
    if not (model.spec.learned and path.is_file()):
        return
    least = _least_bytes(settings.engine, path.stat().st_size)
    if least > settings.max_memory_mb * 1e6:
        raise _too_large(model.spec, least, settings)


def tiles_of(
    shape: tuple[int, ...], chain: Chain, settings: Settings
) -> Iterator[tiling.Tile]:
    """Yield the tiles of an image of `shape` (rows, columns).

    Raises
    ------
    SettingsError
        If not even the smallest tile fits into the memory allowed.
    """
    rows, columns = shape
    threads = threads_for(shape, chain, settings)
    tile_px = _tile_px(chain, settings, threads)
    if settings.tile_px:
        tile_px = min(tile_px, settings.tile_px)
        return tiling.tiles_over((rows, columns), tile_px, chain.halo_px)
    parts = tiling.parts_of((rows, columns), tile_px, chain.halo_px, threads)
    return tiling.divide((rows, columns), parts, chain.halo_px)


def threads_for(shape: tuple[int, ...], chain: Chain, settings: Settings) -> int:
    """Return how many tiles of an image fit into the memory allowed at a time.

    Parameters
    ----------
    shape : (rows, columns) of the image

    Returns
    -------
    At most the threads of the settings: fewer if as many of the smallest tiles would
    not fit

    Raises
    ------
    SettingsError
        If not even one does.
    """
    side = min(settings.tile_px or SMALLEST_TILE_PX, SMALLEST_TILE_PX)
    side += 2 * chain.halo_px
    tile = prod(min(length, side) for length in shape) * _bytes_per_px(chain)
    least, allowed = _fixed_bytes(chain), settings.max_memory_mb * 1e6
    if least + tile > allowed:
        raise _too_large(chain.spec, least + tile, settings)
    return min(threads_of(settings), int((allowed - least) // tile))


def _tile_px(chain: Chain, settings: Settings, threads: int) -> int:
    """Return the side of the largest tile of which `threads` fit into the memory."""
    allowed = settings.max_memory_mb * 1e6 - _fixed_bytes(chain)
    area = allowed / threads / _bytes_per_px(chain)
    side = int(area**0.5) - 2 * chain.halo_px
    return min(max(side, SMALLEST_TILE_PX), LARGEST_TILE_PX)


def _bytes_per_px(chain: Chain) -> float:
    """Return the working memory of a tile for each pixel of its input."""
    fine = chain.scale**2
    if chain.engine is None:
        return fine * CHAIN_BYTES
    openvino = chain.engine.name == "openvino"
    usual = OPENVINO_BYTES[chain.spec.grid] if openvino else NETWORK_BYTES
    layers = usual * max(1.0, chain.engine.floats_per_px / USUAL_FLOATS)
    return fine * CHAIN_BYTES + layers * (fine if chain.spec.grid == "output" else 1)


def _fixed_bytes(chain: Chain) -> float:
    """Return the memory of the process without tiles."""
    if chain.engine is None:
        return _least_bytes("numpy", 0)
    return _least_bytes(chain.engine.name, chain.engine.weights_bytes)


def _least_bytes(engine: str, weights_bytes: int) -> float:
    return BASELINE_MB[engine] * 1e6 + WEIGHTS_COPIES * weights_bytes


def _too_large(spec: ModelSpec, least: float, settings: Settings) -> SettingsError:
    return SettingsError(
        f"model {spec.name!r} needs {least / 1e6:,.0f} MB of memory even with the "
        f"smallest tiles; expected at most {settings.max_memory_mb} MB; allow more "
        "with --max-memory, or use a smaller network or another --engine"
    )
