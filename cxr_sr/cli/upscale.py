"""`cxr-sr upscale`: files in, finer files out, and a report of every one."""

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from cxr_sr.batch.manifest import Entry, History, Report
from cxr_sr.batch.runner import Executor, Job, Outcome, Processes, Serial, run
from cxr_sr.cli import output
from cxr_sr.cli.errors import ALL_FAILED, DONE, NOTHING, SOME_FAILED
from cxr_sr.cli.upscale_options import Options

if TYPE_CHECKING:
    from cxr_sr.batch.upscaling import Recipe


def upscale(options: Options) -> int:
    """Super-resolve radiographs; print the paths that were written.

    The folders of INPUT are mirrored under --output, and nothing is written into the
    input. A report of every file is kept beside the results.
    """
    output.say(output.NOTICE)
    from cxr_sr.cli.upscale_request import find_jobs, recipe_of

    recipe = recipe_of(options)
    jobs = find_jobs(options)
    if not jobs:
        output.complain("nothing to do: no radiographs in the input")
        return NOTHING
    if options.dry_run:
        return _rehearse(options, recipe, jobs)
    return _perform(options, recipe, jobs)


def _rehearse(options: Options, recipe: "Recipe", jobs: list[Job]) -> int:
    """Tell what would be done, reading no pixels."""
    from cxr_sr.batch.upscaling import rehearse

    for outcome in run(partial(rehearse, recipe), jobs, Serial):
        _tell(options, outcome, entry(outcome))
    return DONE


def _perform(options: Options, recipe: "Recipe", jobs: list[Job]) -> int:
    """Do the jobs and report them, file by file."""
    from cxr_sr.batch.upscaling import Upscaling, clock

    history = History()
    if options.resume:
        history = History.read(options.report_path, recipe.sha256)
    recipe = recipe.at(clock(history.clock))
    with (
        Report(options.report_path) as report,
        output.progress(len(jobs), quiet=options.quiet) as finished_one,
    ):
        report.begin({"notice": output.NOTICE} | recipe.announce())

        def note(outcome: Outcome) -> None:
            _tell(options, outcome, report.add(outcome))
            finished_one(report.counts["failed"])

        todo = history.sift(jobs, note)
        with closing(run(Upscaling(recipe), todo, _executor(options))) as outcomes:
            for outcome in outcomes:
                note(outcome)
                if outcome.status == "failed" and options.on_error == "stop":
                    break
    return _conclude(options, report.counts)


def _executor(options: Options) -> Executor:
    return Serial if options.jobs == 1 else partial(Processes, count=options.jobs)


def _tell(options: Options, outcome: Outcome, entry: Entry) -> None:
    """Print a written file as data, a failure as talk."""
    written = outcome.status in ("done", "kept")
    if options.as_json:
        output.record(entry | ({"path": str(outcome.job.target)} if written else {}))
    elif written:
        output.data(str(outcome.job.target))
    if outcome.status == "failed":
        output.complain(f"{outcome.job.name}: {outcome.reason}")


def _conclude(options: Options, counts: dict[str, int]) -> int:
    """Say how it went, in words and as an exit code."""
    if not options.quiet:
        told = ", ".join(f"{n} {status}" for status, n in counts.items() if n)
        output.say(f"{told}; report: {options.report_path}")
    written = counts["done"] + counts["kept"]
    if counts["failed"]:
        return SOME_FAILED if written else ALL_FAILED
    return DONE if written else NOTHING
