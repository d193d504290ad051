"""Define the settings of a computation: engine, precision, threads, memory."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime

from cxr_sr.errors import SettingsError
from cxr_sr.names import Consistency, EngineName, Precision, ValueRange
from cxr_sr.superres.engines import choose
from cxr_sr.superres.models.zoo import Model


@dataclass(frozen=True)
class Settings:
    """The settings of a computation.

    `precision`, `consistency`, `grain` and `value_range` change the result.
    """

    engine: EngineName = "auto"
    """The engine that runs the network."""
    precision: Precision = "auto"
    """Precision of the network; auto: int8 if model and machine have it, else fp32. The
    bicubic base is always computed in fp32."""
    consistency: Consistency = "noise"
    """Agreement of the result with the measured pixels. `noise`: they differ by at most
    their noise; `box`, `bicubic`: the result, reduced in this way, equals the measured
    pixels; `off`: no correction."""
    grain: float | None = None
    """Share of the measured grain to keep with `noise`, 0 to 1; None: all of a faint
    grain, less of a strong grain (`consistency.usual_grain`), half of what may be
    texture (`consistency.UNTOLD_GRAIN`)."""
    value_range: ValueRange = "source"
    """The allowed values of a result. `source`: between the smallest and the largest
    value of the input; `stored`: all values of its pixel format."""
    threads: int = 0
    """Number of tiles to compute at a time; 0: one for each processor that this process
    may use (affinity, container quota, SLURM). Processes of `multiprocessing` share the
    processors."""
    tile_px: int = 0
    """Longest side of a tile in input pixels, without halo; 0: as long as
    `max_memory_mb` allows. It is never longer than that."""
    max_memory_mb: int = 800
    """Limit of the peak memory of the process, in MB: libraries, weights and tiles. If
    not all threads fit, fewer tiles are computed at a time; if not even one small tile
    fits, the network is refused. The stored values of input and output need memory in
    addition."""
    now: datetime | None = None
    """The time to write into headers; None: the time of the call."""

    def __post_init__(self) -> None:
        if self.grain is not None and not 0 <= self.grain <= 1:
            raise SettingsError(
                f"a grain of {self.grain} is no share of the measured grain; expected "
                "a number between 0 (none of it stays) and 1 (all of it)"
            )


def resolved(settings: Settings, model: Model) -> Settings:
    """Return the settings; replace `auto` by the engine and precision of this machine.

    Raises
    ------
    EngineError, SettingsError
        For the same reasons as `open_chain`.
    """
    if not model.spec.learned:
        return settings
    engine, precision = choose(model, settings.engine, settings.precision)
    return dataclasses.replace(settings, engine=engine, precision=precision)
