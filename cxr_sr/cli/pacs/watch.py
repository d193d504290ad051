"""`cxr-sr watch`: super-resolve files as they arrive in a folder."""

import dataclasses
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cxr_sr.batch.pipeline import Overlapped
from cxr_sr.batch.runner import run
from cxr_sr.cli import interrupt, output
from cxr_sr.cli.batch import executor, perform
from cxr_sr.cli.errors import DONE, broken_off
from cxr_sr.cli.options import Again, Debug, Json, Quiet, ResultFolder, require
from cxr_sr.cli.upscale.options import Options, Treatment
from cxr_sr.errors import ReportError, SettingsError
from cxr_sr.files import sweep
from cxr_sr.report.earlier import EarlierRuns, outputs_of
from cxr_sr.report.entries import FileEntry, RunEntry
from cxr_sr.report.outcome import Job, Outcome
from cxr_sr.report.writer import Report

if TYPE_CHECKING:
    from cxr_sr.pacs.feed import Feed
    from cxr_sr.pacs.work import SeriesClock, TimedJob

SERIES = ".series-times"
"""Name of the folder, in the output folder, with the start time of each series."""


@dataclass(frozen=True, kw_only=True)
class WatchOptions(Treatment):
    """The options of `cxr-sr watch`."""

    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Folder to watch, with its subfolders.",
            show_default=False,
        ),
    ]
    output: ResultFolder
    settle: Annotated[
        float,
        typer.Option(
            min=0.1,
            metavar="SECONDS",
            help="Process a file when it has not changed for this time, in seconds.",
        ),
    ] = 2.0
    poll: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            metavar="SECONDS",
            help="Check for changes at this interval, in seconds. Network shares need "
            "this option, because they report no changes.",
        ),
    ] = None
    jobs: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1
    again: Again = False
    quiet: Quiet = False
    as_json: Json = False
    debug: Debug = False

    @property
    def on_error(self) -> str:
        """Report a failed file, and continue."""
        return "continue"


def watch(options: WatchOptions) -> int:
    """Super-resolve files as they arrive in FOLDER; print the paths of the results.

    The command runs until Ctrl-C. A new start reads the report and skips files that are
    done and unchanged.
    """
    require("watchfiles")
    output.say(output.NOTICE)
    from cxr_sr.batch.plan import check_places
    from cxr_sr.cli.upscale.request import recipe_of
    from cxr_sr.pacs.feed import Feed
    from cxr_sr.pacs.lock import only_one
    from cxr_sr.pacs.watch import Watched, Watcher

    if not options.folder.is_dir():
        raise SettingsError(f"there is no folder {str(options.folder)!r}")
    folder = options.folder.resolve()
    given = {f.name: getattr(options, f.name) for f in dataclasses.fields(Treatment)}
    batch = Options(
        **given,
        inputs=[str(folder)],
        output=options.output,
        jobs=options.jobs,
        again=options.again,
    )
    recipe = recipe_of(batch)
    check_places([], batch.report_path, [folder])
    watched = Watched(
        folder,
        options.output,
        batch.format,
        options.settle,
        options.poll,
        written=outputs_of(batch.report_path),
    )
    feed: Feed[Job | Outcome] = Feed(interrupt.check)
    watcher = Watcher(watched, feed.put, feed.close)
    with ExitStack() as stack:
        stack.enter_context(only_one(options.output))
        sweep(path.parent for path in options.output.rglob("*"))
        stack.callback(watcher.stop)
        watcher.start()
        if code := _follow(options, batch, recipe, feed):
            return code
    raise SettingsError(
        f"{options.folder} cannot be watched any more; check that the folder exists"
    )


def _follow(
    options: WatchOptions,
    batch: Options,
    recipe: Any,  # noqa: ANN401 - an UpscalingRecipe, which is slow to import
    feed: "Feed[Job | Outcome]",
) -> int:
    """Process the files of the feed by the loop of `upscale`, until the feed ends.

    Returns the exit code: not 0 if the report cannot be written any more.
    """
    from cxr_sr.batch.identities import Identities
    from cxr_sr.batch.plan import Plan
    from cxr_sr.pacs.work import SeriesClock, Treatments

    earlier = EarlierRuns.read(batch.report_path, recipe.sha256)
    clock = SeriesClock(options.output / SERIES)
    identities = Identities(reported=False)
    hands: Any = Overlapped if options.jobs == 1 else executor(options.jobs)
    report = Report(batch.report_path)
    announced: RunEntry = recipe.announce()
    announced |= {"notice": output.NOTICE, "clock": None}

    def add(outcome: Outcome) -> FileEntry:
        feed.done()
        return report.add(identities.noted(outcome))

    def work(kept: Callable[[Outcome], None]) -> Generator[Outcome]:
        jobs = _jobs(feed, earlier, clock, kept)
        return run(Treatments([recipe]), jobs, hands)

    # The number of files is unknown, so there is no progress bar.
    no_bar = dataclasses.replace(options, quiet=True)
    try:
        with report:
            report.begin(announced)
            output.say(f"watching {options.folder}; report: {batch.report_path}")
            perform(no_bar, Plan([], []), add, work)
    except ReportError as error:
        return broken_off(error, report.written)
    return DONE


def _jobs(
    feed: "Feed[Job | Outcome]",
    earlier: EarlierRuns,
    clock: "SeriesClock",
    kept: Callable[[Outcome], None],
) -> "Iterator[TimedJob | None]":
    """Yield the jobs to do; report the files that are done or cannot be used."""
    for item in feed:
        if item is None:
            yield None
        elif isinstance(item, Outcome):
            kept(item)
        else:
            yield from map(partial(_timed, clock), earlier.sift([item], kept))


def _timed(clock: "SeriesClock", job: Job) -> "TimedJob":
    from cxr_sr.formats import uids_of
    from cxr_sr.pacs.work import TimedJob

    now = clock.time_of(uids_of(job.source).series or "")
    return TimedJob(job.name, job.source, job.output, job.target, job.asked, 0, now)
