"""`cxr-sr gallery`: write a page that shows the results of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from cxr_sr.cli import output
from cxr_sr.cli.errors import DONE, NOTHING, exit_code
from cxr_sr.cli.options import Quiet
from cxr_sr.errors import SettingsError

if TYPE_CHECKING:
    from cxr_sr.gallery.page import Shown


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `cxr-sr gallery`."""

    report: Annotated[
        Path,
        Argument(
            metavar="RUN.jsonl",
            help="The report that `cxr-sr upscale` wrote beside its results.",
            show_default=False,
        ),
    ]
    output: Annotated[Path, Option("--output", "-o", metavar="FILE.html")]
    inputs: Annotated[
        list[Path],
        Option(
            metavar="DIR",
            help="The input folder of the run. If single files were upscaled, give "
            "their common folder. Repeat the option for several folders.",
        ),
    ]
    outputs: Annotated[
        Path | None,
        Option(
            metavar="DIR",
            help="The folder of the results [default: the folder of the report].",
        ),
    ] = None
    limit: Annotated[
        int,
        Option(
            min=1,
            metavar="N",
            help="Show at most N results, spread evenly over the run.",
        ),
    ] = 20
    max_side: Annotated[
        int,
        Option(
            min=16,
            metavar="PX",
            help="Show the part of each image with the most structure; its longest "
            "side has at most PX pixels. The page grows by at most 16/3 x N x PX x PX "
            "bytes (three times as much for RGB), usually by half of that.",
        ),
    ] = 768
    overwrite: Annotated[
        bool, Option("--overwrite", help="Replace an existing page.")
    ] = False
    quiet: Quiet = False


def gallery(options: Options) -> int:
    """Write one HTML page of a run: failures first, then images before and after.

    The page is one file. It opens in any recent browser, with window and level at the
    full bit depth, and loads or sends nothing over the network.
    """
    from cxr_sr.gallery.cases import Places
    from cxr_sr.gallery.page import PageLimits, write_page
    from cxr_sr.report.results import Results

    results = Results.read(options.report)
    from cxr_sr.batch.plan import check_place

    for folder in options.inputs:
        if not folder.is_dir():
            raise SettingsError(f"--inputs {folder} is no folder")
    name = options.output.name
    check_place(name, options.output, [options.report], options.inputs)
    if not results.files:
        output.complain("the report lists no file, so there is nothing to show")
        return NOTHING
    places = Places(tuple(options.inputs), options.outputs or options.report.parent)
    limits = PageLimits(options.limit, options.max_side)
    shown = write_page(
        results, places, limits, options.output, overwrite=options.overwrite
    )
    _tell(options, shown)
    # A page with only failures of the run counts as done.
    return exit_code(shown.pairs, len(shown.problems)) if shown.problems else DONE


def _tell(options: Options, shown: "Shown") -> None:
    for file, reason in shown.problems:
        output.complain(f"{file}: {reason}")
    output.data(str(options.output), stands=True)
    output.say(f"{shown.pairs} shown, {len(shown.problems)} could not be shown")
