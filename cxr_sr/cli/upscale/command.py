"""`cxr-sr upscale`: enlarge files, and report on every file."""

from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from cxr_sr.batch.pipeline import Overlapped
from cxr_sr.batch.runner import Crew, Serial, run
from cxr_sr.cli import output
from cxr_sr.cli.batch import (
    code_of,
    executor,
    is_empty,
    perform,
    summary,
    tell,
    tell_nothing,
)
from cxr_sr.cli.errors import DONE, NOTHING, broken_off
from cxr_sr.cli.upscale.head import HeadTally, makes_masks, work_of
from cxr_sr.cli.upscale.options import Options
from cxr_sr.errors import ReportError
from cxr_sr.report.earlier import EarlierRuns
from cxr_sr.report.entries import FileEntry, entry
from cxr_sr.report.outcome import Outcome
from cxr_sr.report.writer import OutputFolder, Report

if TYPE_CHECKING:
    from cxr_sr.batch.plan import Plan
    from cxr_sr.batch.upscaling import UpscalingRecipe
    from cxr_sr.cli.upscale.head import AnyUpscaling


def upscale(options: Options) -> int:
    """Super-resolve radiographs; print the paths of the outputs.

    The output folder gets the same subfolders as the input; the input is not changed.
    A report beside the results has one line for every file.
    """
    output.say(output.NOTICE)
    from cxr_sr.cli.upscale.request import plan_of, recipe_of
    from cxr_sr.files import sweep

    recipe = recipe_of(options)
    plan = plan_of(options, masks=makes_masks(recipe))
    if is_empty(plan):
        tell_nothing(plan)
        # One part of a divided input may be empty.
        return NOTHING if options.shard is None else DONE
    if options.dry_run:
        return _rehearse(options, recipe, plan)
    folders = {job.target.parent for job in plan.jobs}
    if options.resume:
        sweep(folders)
    try:
        with _hands(options, recipe) as hands:
            return _perform(options, recipe, plan, hands)
    finally:
        sweep(folders)  # remove half-written files of workers that died


def _rehearse(options: Options, recipe: "UpscalingRecipe", plan: "Plan") -> int:
    """Print the outputs and their sizes, from the headers alone."""
    from cxr_sr.batch.rehearsal import rehearse

    counts = Counter[str]()
    rehearsed = run(partial(rehearse, recipe), plan.jobs, Serial)
    for outcome in chain(plan.left_out, rehearsed):
        counts[outcome.status] += 1
        line = entry(outcome)
        if options.as_json or outcome.status == "failed":
            tell(options, outcome, line)
        elif outcome.status == "done":
            sizes = f"{_px(line['input_size'])} -> {_px(line['output_size'])}"
            output.data(f"{outcome.job.name} -> {outcome.job.target}: {sizes}")
    return code_of(counts)


def _px(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]} px"


def _hands(
    options: Options, recipe: "UpscalingRecipe"
) -> AbstractContextManager[Callable[["AnyUpscaling"], Crew]]:
    """Return the executor, on this machine or on a cluster.

    The function connects to the cluster before anything is written. If that fails,
    nothing is left behind.
    """
    if options.cluster is None:
        # Several processes already overlap each other's stages.
        alone = options.jobs == 1
        return nullcontext(Overlapped if alone else executor(options.jobs))
    from cxr_sr.batch.ray import connected

    return connected(options.cluster, recipe.settings.threads)


def _perform(
    options: Options,
    recipe: "UpscalingRecipe",
    plan: "Plan",
    hands: Callable[["AnyUpscaling"], Crew],
) -> int:
    """Do the jobs, and report on each file."""
    from cxr_sr.batch.identities import Identities
    from cxr_sr.batch.upscaling import clock

    earlier = EarlierRuns()
    if options.resume:
        earlier = EarlierRuns.read(options.report_path, recipe.sha256)
    recipe = recipe.at(clock(earlier.clock))
    if options.shard is None:  # the files of the other rows may be in other parts
        _tell_unmatched(recipe, plan)
    report = Report(options.report_path)
    identities = Identities(reported=options.report_uids)
    head = HeadTally()

    def add(outcome: Outcome) -> FileEntry:
        about = report.add(identities.noted(outcome))
        folder.check()
        head.add(about)
        return about

    def work(kept: Callable[[Outcome], None]) -> Generator[Outcome]:
        return run(work_of(recipe), earlier.sift(plan.jobs, kept), hands)

    try:
        with report, OutputFolder(options.output) as folder:
            report.begin({"notice": output.NOTICE, **recipe.announce()})
            perform(options, plan, add, work)
    except ReportError as error:
        stand = sum(job.target.is_file() for job in plan.jobs)
        return broken_off(error, min(stand, report.written))
    head.tell()
    return _conclude(options, report.counts, identities.dates_kept)


def _tell_unmatched(recipe: "UpscalingRecipe", plan: "Plan") -> None:
    """Warn about rows of --tags without a file; perhaps the column is wrong."""
    table = recipe.tags
    unmatched = table.unmatched(plan.jobs) if table else []
    if table and unmatched:
        output.complain(
            f"{len(unmatched)} rows of {table.name} name no file of the input, the "
            f"first {unmatched[0]}; expected paths relative to {table.name} or to INPUT"
        )


def _conclude(
    options: Options, counts: Mapping[str, int], dates_kept: Mapping[str, int]
) -> int:
    """Print the summary, and return the exit code."""
    for because, count in dates_kept.items():
        output.say(
            f"{count} of the results keep the dates of their source, as "
            f"{because}; --dates chooses otherwise"
        )
    output.say(f"{summary(counts)}; report: {options.report_path}")
    return code_of(counts)
