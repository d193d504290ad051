"""Choose the number and the size of tiles for the memory allowed."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, prod

from cxr_sr import processors
from cxr_sr.errors import SettingsError
from cxr_sr.superres import tiling
from cxr_sr.superres.chain import Chain
from cxr_sr.superres.models.spec import ModelSpec
from cxr_sr.superres.models.zoo import Model
from cxr_sr.superres.settings import Settings

BASELINE_MB = {"numpy": 200, "onnx": 275, "openvino": 305, "torch": 420}
"""Memory in MB of the process without tiles, by engine: interpreter and libraries."""
WEIGHTS_COPIES = 10
"""Memory of the weights, as a multiple of the file's size: its bytes, the parsed graph,
the part of one scale, and what the engine makes of them. Measured up to 150 MB."""

CHAIN_BYTES = 32
"""Working memory of the chain, in bytes for each output pixel of a tile: float32
copies of base, residual, projection and codes. Measured: 24, and 30 where bounds change
each block."""
BYTES_OF_ALL, BYTES_OF_LIVE = 2.0, 5.0
"""Working memory of ONNX Runtime and torch, in bytes for each value of all layers, and
for each of those needed at a time. ONNX Runtime keeps many layers for a while."""
OPENVINO_BYTES_OF_LIVE = {"fp32": 4.6, "int8": 1.8}
"""The same for OpenVINO, for each precision. OpenVINO keeps only the values that it
still needs. We measured 3.2 to 4.1 (fp32) and 1.7 (int8) at x2. At larger scales the
tail needs more, but `CHAIN_BYTES` is larger than necessary there."""
MAPS_BYTES = 14
"""Working memory of the feature maps, in bytes for each value: the engine's output, a
copy, and the absolute values of one map at a time. Measured with OpenVINO."""
CALL_MB = 8
"""Working memory of a call of an engine, for a tile of any size."""
SMALLEST_TILE_PX = 32
LARGEST_TILE_PX = 1024
"""Side of the core. Larger tiles hardly reduce the work on halos."""


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
    """Yield the tiles of an image of `shape` (rows, columns) or (rows, columns, 3).

    Raises
    ------
    SettingsError
        If not even the smallest tile fits into the memory allowed.
    """
    rows, columns = shape[:2]
    threads = threads_for(shape, chain, settings)
    tile_px = _tile_px(chain, settings, threads, prod(shape[2:]))
    if settings.tile_px:
        tile_px = min(tile_px, settings.tile_px)
        return tiling.tiles_over((rows, columns), tile_px, chain.halo_px)
    parts = tiling.parts_of((rows, columns), tile_px, chain.halo_px, threads)
    return tiling.even_tiles((rows, columns), parts, chain.halo_px)


def threads_for(shape: tuple[int, ...], chain: Chain, settings: Settings) -> int:
    """Return how many tiles of an image fit into the memory allowed at a time.

    Parameters
    ----------
    shape : (rows, columns) of the image, or (rows, columns, 3)

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
    area = prod(min(length, side) for length in shape[:2])
    tile = area * _bytes_per_px(chain, prod(shape[2:]))
    tile += _call_bytes(chain)
    least, allowed = _fixed_bytes(chain), settings.max_memory_mb * 1e6
    if least + tile > allowed:
        raise _too_large(chain.spec, least + tile, settings)
    return min(threads_of(settings), int((allowed - least) // tile))


def _tile_px(chain: Chain, settings: Settings, threads: int, planes: int) -> int:
    """Return the side of the largest tile of which `threads` fit into the memory."""
    allowed = settings.max_memory_mb * 1e6 - _fixed_bytes(chain)
    area = (allowed / threads - _call_bytes(chain)) / _bytes_per_px(chain, planes)
    side = int(area**0.5) - 2 * chain.halo_px
    return min(max(side, SMALLEST_TILE_PX), LARGEST_TILE_PX)


def _bytes_per_px(chain: Chain, planes: int) -> float:
    """Return the working memory of a tile for each pixel of its input.

    The chain holds all planes of a tile. An engine computes one plane at a time.
    """
    fine = chain.scale**2
    computed = planes * fine * CHAIN_BYTES
    if chain.engine is None:
        return computed
    footprint = chain.engine.footprint
    if chain.engine.name == "openvino":
        factor = OPENVINO_BYTES_OF_LIVE[chain.precision]
        layers = factor * footprint.live_floats_per_px
    else:
        layers = BYTES_OF_ALL * footprint.floats_per_px
        layers += BYTES_OF_LIVE * footprint.live_floats_per_px
    if chain.tapped is not None:
        layers += MAPS_BYTES * chain.tapped.footprint.maps
    return computed + layers * (fine if chain.spec.grid == "output" else 1)


def _call_bytes(chain: Chain) -> float:
    """Return the working memory of a tile of no size."""
    return 0.0 if chain.engine is None else CALL_MB * 1e6


def _fixed_bytes(chain: Chain) -> float:
    """Return the memory of the process without tiles."""
    if chain.engine is None:
        return _least_bytes("numpy", 0)
    return _least_bytes(chain.engine.name, chain.engine.footprint.weights_bytes)


def _least_bytes(engine: str, weights_bytes: int) -> float:
    return BASELINE_MB[engine] * 1e6 + WEIGHTS_COPIES * weights_bytes


def _too_large(spec: ModelSpec, least: float, settings: Settings) -> SettingsError:
    return SettingsError(
        f"model {spec.name!r} needs {ceil(least / 1e6)} MB of memory even with the "
        f"smallest tiles; expected at most {settings.max_memory_mb} MB; allow more "
        "with --max-memory, or use a smaller network or another --engine"
    )
