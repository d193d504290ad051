"""Items that arrive while others are being worked on, for the batch loop.

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
"""Python handles a signal only between two waits, on some systems."""


class Feed(Generic[Item]):
    """An endless iterator; yields None where nothing is there but work is in hand.

    The loop then continues with the jobs in work, and does not wait for more.

    Parameters
    ----------
    check : is called now and then while nothing arrives; it may raise to end the wait
    """

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self._check = check
        self._inbox: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._in_hand = 0

    def put(self, item: Item) -> None:
        """Add an item; from any thread."""
        self._inbox.put(item)

    def close(self) -> None:
        """End the iterator after all that was put; from any thread."""
        self._inbox.put(None)

    def done(self) -> None:
        """Note that one of the items given out is finished; from the loop's thread."""
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
