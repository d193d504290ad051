"""`cxr-sr task evaluate`: measure a head on labelled images."""

import math
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option

from cxr_sr.batch.runner import explain
from cxr_sr.cli import output
from cxr_sr.cli.batch import Step, loop, tell_doubtful
from cxr_sr.cli.errors import exit_code, written
from cxr_sr.cli.options import Json, Quiet

if TYPE_CHECKING:
    from cxr_sr.tasks.evaluate import Measured, MeasuredImage, TaskSummary
    from cxr_sr.tasks.heads import Head
    from cxr_sr.tasks.labels import Labels

COLUMNS = ["class", "images", "measure", "value", "95 % CI", "worst", "n", "patients"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `cxr-sr task evaluate`."""

    labels: Annotated[
        Path,
        Argument(
            metavar="LABELS.csv",
            help="A table of labelled images, in the form for `cxr-sr task train`.",
        ),
    ]
    head: Annotated[
        str,
        Option(
            metavar="NAME|RUN",
            help="A head that comes with cxr-sr, such as lungs, or a run folder.",
        ),
    ]
    columns: Annotated[
        str | None,
        Option(
            "--labels",
            metavar="COLUMN|CLASS=COLUMN,...",
            help="Columns with the labels; see `task train`.",
        ),
    ] = None
    split: Annotated[
        Literal["all", "train", "val", "test"],
        Option(help="The images to measure, by the split of their patients."),
    ] = "all"
    hold_out: Annotated[
        str | None,
        Option(metavar="I/N|none", help="The held-out part; see `task train`."),
    ] = None
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Folder for results.json and results.csv.",
        ),
    ] = None
    quiet: Quiet = False
    as_json: Json = False


def evaluate(options: Options) -> int:
    """Measure a head: overlap and distance of masks, AUC and calibration of findings.

    Images of the head's training have separate rows. Confidence intervals are
    bootstrapped over patients.
    """
    from cxr_sr.tasks.evaluate import summarise, write_evaluation
    from cxr_sr.tasks.heads import load_head
    from cxr_sr.tasks.labels import Labels

    head = load_head(options.head)
    kind = head.spec.kind
    labels = Labels.read(
        options.labels, kind, _columns(options, head), options.hold_out
    )
    measured, failed = _measure(options, labels, head)
    if not measured:
        output.complain("nothing was measured: no usable image in the table")
        return exit_code(0, failed)
    summaries = summarise(measured)
    _show(options, summaries)
    tell_doubtful(sum(bool(m.doubts) for m in measured), len(measured))
    if options.output is not None:
        write = partial(write_evaluation, options.output, head, measured, summaries)
        failed += not written(write)
    return exit_code(len(measured), failed)


def _columns(options: Options, head: "Head") -> str | None:
    """Return the requested columns; for findings, search each class as a word."""
    if options.columns or head.spec.kind == "segmentation":
        return options.columns
    return ",".join(f"{name}=finding" for name in head.spec.classes)


def _measure(
    options: Options, labels: "Labels", head: "Head"
) -> "tuple[list[Measured], int]":
    from cxr_sr.tasks.evaluate import matched, measure_images

    rows = labels.rows if options.split == "all" else labels.of(options.split)
    measured: list[Measured] = []

    def note(examined: "MeasuredImage") -> Step:
        measured.extend(examined.measured)
        for doubt in chain.from_iterable(m.doubts for m in examined.measured):
            output.complain(f"{examined.row.name}: {doubt}")
        if examined.problem is None:
            return Step(examined.row.path)
        problem = explain(examined.problem)
        output.complain(f"{examined.row.name}: left out: {problem}")
        return Step(examined.row.path, failed=True, worked=False)

    places = matched(labels, head.spec)
    with loop(note, [row.path for row in rows], quiet=options.quiet) as each:
        each.follow(measure_images(rows, head, places))
    return measured, each.failed


def _show(options: Options, summaries: "list[TaskSummary]") -> None:
    if options.as_json:
        for summary in summaries:
            output.record(summary.as_json())
        return
    output.table(COLUMNS, [_cells(summary) for summary in summaries], keys=3)


def _cells(summary: "TaskSummary") -> list[str]:
    low, high = summary.interval
    unit = f" {summary.unit}" if summary.unit else ""
    return [
        summary.name,
        summary.group,
        summary.measure,
        f"{_number(summary.value)}{unit}",
        f"{_number(low)} to {_number(high)}" if math.isfinite(low) else "-",
        _number(summary.worst),
        str(summary.images),
        str(summary.patients),
    ]


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"
