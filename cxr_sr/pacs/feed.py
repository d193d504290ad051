"""Feed the batch loop with items that arrive while it works.

::

    for outcome in run(work, jobs_of(feed), crew):     # another thread calls feed.put
        ...
        feed.done()
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

_WAIT_S = 0.5
"""Longest wait, in seconds; some systems handle a signal only between two waits."""


class Feed(Generic[Item]):
    """An endless iterator; yields None if no item is ready but some are in work.

    After a None, the loop continues with the jobs in work and does not wait for items.

    Parameters
    ----------
    check : called regularly while no item arrives; may raise to end the wait
    """

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self._check = check
        self._inbox: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._in_hand = 0

    def put(self, item: Item) -> None:
        """Add an item; any thread may call this."""
        self._inbox.put(item)

    def close(self) -> None:
        """End the iterator after all added items; any thread may call this."""
        self._inbox.put(None)

    def done(self) -> None:
        """Record that an item is finished; only the loop's thread may call this."""
        self._in_hand -= 1

    def __iter__(self) -> Iterator[Item | None]:
        while True:
            try:
                item = self._inbox.get(block=not self._in_hand, timeout=_WAIT_S)
            except queue.Empty:
                self._check()
                if self._in_hand:
                    yield None
                continue
            if item is None:
                return
            self._in_hand += 1
            yield item
