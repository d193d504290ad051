"""Make recipe and jobs from the options; check everything before any work."""

import dataclasses
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from cxr_sr import processors
from cxr_sr.batch.beside import with_masks
from cxr_sr.batch.plan import Plan, Shard, check_absent, check_places, gather
from cxr_sr.batch.tags import TagTable
from cxr_sr.batch.upscaling import UpscalingRecipe
from cxr_sr.cli.options import check_highdicom, paths, size_of
from cxr_sr.cli.upscale.options import Options
from cxr_sr.errors import SettingsError
from cxr_sr.formats.header.derive import HeaderOptions
from cxr_sr.formats.header.elements import INTEGER_STRING
from cxr_sr.superres.models.zoo import Model, load_model
from cxr_sr.superres.settings import Settings, resolved
from cxr_sr.superres.target import LongSide, Scale, Spacing, Target
from cxr_sr.superres.upscale import open_chain

SIZES: dict[str, Callable[[Any], Target]] = {
    "scale": Scale,
    "spacing": Spacing,
    "long_side": LongSide,
}
DEFAULT_SCALE = 2
WORKER_THREADS = 1
"""Threads of each worker of a cluster: more workers are faster than more threads."""


def recipe_of(options: Options) -> UpscalingRecipe:
    """Return the recipe for the outputs.

    Raises
    ------
    SettingsError, ModelError, EngineError
        If options contradict each other, or the model or the engine.
    """
    _refuse_contradictions(options)
    model = _model(options)
    settings = Settings(
        engine=options.engine,
        precision=options.precision,
        consistency=options.consistency,
        grain=options.grain,
        value_range=options.value_range,
        threads=options.threads or _share(options),
        tile_px=options.tile,
        max_memory_mb=options.max_memory,
    )
    recipe = UpscalingRecipe(
        model,
        size_of(options, SIZES) or Scale(DEFAULT_SCALE),
        # The report has engine and precision; another machine must have both to resume.
        resolved(settings, model),
        _header(options),
        options.compress,
        options.format,
        version("cxr-sr"),
        options.again,
        _tags(options),
    )
    _try_engine(recipe)
    return recipe if options.head is None else _headed(recipe, options.head)


def _headed(recipe: UpscalingRecipe, name: str) -> UpscalingRecipe:
    """Return the recipe with a head; check that its masks can be written."""
    from cxr_sr.tasks.heads import load_head
    from cxr_sr.tasks.upscaling import HeadedRecipe

    head = load_head(name)
    check_highdicom(head, recipe.format)
    return HeadedRecipe.of(recipe, head)


def plan_of(options: Options, *, masks: bool = False) -> Plan:
    """Return the jobs, after checking the path of every output.

    Parameters
    ----------
    masks : True if the run writes a mask beside each output

    Raises
    ------
    SettingsError
        If an input does not exist, or --shard is invalid.
    OutputError
        If two outputs have one path, or an output exists.
    """
    part = Shard(1, 1) if options.shard is None else Shard.parse(options.shard)
    inputs = paths(options.inputs)
    plan = gather(inputs, options.output, options.format, part)
    places = plan.jobs
    if masks:
        places = with_masks(places, pictures=options.format in ("same", "dicom"))
    check_places(places, options.report_path, inputs)
    if not (options.resume or options.overwrite or options.dry_run):
        check_absent(places)
    return plan


def _header(options: Options) -> HeaderOptions:
    """Return the options for the DICOM headers of the results."""
    header = HeaderOptions(
        equipment=options.equipment,
        private=options.private,
        overlays=options.overlays,
        synthetic=options.synthetic_data == "yes",
        dates=options.dates,
    )
    # N is the SeriesNumber; +N is a number to add to the source's SeriesNumber.
    given = options.series_number
    if given is None:
        return header
    digits = given.removeprefix("+")
    if not (digits.isascii() and digits.isdecimal() and int(digits) in INTEGER_STRING):
        raise SettingsError(
            f"--series-number {given}: expected a whole number up to "
            f"{INTEGER_STRING[-1]}, such as 9001, or a number to add, such as +9000"
        )
    if given != digits:
        return dataclasses.replace(header, series_offset=int(digits))
    return dataclasses.replace(header, series_number=int(digits))


def _tags(options: Options) -> TagTable | None:
    if options.tags is None:
        return None
    if options.format != "dicom":
        raise SettingsError(
            f"--tags {options.tags.name} is for pictures that become DICOM files; add "
            "--format dicom"
        )
    return TagTable.read(options.tags)


def _model(options: Options) -> Model:
    """Return the model with an absolute path, for other processes."""
    model = load_model(options.model)
    return dataclasses.replace(model, onnx=model.onnx.absolute())


def _share(options: Options) -> int:
    """Return the number of threads of each process, to use all processors."""
    if options.cluster is not None:
        return WORKER_THREADS
    jobs = options.jobs
    return max(processors.allowed() // jobs, 1) if jobs > 1 else 0


def _refuse_contradictions(options: Options) -> None:
    if options.resume and options.overwrite:
        raise SettingsError(
            "--resume keeps finished outputs and --overwrite replaces them; give only "
            "one"
        )
    if options.cluster is not None and options.jobs > 1:
        raise SettingsError(
            f"--jobs {options.jobs} is for processes of this machine, but a cluster "
            "uses all its processors; give --cluster or --jobs"
        )
    if options.compress != "none" and options.format not in ("same", "dicom"):
        raise SettingsError(
            f"--compress {options.compress} is for DICOM, not for {options.format}; "
            "leave it out"
        )
    if options.device not in ("auto", "cpu"):
        raise SettingsError(
            f"--device {options.device}: the engines of this version run only on the "
            "cpu; leave the option out"
        )


def _try_engine(recipe: UpscalingRecipe) -> None:
    """Open model and engine once, so that an error shows before any work."""
    target, spec = recipe.target, recipe.model.spec
    scale = target.factor if isinstance(target, Scale) else max(spec.scales)
    for part in recipe.model.parts:
        open_chain(part, scale, recipe.settings, (spec.channels,))
