"""From the options of `cxr-sr upscale` to recipe and jobs, all checked before any work."""

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from cxr_sr.batch.plan import Shard, check_absent, check_places, output_name
from cxr_sr.batch.runner import Job
from cxr_sr.batch.upscaling import Recipe
from cxr_sr.cli.upscale_options import Options
from cxr_sr.errors import SettingsError
from cxr_sr.formats.header import HeaderOptions
from cxr_sr.superres.chain import Chain
from cxr_sr.superres.target import LongSide, Scale, Spacing, Target
from cxr_sr.superres.upscale import Settings
from cxr_sr.superres.zoo import load_model

DEFAULT_SCALE = 2


def recipe_of(options: Options) -> Recipe:
    """Return how the files are to be made.

    Raises
    ------
    SettingsError, ModelError, EngineError
        If options contradict each other, or the model or the engine.
    """
    _refuse_contradictions(options)
    recipe = Recipe(
        load_model(options.model),
        _target(options),
        Settings(
            engine=options.engine,
            precision=options.precision,
            consistency=options.consistency,
            threads=options.threads,
            tile_px=options.tile,
            max_memory_mb=options.max_memory,
        ),
        HeaderOptions(options.equipment, options.private, options.overlays),
        options.compress,
        options.format,
        version("cxr-sr"),
    )
    _try_engine(recipe)
    return recipe


def _refuse_contradictions(options: Options) -> None:
    if options.resume and options.overwrite:
        raise SettingsError(
            "--resume keeps what is done and --overwrite replaces it; give one of them"
        )
    if options.compress != "none" and options.format not in ("same", "dicom"):
        raise SettingsError(
            f"--compress {options.compress} is for DICOM, not for {options.format}; "
            "leave it out"
        )
    if options.device not in ("auto", "cpu"):
        raise SettingsError(
            f"--device {options.device}: the engines of this version run on the cpu; "
            "leave it out"
        )
    if options.precision == "int8":
        raise SettingsError(
            f"model {options.model} has no int8 weights; use --precision auto"
        )


def _target(options: Options) -> Target:
    choices = (
        ("--scale", options.scale, Scale),
        ("--spacing", options.spacing, Spacing),
        ("--long-side", options.long_side, LongSide),
    )
    given = [choice for choice in choices if choice[1] is not None]
    if not given:
        return Scale(DEFAULT_SCALE)
    if len(given) > 1:
        names = " and ".join(name for name, _, _ in given)
        raise SettingsError(f"{names} exclude each other; give one of them")
    ((name, value, kind),) = given
    if not value > 0:
        raise SettingsError(f"{name} {value}; expected more than 0")
    return kind(value)


def _try_engine(recipe: Recipe) -> None:
    """Open once what every file will need, so that it fails here if it does."""
    target, spec = recipe.target, recipe.model.spec
    scale = target.factor if isinstance(target, Scale) else max(spec.scales)
    settings = recipe.settings
    Chain.open(recipe.model, scale, settings.consistency, settings.engine)
