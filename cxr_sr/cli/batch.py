"""Process many files: the loop, progress and summary that commands share."""

from collections import Counter
from collections.abc import (
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from cxr_sr.batch.runner import Executor, Processes, Serial
from cxr_sr.cli import interrupt, output
from cxr_sr.cli.errors import exit_code
from cxr_sr.processors import available
from cxr_sr.report.entries import WRITTEN, FileEntry
from cxr_sr.report.outcome import Outcome

if TYPE_CHECKING:
    from cxr_sr.batch.plan import Plan

Item = TypeVar("Item")

FAULTS = ("failed", "skipped")
"""The statuses of files that the receiver does not have."""
SHOWN = 3
"""Largest number of files to name if there is nothing to do."""


class Wishes(Protocol):
    """The options of a command about its output."""

    @property
    def as_json(self) -> bool:
        """Print entries as JSON instead of paths."""
        ...

    @property
    def debug(self) -> bool:
        """Print tracebacks."""
        ...

    @property
    def quiet(self) -> bool:
        """Show no progress bar."""
        ...

    @property
    def on_error(self) -> str:
        """The reaction to a failed file: `stop` or `continue`."""
        ...


def is_empty(plan: "Plan") -> bool:
    """Tell whether there is no job, and no left-out file that the user named."""
    return not plan.jobs and all(o.status == "skipped" for o in plan.left_out)


def tell_nothing(plan: "Plan") -> None:
    """Print why there is nothing to do."""
    for outcome in plan.left_out[:SHOWN]:
        output.complain(f"{outcome.job.name}: {outcome.reason}")
    output.complain(f"nothing to do; {len(plan.left_out)} files were left out")


def tell_lossy(count: int) -> None:
    """Print the number of sources with lossy compression, and the consequence."""
    if count:
        output.say(
            f"sources with lossy compression: {count}; their blocks and ringing are "
            "enlarged, too; DICOM results say so (LossyImageCompression 01)"
        )


def tell_doubtful(count: int, masks: int) -> None:
    """Print the number of masks that may be wrong."""
    if count:
        output.say(
            f"{count} of {masks} masks are doubtful, as the warnings say; look at them "
            "before you use them"
        )


def tell_left_out(reasons: Iterable[str]) -> None:
    """Print the number of files that were left out, by reason."""
    from cxr_sr.formats.discover import cause

    counts = Counter(map(cause, reasons))
    if counts:
        output.say(f"{counts.total()} files left out:")
        rows = [[str(n), why] for why, n in counts.most_common()]
        output.table(["files", "why"], rows, talk=True)


def executor(jobs: int) -> Executor:
    """Return the executor for `jobs` processes; 0: one for each processor.

    With 1, this process does the work. If another process crashes, only one file fails.
    """
    return Serial if jobs == 1 else partial(Processes, count=jobs or available())


@dataclass(frozen=True)
class Step:
    """One finished item of a loop."""

    source: Path
    failed: bool = False
    worked: bool = True
    """False if the file needed no work, for example if an earlier run did it."""

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        """Return the step of an outcome."""
        worked = outcome.status in ("done", "failed")
        return cls(outcome.job.source, outcome.status == "failed", worked)


class Loop(Generic[Item]):
    """Records one item after the other, shows the progress, and counts failures."""

    def __init__(self, note: Callable[[Item], Step], tick: output.Tick) -> None:
        self.failed = 0
        self._note = note
        self._tick = tick

    def take(self, item: Item) -> None:
        """Record one item."""
        step = self._note(item)
        self.failed += step.failed
        self._tick(self.failed, step.source, worked=step.worked)

    def follow(self, items: Generator[Item], *, stop: bool = False) -> None:
        """Record items as they come; with `stop`, end after the first failure.

        Raises
        ------
        KeyboardInterrupt
            After an item, if an interruption was lost in a destructor.
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
    note: Callable[[Item], Step],
    sources: Sequence[Path],
    *,
    quiet: bool,
    plain: bool = False,
    others: int = 0,
) -> Iterator[Loop[Item]]:
    """Yield a loop over files, with a progress bar.

    Parameters
    ----------
    note : records and prints the result of an item
    sources : the files to work on
    quiet, plain : see `output.progress`
    others : number of items that need no work
    """
    total = len(sources) + others
    with output.progress(total, quiet=quiet, plain=plain, sources=sources) as tick:
        yield Loop(note, tick)


def perform(
    wishes: Wishes,
    plan: "Plan",
    add: Callable[[Outcome], FileEntry],
    work: Callable[[Callable[[Outcome], None]], Generator[Outcome]],
) -> None:
    """Do the jobs of a plan, and print a line about each file.

    Parameters
    ----------
    add : counts an outcome and returns its entry
    work : yields the outcomes of the jobs; its argument is a function to call with the
        outcome of each job that needs no work
    """
    skipped: list[str] = []
    lossy = 0
    doubtful: list[bool] = []

    def note(outcome: Outcome) -> Step:
        nonlocal lossy
        lossy += bool(outcome.facts.get("input_lossy"))
        if "mask_doubtful" in outcome.facts:
            doubtful.append(outcome.facts["mask_doubtful"])
        tell(wishes, outcome, add(outcome))
        if outcome.status == "skipped":
            skipped.append(outcome.reason)
        return Step.of(outcome)

    sources = [job.source for job in plan.jobs]
    others = len(plan.left_out)
    with loop(note, sources, quiet=wishes.quiet, others=others) as each:
        for outcome in plan.left_out:
            each.take(outcome)
        each.follow(work(each.take), stop=wishes.on_error == "stop")
    tell_left_out(skipped)
    tell_lossy(lossy)
    tell_doubtful(sum(doubtful), len(doubtful))


def tell(wishes: Wishes, outcome: Outcome, entry: FileEntry) -> None:
    """Print the paths of a result and its mask to standard output, errors elsewhere."""
    paths = _paths(outcome, entry)
    if wishes.as_json:
        output.record({**entry, **paths}, stands=True)
    for path in () if wishes.as_json else paths.values():
        output.data(path, stands=True)
    for warning in entry.get("warnings", ()):
        output.complain(f"{outcome.job.name}: {warning}")
    if outcome.status == "failed":
        output.complain(f"{outcome.job.name}: {outcome.reason}")
        if wishes.debug and outcome.trace:
            output.complain(outcome.trace, trace=True)


def _paths(outcome: Outcome, entry: FileEntry) -> dict[str, str]:
    """Return the paths of a result and of the mask beside it, as far as written."""
    if outcome.status not in WRITTEN:
        return {}
    target = outcome.job.target
    paths = {"path": str(target)}
    if "mask" in entry:  # its name alone: a report may come from anyone
        paths["mask_path"] = str(target.with_name(PurePosixPath(entry["mask"]).name))
    return paths


def tell_sent(
    outcome: Outcome, line: Mapping[str, str], shown: str, *, as_json: bool
) -> None:
    """Print a sent or fetched file to standard output, a failure to standard error.

    Parameters
    ----------
    line : the facts about the file, for JSON
    shown : the name or path to print without JSON
    """
    reason = {"reason": outcome.reason} if outcome.reason else {}
    if as_json:
        output.record({**line, "status": outcome.status, **reason}, stands=True)
    elif outcome.status not in FAULTS:
        output.data(shown, stands=True)
    if outcome.status in FAULTS:
        output.complain(f"{outcome.job.name}: {outcome.reason}")


def summary(counts: Mapping[str, int]) -> str:
    """Return the number of files with each status, in words."""
    ends = ("done", "kept", "skipped", "failed")
    told = ", ".join(f"{counts.get(end)} {end}" for end in ends if counts.get(end))
    return told or "nothing done"


def code_of(counts: Mapping[str, int]) -> int:
    """Return the exit code for these numbers of files."""
    return exit_code(counts["done"] + counts["kept"], counts["failed"])
