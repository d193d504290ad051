"""`cxr-sr evaluate`: degrade, upscale, measure, against bicubic."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

from typer import Argument, Option

from cxr_sr.batch.runner import explain
from cxr_sr.cli import output
from cxr_sr.cli.batch import Step, loop
from cxr_sr.cli.errors import exit_code
from cxr_sr.cli.options import DEFAULT_MODEL, ENGINE, SCALE, Again, Json, Quiet
from cxr_sr.errors import NotARadiographError, SettingsError
from cxr_sr.names import Consistency, EngineName, ValueRange

if TYPE_CHECKING:
    from cxr_sr.evaluation.cases import Case
    from cxr_sr.evaluation.evaluate import Measurement, Plan
    from cxr_sr.evaluation.protocol import Condition
    from cxr_sr.evaluation.summary import Summary
    from cxr_sr.names import Precision

DEGRADATIONS = ("bicubic", "detector")
DOSES_UGY = (2.5,)
WIDTHS_PX = (0.0, 0.6)
"""What is measured unless other degradations are asked for: clean and noisy images, the
noise white, and correlated as that of detectors and their processing is."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `cxr-sr evaluate`."""

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
            f"is always measured, for comparison [default: {DEFAULT_MODEL}, as of "
            "`upscale`].",
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
            help="How the images are made coarser. detector adds the noise of an "
            "X-ray detector. Repeat the option for several ways [default: bicubic and "
            "detector].",
        ),
    ] = None
    dose: Annotated[
        list[float] | None,
        Option(
            metavar="UGY",
            help="Dose of detector: air kerma in uGy where the image is darkest. "
            "Repeat the option for several doses [default: 2.5].",
        ),
    ] = None
    noise_width: Annotated[
        list[float] | None,
        Option(
            metavar="PX",
            help="Correlation of the noise of detector: sigma of a Gaussian, in pixels "
            "of the coarse image; 0: white noise. Repeat the option for several widths "
            "[default: 0 and 0.6].",
        ),
    ] = None
    consistency: Annotated[
        Consistency | None,
        Option(
            help="As of `upscale`; if given, it is also applied to the interpolators "
            "[default: for networks as of `upscale`, for interpolators off].",
            show_default=False,
        ),
    ] = None
    grain: Annotated[
        float | None,
        Option(
            min=0,
            max=1,
            metavar="0..1",
            help="As of `upscale` [default: as of `upscale`].",
            show_default=False,
        ),
    ] = None
    value_range: Annotated[
        ValueRange | None,
        Option(
            "--range",
            help="As of `upscale` [default: as of `upscale`].",
            show_default=False,
        ),
    ] = None
    limit: Annotated[
        int | None, Option(min=1, help="Measure only the first N images.")
    ] = None
    engine: Annotated[EngineName, Option(help=ENGINE)] = "auto"
    precision: Annotated[
        list[str] | None,
        Option(
            metavar="auto|fp32|int8",
            help="Precision of the networks' arithmetic. Repeat the option to compare "
            "precisions [default: auto, as of `upscale`].",
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
            help="Write results.json, results.csv, results.md and figures into this "
            "folder.",
        ),
    ] = None
    again: Again = False
    quiet: Quiet = False
    as_json: Json = False


def evaluate(options: Options) -> int:
    """Make images coarser, restore them with each model, and measure the difference.

    Without options it measures what `upscale` does without options. Prints PSNR, SSIM
    and MS-SSIM of each model, scale and degradation.
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
    """Return what to measure, defaults filled in."""
    from cxr_sr.evaluation.evaluate import plan
    from cxr_sr.superres.settings import Settings

    settings = Settings(
        engine=options.engine,
        consistency=options.consistency or Settings.consistency,
        grain=options.grain,
        value_range=options.value_range or Settings.value_range,
        threads=options.threads,
    )
    planned = plan(
        options.model or [DEFAULT_MODEL],
        _conditions(options),
        settings,
        precisions=[_precision(given) for given in options.precision or ["auto"]],
        project_all=options.consistency is not None,
    )
    return dataclasses.replace(planned, again=options.again)


def _conditions(options: Options) -> "list[Condition]":
    """Return every degradation at every scale, a noisy one at each dose and width."""
    from cxr_sr.evaluation.degradations import NOISY, Exposure
    from cxr_sr.evaluation.protocol import Condition
    from cxr_sr.names import SCALES

    exposures = [
        Exposure(dose, width)
        for dose in options.dose or DOSES_UGY
        for width in options.noise_width or WIDTHS_PX
    ]
    return [
        Condition(scale, degradation, exposure)
        for degradation in options.degradation or DEGRADATIONS
        for exposure in (exposures if degradation in NOISY else [None])
        for scale in options.scale or SCALES
    ]


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

    def note(examined: Examined) -> Step:
        measurements.extend(examined.measurements)
        case, problem = examined.case, examined.problem
        if problem is None:
            return Step(case.path)
        output.complain(f"{case.name}: left out: {explain(problem)}")
        failed = not isinstance(problem, NotARadiographError)
        return Step(case.path, failed, worked=False)

    sources = [case.path for case in cases]
    with loop(note, sources, quiet=options.quiet) as each:
        each.follow(evaluate(cases, plan))
    return measurements, each.failed


def _show(options: Options, summaries: "list[Summary]") -> None:
    from cxr_sr.evaluation.report import COLUMNS, cells

    if options.as_json:
        for summary in summaries:
            output.record(summary.as_json())
        return
    columns = ["scale", "degradation", *COLUMNS]
    rows = [[f"x{s.scale}", s.condition, *cells(s)] for s in summaries]
    output.table(columns, rows, keys=3)


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
