"""Run jobs and yield their outcomes; an executor decides where the work is done.

::

    for outcome in run(work, jobs, Serial):                    # here
    for outcome in run(work, jobs, partial(Processes, count=4)):    # in four processes

A bad file gives one failed outcome. A process that dies fails only its present file.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, Protocol, Self, TypeVar

from cxr_sr.errors import CxrSrError, NotARadiographError, OutputError
from cxr_sr.hints import how_to_install
from cxr_sr.processes import end_of
from cxr_sr.report.outcome import Job, Outcome, Status

PATIENCE_S = 0.2
"""Seconds between two checks for the next job, while workers are idle."""
GRACE_S = 10
"""Time that a process has to clean up after an interruption, in seconds."""

_STOPPED = 128 + signal.SIGTERM
"""Exit code of a worker that SIGTERM stopped, as a shell gives it."""

Work = Callable[[Job], Mapping[str, Any]]
"""Does one job and returns its facts, or raises. The function is pickled once for each
process, and may keep data that take long to load."""


class Crew(Protocol):
    """The workers of a run; a context manager that stops them at the end."""

    capacity: int
    """Largest number of jobs in work at a time; limits the memory."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

    def submit(self, job: Job) -> None:
        """Begin a job; the caller makes sure that fewer than `capacity` are in work."""
        ...

    def finished(self, patience_s: float | None = None) -> Iterator[Outcome]:
        """Wait until at least one job is finished; yield the outcomes.

        Parameters
        ----------
        patience_s : longest time to wait, in seconds; None: no limit
        """
        ...


Executor = Callable[[Work], Crew]
SomeWork = TypeVar("SomeWork", bound=Work)


def run(
    work: SomeWork, jobs: Iterable[Job | None], executor: Callable[[SomeWork], Crew]
) -> Generator[Outcome, None, None]:
    """Yield an outcome for every job, as the jobs finish.

    A job is taken from `jobs` when a worker is free. Closing the generator, or an
    exception such as KeyboardInterrupt, stops the jobs in work.

    Parameters
    ----------
    jobs : the jobs; a None among them means that no job is ready now, but others follow
    """
    waiting = iter(jobs)
    in_hand = 0
    with executor(work) as crew:
        while True:
            patience_s = None
            for job in islice(waiting, crew.capacity - in_hand):
                if job is None:
                    patience_s = PATIENCE_S
                    break
                crew.submit(job)
                in_hand += 1
            if not in_hand:
                return
            for outcome in crew.finished(patience_s):
                in_hand -= 1
                yield outcome


def attempt(work: Work, job: Job) -> Outcome:
    """Do one job; turn any error into a failed outcome, so that the run goes on."""
    begun = time.perf_counter()
    try:
        return Outcome(job, "done", work(job))
    except Exception as error:  # noqa: BLE001 - the one boundary between files
        skipped = isinstance(error, NotARadiographError) and not job.asked
        seconds = {"seconds": {"total": round(time.perf_counter() - begun, 3)}}
        trace = "".join(traceback.format_exception(error))
        refused = isinstance(error, OutputError) and isinstance(
            error.__cause__, OSError
        )
        status: Status = "skipped" if skipped else "failed"
        return Outcome(job, status, seconds, explain(error), trace, refused)


def explain(error: BaseException) -> str:
    """Return one line about an error; it has no paths, as Python's own messages do."""
    match error:
        case CxrSrError():
            return str(error)
        case ModuleNotFoundError():
            return how_to_install(error)
        case OSError():
            return (error.strerror or type(error).__name__).lower()
        case MemoryError():
            return "out of memory; lower --max-memory or --jobs"
        case _:
            return (
                f"unexpected {type(error).__name__}; run again with --debug, and "
                "report the traceback"
            )


class Serial:
    """Works in this process, one job at a time."""

    capacity = 1

    def __init__(self, work: Work) -> None:
        self._work = work
        self._jobs: list[Job] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._jobs.clear()

    def submit(self, job: Job) -> None:
        """Keep the job until `finished` does it."""
        self._jobs.append(job)

    def finished(self, patience_s: float | None = None) -> Iterator[Outcome]:  # noqa: ARG002 - it never waits
        """Do the job, without a time limit."""
        yield attempt(self._work, self._jobs.pop())


class Processes:
    """Works in `count` other processes; each process loads the work once."""

    def __init__(self, work: Work, count: int) -> None:
        self.capacity = count
        self._work = work
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        workers = [*self._idle, *self._busy]
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join(GRACE_S)
            worker.process.kill()

    def submit(self, job: Job) -> None:
        """Give the job to an idle process, or to a new one."""
        worker = self._idle.pop() if self._idle else _Worker(self._work)
        worker.begin(job)
        self._busy.append(worker)

    def finished(self, patience_s: float | None = None) -> Iterator[Outcome]:
        """Wait until a process answers or dies, at most `patience_s` seconds."""
        ready = wait([worker.pipe for worker in self._busy], patience_s)
        for worker in [w for w in self._busy if w.pipe in ready]:
            self._busy.remove(worker)
            outcome = worker.outcome()
            if worker.process.is_alive():
                self._idle.append(worker)
            yield outcome


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, work: Work) -> None:
        # spawn, not fork: a forked child lacks the threads of the engines
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(work, theirs), daemon=True)
        with _interrupts_waiting():
            self.process.start()
        theirs.close()  # so the pipe closes when the process ends

    def begin(self, job: Job) -> None:
        """Send a job; if the process is dead already, `outcome` reports it."""
        self._job = job
        with contextlib.suppress(BrokenPipeError):
            self.pipe.send(job)

    def outcome(self) -> Outcome:
        """Receive the outcome of the job."""
        try:
            received: Outcome = self.pipe.recv()
        except (EOFError, OSError):  # OSError: it ended in the middle of a message
            self.process.join()
            return Outcome(
                self._job, "failed", reason=_cause_of_death(self.process.exitcode)
            )
        return received


@contextlib.contextmanager
def _interrupts_waiting() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait while a process starts.

    Otherwise a signal could stop the start halfway. Or it could stop the child during
    its imports, and the child would print a traceback. The child inherits the mask.
    """
    with _deferred(signal.SIGINT, signal.SIGTERM):
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            yield
            return
        # The first start of a process also starts the tracker, which removes the mask.
        # So start the tracker before.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _deferred(*numbers: int) -> Iterator[None]:
    """Run the handlers of signals only at the end of the block.

    A mask is not enough: the system gives a blocked signal to another thread.
    """
    came: list[int] = []
    handlers = {n: signal.getsignal(n) for n in numbers}
    ours = threading.current_thread() is threading.main_thread()
    replaced = {n: h for n, h in handlers.items() if ours and callable(h)}
    for number in replaced:
        signal.signal(number, lambda signalled, _: came.append(signalled))
    try:
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def _cause_of_death(code: int | None) -> str:
    ended = end_of(-signal.SIGTERM if code == _STOPPED else code)
    return (
        f"the process that worked on it {ended}; "
        "try again, with a lower --max-memory or fewer --jobs"
    )


def _serve(work: Work, pipe: Connection) -> None:
    """Answer jobs until the pipe is closed."""
    # Ctrl-C reaches the whole process group; only the parent acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # An exception, so that a half-written file is removed before the process ends.
    signal.signal(signal.SIGTERM, _leave)
    if not sys.warnoptions:  # a library's warning can name a path or quote a header
        warnings.simplefilter("ignore")
    try:
        while True:
            pipe.send(attempt(work, pipe.recv()))
    except (EOFError, OSError):  # the parent was killed, perhaps while it sent a job
        return


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(_STOPPED)
