"""Read, compute and write at the same time, for work in stages.

::

    reader thread ── input ──► computing thread ── output ──► caller's thread: writing

While one image is computed, the next one is read and the previous one is written. With
enough processors, a folder takes as long as its slowest stage.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Protocol, Self

from cxr_sr.batch.runner import GRACE_S, attempt
from cxr_sr.report.outcome import Job, Outcome

Stage = Callable[[Job, Any], Any]
"""A function of (job, result of the stage before), which returns the input of the next
stage. The first stage gets None; the last one returns the facts."""


THREAD_NAME = "stage ahead"


class StagedWork(Protocol):
    """Work in several stages; a call does all stages."""

    @property
    def stages(self) -> Sequence[Stage]:
        """Two stages or more; only the last one writes."""
        ...

    def __call__(self, job: Job) -> Mapping[str, Any]:
        """Do all stages of a job."""
        ...


@dataclass(frozen=True)
class _Product:
    """A job between two stages, with the result of the first."""

    job: Job
    value: Any = None


_Queue = SimpleQueue[_Product | Outcome | None]
"""None ends the queue."""


class Overlapped:
    """Works in this process, each stage on one job at a time, in the jobs' order.

    The last stage runs on the thread that asks for outcomes. An interruption reaches it
    there, so that it can clean up, and the report knows every file that is written.
    """

    def __init__(self, work: StagedWork) -> None:
        *ahead, self._last = work.stages
        self.capacity = len(ahead) + 1
        """One job for each stage: the most images in memory at a time."""
        self._queues = [_Queue() for _ in range(len(ahead) + 1)]
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._serve, args=given, name=THREAD_NAME, daemon=True
            )
            for given in zip(ahead, self._queues, self._queues[1:], strict=False)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        for queue in self._queues:
            queue.put(None)
        for thread in self._threads:
            thread.join(GRACE_S)

    def submit(self, job: Job) -> None:
        """Hand the job to the first stage."""
        self._queues[0].put(_Product(job))

    def finished(self, patience_s: float | None = None) -> Iterator[Outcome]:
        """Take the next job through the last stage."""
        try:
            product = self._queues[-1].get(timeout=patience_s)
        except Empty:
            return
        if isinstance(product, _Product):
            yield attempt(partial(self._finish, product), product.job)
        elif product is not None:
            yield product

    def _finish(self, product: _Product, job: Job) -> Mapping[str, Any]:
        facts: Mapping[str, Any] = self._last(job, product.value)
        return facts

    def _serve(self, stage: Stage, inbox: _Queue, outbox: _Queue) -> None:
        """Do one stage of every job in `inbox`; pass failed jobs on."""
        while (product := inbox.get()) is not None and not self._stopping.is_set():
            outbox.put(_done(stage, product))


def _done(stage: Stage, product: _Product | Outcome) -> _Product | Outcome:
    if isinstance(product, Outcome):
        return product
    outcome = attempt(lambda job: {"value": stage(job, product.value)}, product.job)
    if outcome.status != "done":
        return outcome
    return _Product(product.job, outcome.facts["value"])
