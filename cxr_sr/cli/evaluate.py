"""`cxr-sr evaluate`: degrade, upscale, measure, against bicubic."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

from typer import Argument, Option

from cxr_sr.batch.runner import explain
from cxr_sr.cli import output
from cxr_sr.cli.batch import loop
from cxr_sr.cli.errors import exit_code
from cxr_sr.cli.options import ENGINE, SCALE, Again, Json, Quiet
from cxr_sr.errors import NotARadiographError, SettingsError
from cxr_sr.names import EngineName, Matching

if TYPE_CHECKING:
    from cxr_sr.evaluation.cases import Case
    from cxr_sr.evaluation.evaluate import Measurement, Plan
    from cxr_sr.evaluation.summary import Summary
    from cxr_sr.names import Precision


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked for, as it was given."""

    data: Annotated[
        Path,
        Argument(
            metavar="DATA",
            help="An index: a CSV file with at least the columns file, split and "
            "patient. Or a folder of images; an index.csv or manifest.csv in the "
            "folder is used as its index.",
            show_default=False,
        ),
    ]
    split: Annotated[
        str | None,
        Option(
            metavar="train|val|test",
            help="The split to measure. A folder without an index is split in the "
            "same way as `train` splits it [default: val of an index, all of a "
            "folder].",
        ),
    ] = None
    model: Annotated[
        list[str] | None,
        Option(
            metavar="NAME|FILE",
            help="The model to measure. Repeat the option for several models. bicubic "
            "is always measured, for comparison [default: every network].",
        ),
    ] = None
    scale: Annotated[
        list[int] | None,
        Option(
            metavar=SCALE,
            help="The factor to measure. Repeat the option for several factors "
            "[default: all].",
        ),
    ] = None
    degradation: Annotated[
        list[str] | None,
        Option(
            metavar="bicubic|box|detector",
            help="How the images are made coarser. Repeat the option for several ways "
            "[default: bicubic].",
        ),
    ] = None
    consistency: Annotated[
        Matching,
        Option(
            help="The projection onto the input. auto: for networks, the projection "
            "that matches the degradation; for interpolators, none."
        ),
    ] = "auto"
    limit: Annotated[
        int | None, Option(min=1, help="Measure only the first N images.")
    ] = None
    engine: Annotated[EngineName, Option(help=ENGINE)] = "auto"
    precision: Annotated[
        list[str] | None,
        Option(
            metavar="auto|fp32|int8",
            help="Precision of the networks' arithmetic. Repeat the option to compare "
            "precisions [default: auto].",
        ),
    ] = None
    threads: Annotated[
        int,
        Option(
            min=0,
            help="Number of threads; 0: one for each processor that "
            "this process may use.",
        ),
    ] = 0
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Write results.json, results.md and figures into this folder.",
        ),
    ] = None
    again: Again = False
    quiet: Quiet = False
    as_json: Json = False


def evaluate(options: Options) -> int:
    """Make images coarser, restore them with each model, and measure the difference.

    Prints PSNR, SSIM and MS-SSIM of each model, scale and degradation.
    """
    from cxr_sr.evaluation.cases import find_cases
    from cxr_sr.evaluation.summary import summarise

    plan = _plan(options)
    cases = find_cases(options.data, options.split)[: options.limit]
    measurements, failed = _measure(options, cases, plan)
    if not measurements:
        output.complain("nothing was measured: no usable image in the data")
        return exit_code(0, failed)
    summaries = summarise(measurements)
    _show(options, summaries)
    if options.output is not None:
        _write(options.output, plan, measurements, summaries)
    return exit_code(len(measurements), failed)


def _plan(options: Options) -> "Plan":
    """Return what to measure, defaults filled in from the zoo."""
    from cxr_sr.evaluation.evaluate import plan
    from cxr_sr.evaluation.protocol import Condition
    from cxr_sr.names import SCALES
    from cxr_sr.superres.models.zoo import MODELS
    from cxr_sr.superres.settings import Settings

    networks = [spec.name for spec in MODELS.values() if spec.learned]
    conditions = [
        Condition(scale, degradation)
        for degradation in options.degradation or ["bicubic"]
        for scale in options.scale or SCALES
    ]
    settings = Settings(engine=options.engine, threads=options.threads)
    planned = plan(
        options.model or networks,
        conditions,
        options.consistency,
        settings,
        [_precision(given) for given in options.precision or ["auto"]],
    )
    return dataclasses.replace(planned, again=options.again)


def _precision(given: str) -> "Precision":
    from cxr_sr.names import Precision

    for known in get_args(Precision):
        if given == known:
            return known  # type: ignore[no-any-return]
    raise SettingsError(
        f"--precision {given}: expected one of {', '.join(get_args(Precision))}"
    )


def _measure(
    options: Options, cases: "list[Case]", plan: "Plan"
) -> "tuple[list[Measurement], int]":
    """Return all measurements, and how many images could not be read."""
    from cxr_sr.evaluation.evaluate import Examined, evaluate

    measurements: list[Measurement] = []

    def note(examined: Examined) -> bool:
        measurements.extend(examined.measurements)
        if examined.problem is None:
            return False
        reason = explain(examined.problem)
        output.complain(f"{examined.case.name}: left out: {reason}")
        return not isinstance(examined.problem, NotARadiographError)

    with loop(note, len(cases), quiet=options.quiet) as each:
        each.follow(evaluate(cases, plan))
    return measurements, each.failed


def _show(options: Options, summaries: "list[Summary]") -> None:
    from cxr_sr.evaluation.report import COLUMNS, cells

    if options.as_json:
        for summary in summaries:
            output.record(summary.as_json())
        return
    columns = ["scale", "degradation", *COLUMNS]
    rows = [[f"x{s.scale}", s.degradation, *cells(s)] for s in summaries]
    output.table(columns, rows)


def _write(
    folder: Path,
    plan: "Plan",
    measurements: "list[Measurement]",
    summaries: "list[Summary]",
) -> None:
    from cxr_sr.evaluation import figures
    from cxr_sr.evaluation.report import write_results

    written = write_results(folder, summaries, measurements)
    if figures.available():
        findings = figures.Findings(plan, measurements, summaries)
        written += figures.write_figures(folder, findings)
    else:
        output.say(
            "no figures: they need matplotlib; run: pip install 'cxr-sr[figures]'"
        )
    output.say(f"written to {folder}: {', '.join(path.name for path in written)}")
