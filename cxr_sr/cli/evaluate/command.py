"""`cxr-sr evaluate`: degrade, upscale, measure, against bicubic."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_sr.batch.runner import explain
from cxr_sr.cli import output
from cxr_sr.cli.batch import Step, loop
from cxr_sr.cli.errors import exit_code, written
from cxr_sr.cli.evaluate.options import Options
from cxr_sr.cli.evaluate.physics import measure_physics
from cxr_sr.cli.evaluate.request import comparison_of
from cxr_sr.errors import NotARadiographError, SettingsError

if TYPE_CHECKING:
    from cxr_sr.evaluation.cases import Case
    from cxr_sr.evaluation.evaluate import Comparison, Measurement
    from cxr_sr.evaluation.summary import Summary


def evaluate(options: Options) -> int:
    """Make images coarser, restore them with each model, and measure the difference.

    Without options, the command measures the defaults of `upscale`. It prints PSNR,
    SSIM and MS-SSIM of each model, scale and degradation.
    """
    if options.physics:
        return measure_physics(options, comparison_of(options))
    if options.data is None:
        raise SettingsError(
            "DATA is missing; give an index or a folder of images, or --physics"
        )
    from cxr_sr.evaluation.cases import find_cases
    from cxr_sr.evaluation.summary import summarise

    comparison = comparison_of(options)
    cases = find_cases(options.data, options.split)[: options.limit]
    measurements, failed = _measure(options, cases, comparison)
    if not measurements:
        output.complain("nothing was measured: no usable image in the data")
        return exit_code(0, failed)
    summaries = summarise(measurements)
    if options.output is not None:
        write = partial(_write, options.output, comparison, measurements, summaries)
        failed += not written(write)
    _show(options, summaries)
    return exit_code(len(measurements), failed)


def _measure(
    options: Options, cases: "list[Case]", comparison: "Comparison"
) -> "tuple[list[Measurement], int]":
    """Return all measurements, and the number of images that could not be read."""
    from cxr_sr.evaluation.evaluate import Examined, evaluate

    measurements: list[Measurement] = []

    def note(examined: Examined) -> Step:
        measurements.extend(examined.measurements)
        case, problem = examined.case, examined.problem
        for doubt in examined.doubts:
            output.complain(f"{case.name}: {doubt}")
        if problem is None:
            return Step(case.path)
        output.complain(f"{case.name}: left out: {explain(problem)}")
        failed = not isinstance(problem, NotARadiographError)
        return Step(case.path, failed, worked=False)

    sources = [case.path for case in cases]
    with loop(note, sources, quiet=options.quiet) as each:
        each.follow(evaluate(cases, comparison))
    return measurements, each.failed


def _show(options: Options, summaries: "list[Summary]") -> None:
    from cxr_sr.evaluation.report import cells, columns_of

    if options.as_json:
        for summary in summaries:
            output.record(summary.as_json(), stands=options.output is not None)
        return
    columns = columns_of(summaries)
    rows = [[f"x{s.scale}", s.condition, *cells(s, columns)] for s in summaries]
    names = ["scale", "degradation", *columns]
    output.table(names, rows, keys=3, stands=options.output is not None)


def _write(
    folder: Path,
    comparison: "Comparison",
    measurements: "list[Measurement]",
    summaries: "list[Summary]",
) -> list[Path]:
    from cxr_sr.evaluation.figures import Findings, write_figures
    from cxr_sr.evaluation.report import write_results

    made = write_results(folder, summaries, measurements)
    return made + write_figures(folder, Findings(comparison, measurements, summaries))
