"""`cxr-sr export`: convert radiographs to pictures for classifiers and readers."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Option

from cxr_sr.batch.runner import run
from cxr_sr.cli import output
from cxr_sr.cli.batch import (
    code_of,
    executor,
    is_empty,
    perform,
    summary,
    tell_nothing,
)
from cxr_sr.cli.errors import NOTHING, broken_off
from cxr_sr.cli.options import (
    ON_ERROR,
    Debug,
    Inputs,
    Json,
    Quiet,
    ResultFolder,
    paths,
    region_of,
    size_of,
)
from cxr_sr.errors import ReportError, SettingsError
from cxr_sr.names import OnError
from cxr_sr.report.entries import FileEntry, entry
from cxr_sr.report.outcome import Outcome
from cxr_sr.report.writer import OutputFolder

if TYPE_CHECKING:
    from cxr_sr.batch.plan import Plan
    from cxr_sr.display.picture import View
    from cxr_sr.display.render import Choice


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `cxr-sr export`."""

    inputs: Inputs
    output: ResultFolder
    format: Annotated[
        Literal["png", "tiff", "npy"],
        Option(
            help="File format of the pictures. PNG and TIFF keep the pixel spacing."
        ),
    ] = "png"
    bits: Annotated[
        Literal["8", "16"],
        Option(help="Bits of each gray value. Black is 0; white is 255 or 65535."),
    ] = "8"
    window: Annotated[
        str | None,
        Option(
            metavar="N|CENTER,WIDTH|full",
            help="N: window number N of the file, counted from 0. CENTER,WIDTH: a "
            "window in the file's output units, such as 2048,4096. full: the range of "
            "the image "
            "[default: the file's VOI LUT, else its first window, else full].",
        ),
    ] = None
    spacing: Annotated[
        float | None,
        Option(metavar="MM", help="Resample to this pixel spacing in mm, such as 0.2."),
    ] = None
    long_side: Annotated[
        int | None,
        Option(
            metavar="PX",
            help="Resample so that the longer side has this many pixels, such as 1024.",
        ),
    ] = None
    mask: Annotated[
        str | None,
        Option(
            metavar="HEAD",
            help="Also write a mask by this head, such as lungs, beside each "
            "picture: NAME_mask, of the same size, 255 inside.",
        ),
    ] = None
    jobs: Annotated[int, Option(min=1, help="Number of processes.")] = 1
    overwrite: Annotated[
        bool, Option("--overwrite", help="Replace existing pictures.")
    ] = False
    on_error: Annotated[OnError, Option(help=ON_ERROR)] = "continue"
    quiet: Quiet = False
    as_json: Json = False
    debug: Debug = False


def export(options: Options) -> int:
    """Convert radiographs to pictures for display; print the paths of the pictures.

    A picture has the gray values that a DICOM viewer shows: the modality LUT, the VOI
    LUT or window, and the polarity are applied. Pixels are made square. INPUT may hold
    originals and results.
    """
    output.say(output.NOTICE)
    from cxr_sr.display.picture import View
    from cxr_sr.superres.target import LongSide, Spacing

    kinds: dict[str, Callable[[Any], Spacing | LongSide]]
    kinds = {"spacing": Spacing, "long_side": LongSide}
    view = View(
        8 if options.bits == "8" else 16,
        _window(options.window),
        size_of(options, kinds),
    )
    plan = _plan(options)
    if is_empty(plan):
        tell_nothing(plan)
        return NOTHING
    return _perform(options, view, plan)


def _window(text: str | None) -> "Choice":
    if text is None:
        return None
    if text == "full":
        return "full"
    try:
        if "," not in text:
            return int(text)
        center, width = map(float, text.split(","))
    except ValueError as error:
        raise SettingsError(
            f"--window {text}: expected a number from 0, CENTER,WIDTH, or full"
        ) from error
    if not (math.isfinite(center) and 0 < width < math.inf):
        raise SettingsError(f"--window {text}: expected a width of more than 0")
    return center, width


def _plan(options: Options) -> "Plan":
    from cxr_sr.batch.beside import with_masks
    from cxr_sr.batch.plan import Shard, check_absent, check_places, gather

    inputs = paths(options.inputs)
    plan = gather(inputs, options.output, options.format, Shard(1, 1))
    places = with_masks(plan.jobs) if options.mask else plan.jobs
    check_places(places, None, inputs)
    if not options.overwrite:
        check_absent(places, "use --overwrite to replace it")
    return plan


def _perform(options: Options, view: "View", plan: "Plan") -> int:
    from cxr_sr.batch.exporting import Exporting

    counts = Counter[str]()

    def add(outcome: Outcome) -> FileEntry:
        folder.check()
        counts[outcome.status] += 1
        return entry(outcome)

    hands = executor(options.jobs)
    work = Exporting(view, region_of(options.mask))
    try:
        with OutputFolder(options.output) as folder:
            perform(options, plan, add, lambda _: run(work, plan.jobs, hands))
    except ReportError as error:
        stand = sum(job.target.is_file() for job in plan.jobs)
        return broken_off(error, min(stand, counts["done"]))
    output.say(summary(counts))
    return code_of(counts)
