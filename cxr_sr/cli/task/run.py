"""`cxr-sr task run`: write masks and probabilities of files, with a report."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

from cxr_sr.batch.runner import run as run_jobs
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
    Again,
    Debug,
    Inputs,
    Json,
    Quiet,
    ResultFolder,
    check_highdicom,
    paths,
)
from cxr_sr.errors import ReportError
from cxr_sr.names import OnError
from cxr_sr.report.entries import REPORT, WRITTEN, FileEntry
from cxr_sr.report.outcome import Outcome

if TYPE_CHECKING:
    from cxr_sr.batch.plan import Plan
    from cxr_sr.report.earlier import EarlierRuns
    from cxr_sr.tasks.running import TaskRecipe

HeadName = Annotated[
    str,
    Option(
        metavar="NAME|RUN",
        help="A head that comes with cxr-sr, such as lungs, or a run folder of "
        "`cxr-sr task train`.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `cxr-sr task run`."""

    inputs: Inputs
    output: ResultFolder
    head: HeadName
    format: Annotated[
        Literal["same", "dicom", "png"],
        Option(
            help="Format of masks. same: DICOM Segmentation for DICOM, a picture for a "
            "picture."
        ),
    ] = "same"
    jobs: Annotated[
        int, Option(min=0, help="Number of processes; 0: one for each processor.")
    ] = 1
    resume: Annotated[
        bool,
        Option("--resume", help="Continue an earlier run: keep its unchanged outputs."),
    ] = False
    overwrite: Annotated[
        bool, Option("--overwrite", help="Replace existing files.")
    ] = False
    again: Again = False
    on_error: Annotated[OnError, Option(help=ON_ERROR)] = "continue"
    quiet: Quiet = False
    as_json: Json = False
    debug: Debug = False


def run(options: Options) -> int:
    """Segment or classify radiographs; print the paths of the outputs.

    Masks have the size of their images. The output folder gets a table of the
    probabilities, probabilities.csv, and a report with a line for every file.
    """
    output.say(output.NOTICE)
    from importlib.metadata import version

    from cxr_sr.files import sweep
    from cxr_sr.tasks.heads import load_head
    from cxr_sr.tasks.running import TaskRecipe

    head = load_head(options.head)
    check_highdicom(head, options.format)
    recipe = TaskRecipe(head, options.format, version("cxr-sr"), again=options.again)
    plan = _plan(options, recipe)
    if is_empty(plan):
        tell_nothing(plan)
        return NOTHING
    folders = {job.target.parent for job in plan.jobs}
    if options.resume:
        sweep(folders)
    try:
        return _perform(options, recipe, plan)
    finally:
        sweep(folders)  # remove half-written files of workers that died


def _plan(options: Options, recipe: "TaskRecipe") -> "Plan":
    from cxr_sr.batch.plan import Shard, check_absent, check_places, gather

    inputs = paths(options.inputs)
    plan = gather(inputs, options.output, options.format, Shard(1, 1))
    if recipe.head.spec.kind == "classification":
        jobs = []
        for job in plan.jobs:
            name = f"{PurePosixPath(job.output)}.json"
            target = options.output / name
            jobs.append(dataclasses.replace(job, output=name, target=target))
        plan = dataclasses.replace(plan, jobs=jobs)
    check_places(plan.jobs, options.output / REPORT, inputs)
    if not (options.resume or options.overwrite):
        check_absent(plan.jobs)
    return plan


def _resumed(
    options: Options, recipe: "TaskRecipe"
) -> "tuple[EarlierRuns, TaskRecipe]":
    from cxr_sr.batch.upscaling import clock
    from cxr_sr.report.earlier import EarlierRuns

    earlier = EarlierRuns()
    if options.resume:
        earlier = EarlierRuns.read(options.output / REPORT, recipe.sha256)
    return earlier, recipe.at(clock(earlier.clock))


def _perform(options: Options, recipe: "TaskRecipe", plan: "Plan") -> int:
    """Do the jobs, report on each file, and write the table of all."""
    from cxr_sr.report.writer import OutputFolder, Report
    from cxr_sr.tasks.running import Running, write_table

    earlier, recipe = _resumed(options, recipe)
    report = Report(options.output / REPORT)
    # A resumed run may get only a part of the files: the others keep their rows.
    made: dict[str, FileEntry] = dict(earlier.written)
    classes = recipe.head.spec.classes

    def add(outcome: Outcome) -> FileEntry:
        about = report.add(outcome)
        folder.check()
        made.pop(about["file"], None)
        if outcome.status in WRITTEN:
            made[about["file"]] = about
        return about

    def work(kept: Callable[[Outcome], None]) -> Generator[Outcome]:
        jobs = earlier.sift(plan.jobs, kept)
        return run_jobs(Running(recipe), jobs, executor(options.jobs))

    try:
        with report, OutputFolder(options.output) as folder:
            report.begin({"notice": output.NOTICE, **recipe.announce()})
            try:
                perform(options, plan, add, work)
            except BaseException:
                with suppress(ReportError):  # the error that ended the run counts
                    write_table(options.output, classes, made.values())
                raise
            write_table(options.output, classes, made.values())
    except ReportError as error:
        return broken_off(error, len(made))
    counts = Counter(report.counts)
    output.say(f"{summary(counts)}; report: {options.output / REPORT}")
    return code_of(counts)
