"""Sending results to one receiver, again and again until it has them."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from cxr_sr.batch.runner import explain
from cxr_sr.errors import CxrSrError
from cxr_sr.pacs.network.peers import Peer
from cxr_sr.pacs.network.store_scu import AwayError, RefusedError, Sender

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
"""Between two tries; doubled every time."""
TRIES = 3
"""Of an instance that the receiver answers with a failure."""
BUSY_TRIES = 10
"""Of one that it answers with "out of resources" while it takes others."""
IDLE_S = 2.0
"""An association with nothing to send is released."""
DISK_WAIT_S = 5.0
"""After the disk refused to write."""
STOP_S = 10.0
"""Seconds to wait at the end for the file that is being sent."""


@dataclass(frozen=True)
class ReceiverState:
    """How a receiver is doing."""

    state: Literal["idle", "sending", "away"] = "idle"
    reason: str = ""
    """Why it is away."""
    since: float = 0.0
    """Seconds since 1970: when it went away."""
    next_try: float = 0.0
    sent: int = 0
    """Since the node was started."""


Settled = Callable[[str, Peer, str | None], None]
"""(entry, receiver, None if it has the result, else why it refused it)"""


class Delivery:
    """One receiver, the entries that wait for it, and the thread that sends them.

    A receiver that is away costs time only: its entries stay in the queue. One that
    answers with a failure is asked again a few times; then its answer holds.
    """

    def __init__(
        self,
        peer: Peer,
        sender: Sender,
        locate: Callable[[str], Path],
        settled: Settled,
    ) -> None:
        self.peer = peer
        self.condition = ReceiverState()
        self._sender, self._locate, self._settled = sender, locate, settled
        self._inbox: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._tries: Counter[str] = Counter()
        self._sent_at: dict[str, int] = {}
        self._failures = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._serve, name=f"to {peer.name}", daemon=True
        )

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Stop sending; entries stay in the queue."""
        self._stopping.set()
        self._inbox.put("")  # wakes the thread

    def join(self, seconds: float) -> None:
        """Wait for the file that is being sent."""
        self._thread.join(seconds)

    def offer(self, key: str) -> None:
        """Add an entry to send."""
        self._inbox.put(key)

    @property
    def waiting(self) -> int:
        """How many entries wait for this receiver, but for the one being sent."""
        return self._inbox.qsize()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                key = self._inbox.get(timeout=IDLE_S)
            except queue.Empty:
                self._sender.close()
                self._note(state="idle" if self.condition.state != "away" else "away")
                continue
            if not self._stopping.is_set():
                self._try(key)
        self._sender.close()

    def _try(self, key: str) -> None:
        """Send an entry; whatever goes wrong, it is settled or stays in the queue."""
        try:
            self._sender.send(self._locate(key))
        except AwayError as error:
            self._again(key, str(error), away=True)
        except RefusedError as error:
            self._refused(key, error)
        except Exception as error:  # noqa: BLE001 - the thread has to live
            self._again(key, f"unexpected {type(error).__name__}", away=True)
        else:
            self._failures = 0
            sent = self.condition.sent + 1
            self._note(state="sending", reason="", since=0.0, next_try=0.0, sent=sent)
            self._settle(key, None)

    def _refused(self, key: str, error: RefusedError) -> None:
        # Being busy counts only where others were taken meanwhile: a receiver whose
        # disk is full refuses all, and takes all when it has room again.
        sent = self.condition.sent
        if not error.busy or self._sent_at.get(key) != sent:
            self._tries[key] += 1
        self._sent_at[key] = sent
        if self._tries[key] >= (BUSY_TRIES if error.busy else TRIES):
            self._settle(key, str(error))
        else:
            self._again(key, str(error), away=error.busy)

    def _again(self, key: str, reason: str, *, away: bool) -> None:
        """Put an entry behind the others, and wait."""
        self._inbox.put(key)
        wait_s = min(FIRST_WAIT_S * 2**self._failures, LONGEST_WAIT_S)
        self._failures = min(self._failures + 1, 10)
        if away:
            self._wait(reason, wait_s)
        else:
            self._stopping.wait(wait_s)

    def _wait(self, reason: str, wait_s: float) -> None:
        now = time.time()
        since = self.condition.since or now
        self._note(state="away", reason=reason, since=since, next_try=now + wait_s)
        self._stopping.wait(wait_s)

    def _settle(self, key: str, refusal: str | None) -> None:
        """Note the receiver's answer; where the disk refuses, again and again."""
        self._tries.pop(key, None)
        self._sent_at.pop(key, None)
        while True:
            try:
                self._settled(key, self.peer, refusal)
            except (OSError, CxrSrError) as error:
                words = f"its answer cannot be noted: {explain(error)}"
                self._wait(words, DISK_WAIT_S)
                if self._stopping.is_set():
                    return  # it is sent again after the next start
            else:
                return

    def _note(self, **changes: object) -> None:
        self.condition = replace(self.condition, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Deliveries:
    """A delivery for each receiver, by its name; arguments as of `Delivery`."""

    sender_to: Callable[[Peer], Sender]
    locate: Callable[[str], Path]
    settled: Settled
    by_name: dict[str, Delivery] = field(default_factory=dict)

    def start(self, peer: Peer) -> Delivery:
        """Return the delivery to a receiver, started if it is new."""
        if peer.name not in self.by_name:
            new = Delivery(peer, self.sender_to(peer), self.locate, self.settled)
            self.by_name[peer.name] = new
            new.start()
        return self.by_name[peer.name]

    def stop(self) -> None:
        """End all of them; wait for the files that are being sent."""
        for delivery in self.by_name.values():
            delivery.stop()
        for delivery in self.by_name.values():
            delivery.join(STOP_S)
