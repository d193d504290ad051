"""How to compute: engine, precision, projection, threads, memory."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime

from cxr_sr.names import Consistency, EngineName, Precision
from cxr_sr.superres.engines import choose
from cxr_sr.superres.models.zoo import Model


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
