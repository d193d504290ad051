"""What the commands that make files of many files have in common."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from cxr_sr.batch.runner import Executor, Processes, Serial
from cxr_sr.cli import interrupt, output
from cxr_sr.cli.errors import ALL_FAILED, DONE, NOTHING, SOME_FAILED
from cxr_sr.report.entries import WRITTEN, FileEntry
from cxr_sr.report.outcome import Outcome

if TYPE_CHECKING:
    from cxr_sr.batch.plan import Batch

SHOWN = 3
"""How many files are named where nothing can be done."""


class Wishes(Protocol):
    """How the user wants to be told."""

    @property
    def as_json(self) -> bool:
        """Entries as JSON instead of paths."""
        ...

    @property
    def debug(self) -> bool:
        """Tracebacks, too."""
        ...


def is_empty(batch: "Batch") -> bool:
    """Whether there is neither something to do nor something that is missed."""
    return not batch.jobs and all(o.status == "skipped" for o in batch.left_out)


def tell_nothing(batch: "Batch") -> None:
    """Say why there is nothing to do."""
    for outcome in batch.left_out[:SHOWN]:
        output.complain(f"{outcome.job.name}: {outcome.reason}")
    output.complain(f"nothing to do; {len(batch.left_out)} files were left out")


def executor(jobs: int) -> Executor:
    """Return who does the work: this process, or as many as there should be."""
    return Serial if jobs == 1 else partial(Processes, count=jobs)


def follow(
    outcomes: Iterable[Outcome], note: Callable[[Outcome], None], *, stop: bool
) -> None:
    """Note outcomes as they come, until one fails if that is to `stop` the run.

    Raises
    ------
    KeyboardInterrupt
        After an outcome, if an interruption was lost on its way here.
    """
    for outcome in outcomes:
        note(outcome)
        interrupt.check()
        if stop and outcome.status == "failed":
            return


def tell(wishes: Wishes, outcome: Outcome, entry: FileEntry) -> None:
    """Print a written file as data, a failure as talk."""
    written = outcome.status in WRITTEN
    if wishes.as_json:
        path = {"path": str(outcome.job.target)} if written else {}
        output.record({**entry, **path})
    elif written:
        output.data(str(outcome.job.target))
    if outcome.status == "failed":
        output.complain(f"{outcome.job.name}: {outcome.reason}")
        if wishes.debug and outcome.trace:
            output.complain(outcome.trace)


def summary(counts: Mapping[str, int]) -> str:
    """Say how many files came to which end."""
    ends = ("done", "kept", "skipped", "failed")
    told = ", ".join(f"{counts.get(end)} {end}" for end in ends if counts.get(end))
    return told or "nothing done"


def code_of(counts: Mapping[str, int]) -> int:
    """Say the same as an exit code."""
    written = counts["done"] + counts["kept"]
    if counts["failed"]:
        return SOME_FAILED if written else ALL_FAILED
    return DONE if written else NOTHING
