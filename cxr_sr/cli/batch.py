"""What the commands that make files of many files have in common."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from cxr_sr.batch.runner import Executor, Processes, Serial
from cxr_sr.cli import interrupt, output
from cxr_sr.cli.errors import exit_code
from cxr_sr.processors import available
from cxr_sr.report.entries import WRITTEN, FileEntry
from cxr_sr.report.outcome import Outcome

if TYPE_CHECKING:
    from cxr_sr.batch.plan import Batch

Item = TypeVar("Item")

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

    @property
    def quiet(self) -> bool:
        """No progress bar."""
        ...

    @property
    def on_error(self) -> str:
        """`stop` or `continue` when a file fails."""
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
    """Return who does the work: this process, or so many others; 0: one a core.

    Only 1 is this process. A decoder that crashes another one costs a single file.
    """
    return Serial if jobs == 1 else partial(Processes, count=jobs or available())


class Loop(Generic[Item]):
    """Takes one item after the other, shows how far it is, and counts failures."""

    def __init__(
        self, note: Callable[[Item], bool], finished_one: Callable[[int], None]
    ) -> None:
        self.failed = 0
        self._note = note
        self._finished_one = finished_one

    def take(self, item: Item) -> None:
        """Note one item."""
        self.failed += self._note(item)
        self._finished_one(self.failed)

    def follow(self, items: Generator[Item], *, stop: bool = False) -> None:
        """Note items as they come, until one fails if that is to `stop` the run.

        Raises
        ------
        KeyboardInterrupt
            After an item, if an interruption was lost on its way here.
        """
        with closing(items):
            for item in items:
                failed = self.failed
                self.take(item)
                interrupt.check()
                if stop and self.failed > failed:
                    return


@contextmanager
def loop(
    note: Callable[[Item], bool], total: int, *, quiet: bool, plain: bool = False
) -> Iterator[Loop[Item]]:
    """Yield a loop over `total` items, with a progress bar.

    Parameters
    ----------
    note : keeps and tells what came of an item; returns whether it failed
    quiet, plain : as for `output.progress`
    """
    with output.progress(total, quiet=quiet, plain=plain) as finished_one:
        yield Loop(note, finished_one)


def perform(
    wishes: Wishes,
    batch: "Batch",
    add: Callable[[Outcome], FileEntry],
    work: Callable[[Callable[[Outcome], None]], Generator[Outcome]],
) -> None:
    """Do a batch, and tell of each file.

    Parameters
    ----------
    add : counts an outcome, and returns the entry about it
    work : yields the outcomes of the jobs; of a job that need not be done, it may tell
        the function that it is given
    """

    def note(outcome: Outcome) -> bool:
        tell(wishes, outcome, add(outcome))
        return outcome.status == "failed"

    total = len(batch.jobs) + len(batch.left_out)
    with loop(note, total, quiet=wishes.quiet) as each:
        for outcome in batch.left_out:
            each.take(outcome)
        each.follow(work(each.take), stop=wishes.on_error == "stop")


def tell(wishes: Wishes, outcome: Outcome, entry: FileEntry) -> None:
    """Print a written file as data, a failure as talk."""
    written = outcome.status in WRITTEN
    if wishes.as_json:
        path = {"path": str(outcome.job.target)} if written else {}
        output.record({**entry, **path})
    elif written:
        output.data(str(outcome.job.target))
    for warning in entry.get("warnings", ()):
        output.complain(f"{outcome.job.name}: {warning}")
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
    """Return the exit code for as many files as came to each end."""
    return exit_code(counts["done"] + counts["kept"], counts["failed"])
