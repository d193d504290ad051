"""`cxr-sr upscale`: files in, finer files out, and a report of every one."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from cxr_sr.batch.manifest import Entry, History, Report, entry
from cxr_sr.batch.runner import Executor, Outcome, Processes, Serial, run
from cxr_sr.cli import output
from cxr_sr.cli.errors import ALL_FAILED, DONE, NOTHING, SOME_FAILED
from cxr_sr.cli.upscale_options import Options

if TYPE_CHECKING:
    from cxr_sr.batch.plan import Batch
    from cxr_sr.batch.upscaling import Recipe

SHOWN = 3
"""How many files are named where nothing can be done."""


def upscale(options: Options) -> int:
    """Super-resolve radiographs; print the paths that were written.

    The folders of INPUT are mirrored under --output, and nothing is written into the
    input. A report of every file is kept beside the results.
    """
    output.say(output.NOTICE)
    from cxr_sr.cli.upscale_request import batch_of, recipe_of

    recipe = recipe_of(options)
    batch = batch_of(options)
    if not batch.jobs and all(o.status == "skipped" for o in batch.left_out):
        return _nothing(options, batch)
    if options.dry_run:
        return _rehearse(options, recipe, batch)
    return _perform(options, recipe, batch)


def _nothing(options: Options, batch: "Batch") -> int:
    """Say why there is nothing to do; a part of the input may well be empty."""
    for outcome in batch.left_out[:SHOWN]:
        output.complain(f"{outcome.job.name}: {outcome.reason}")
    output.complain(f"nothing to do; {len(batch.left_out)} files were left out")
    return NOTHING if options.shard is None else DONE


def _rehearse(options: Options, recipe: "Recipe", batch: "Batch") -> int:
    """Tell what would be done, from the headers alone."""
    from cxr_sr.batch.upscaling import rehearse

    counts = Counter[str]()
    rehearsed = run(partial(rehearse, recipe), batch.jobs, Serial)
    for outcome in chain(batch.left_out, rehearsed):
        counts[outcome.status] += 1
        plan = entry(outcome)
        if options.as_json or outcome.status == "failed":
            _tell(options, outcome, plan)
        elif outcome.status == "done":
            sizes = f"{_px(plan['input_size'])} -> {_px(plan['output_size'])}"
            output.data(f"{outcome.job.name} -> {outcome.job.target}: {sizes}")
    return _code(counts)


def _px(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]} px"


def _perform(options: Options, recipe: "Recipe", batch: "Batch") -> int:
    """Do the jobs and report them, file by file."""
    from cxr_sr.batch.upscaling import Upscaling, clock

    history = History()
    if options.resume:
        history = History.read(options.report_path, recipe.sha256)
    recipe = recipe.at(clock(history.clock))
    total = len(batch.jobs) + len(batch.left_out)
    with (
        Report(options.report_path) as report,
        output.progress(total, quiet=options.quiet) as finished_one,
    ):
        report.begin({"notice": output.NOTICE} | recipe.announce())

        def note(outcome: Outcome) -> None:
            _tell(options, outcome, report.add(outcome))
            finished_one(report.counts["failed"])

        for outcome in batch.left_out:
            note(outcome)
        todo = history.sift(batch.jobs, note)
        with closing(run(Upscaling(recipe), todo, _executor(options))) as outcomes:
            _follow(outcomes, note, stop=options.on_error == "stop")
    return _conclude(options, report.counts)


def _follow(
    outcomes: Iterable[Outcome], note: Callable[[Outcome], None], *, stop: bool
) -> None:
    """Note outcomes as they come, until one fails if that is to `stop` the run."""
    for outcome in outcomes:
        note(outcome)
        if stop and outcome.status == "failed":
            return


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
        if options.debug and outcome.trace:
            output.complain(outcome.trace)


def _conclude(options: Options, counts: Mapping[str, int]) -> int:
    """Say how it went, in words and as an exit code."""
    if not options.quiet:
        told = ", ".join(f"{n} {status}" for status, n in counts.items() if n)
        output.say(f"{told or 'nothing done'}; report: {options.report_path}")
    return _code(counts)


def _code(counts: Mapping[str, int]) -> int:
    written = counts["done"] + counts["kept"]
    if counts["failed"]:
        return SOME_FAILED if written else ALL_FAILED
    return DONE if written else NOTHING
