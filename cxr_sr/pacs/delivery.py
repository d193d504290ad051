"""Send results to one receiver; try again until the receiver has them."""

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
"""Wait before the second try, in seconds; each further wait is twice as long."""
TRIES = 3
"""Number of tries for an instance if the receiver answers with a failure."""
BUSY_TRIES = 10
"""Number of tries if the receiver is "out of resources" but accepts other instances."""
IDLE_S = 2.0
"""Seconds without a file to send after which an association is released."""
DISK_WAIT_S = 5.0
"""Wait after the disk refused a write, in seconds."""
STOP_S = 10.0
"""Longest wait at the end for the file in transfer, in seconds."""


@dataclass(frozen=True)
class ReceiverState:
    """The state of a receiver."""

    state: Literal["idle", "sending", "away"] = "idle"
    reason: str = ""
    """The reason why the receiver is away."""
    since: float = 0.0
    """Time of the last change to `away`, in seconds since 1970."""
    next_try: float = 0.0
    sent: int = 0
    """Number of sent results since the start of the node."""


Settled = Callable[[str, Peer, str | None], None]
"""Callback (entry, receiver, reason); the reason of a refusal, None after success."""


class Delivery:
    """One receiver, the entries that wait for it, and the thread that sends them.

    If a receiver is away, its entries stay in the queue. If a receiver answers with a
    failure, the node tries a few more times; then the answer is final.
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
        """Start the sending thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the sending thread; entries stay in the queue."""
        self._stopping.set()
        self._inbox.put("")  # wakes the thread

    def join(self, seconds: float) -> None:
        """Wait until the file in transfer is sent, at most `seconds`."""
        self._thread.join(seconds)

    def offer(self, key: str) -> None:
        """Add an entry to send."""
        self._inbox.put(key)

    @property
    def waiting(self) -> int:
        """The number of waiting entries, without the entry in transfer."""
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
        """Send an entry; after an error, settle the entry or keep it in the queue."""
        try:
            self._sender.send(self._locate(key))
        except AwayError as error:
            self._again(key, str(error), away=True)
        except RefusedError as error:
            self._refused(key, error)
        except Exception as error:  # noqa: BLE001 - the thread must go on
            self._again(key, f"unexpected {type(error).__name__}", away=True)
        else:
            self._failures = 0
            sent = self.condition.sent + 1
            self._note(state="sending", reason="", since=0.0, next_try=0.0, sent=sent)
            self._settle(key, None)

    def _refused(self, key: str, error: RefusedError) -> None:
        # "Busy" counts only if the receiver accepted others meanwhile: a full disk
        # refuses all instances, and later accepts all.
        sent = self.condition.sent
        if not error.busy or self._sent_at.get(key) != sent:
            self._tries[key] += 1
        self._sent_at[key] = sent
        if self._tries[key] >= (BUSY_TRIES if error.busy else TRIES):
            self._settle(key, str(error))
        else:
            self._again(key, str(error), away=error.busy)

    def _again(self, key: str, reason: str, *, away: bool) -> None:
        """Put an entry at the end of the queue, and wait."""
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
        """Record the receiver's answer; try again until the disk accepts it."""
        self._tries.pop(key, None)
        self._sent_at.pop(key, None)
        while True:
            try:
                self._settled(key, self.peer, refusal)
            except (OSError, CxrSrError) as error:
                words = f"its answer cannot be recorded: {explain(error)}"
                self._wait(words, DISK_WAIT_S)
                if self._stopping.is_set():
                    return  # the next start of the node sends the entry again
            else:
                return

    def _note(self, **changes: object) -> None:
        self.condition = replace(self.condition, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Deliveries:
    """The deliveries by receiver name; the arguments are those of `Delivery`."""

    sender_to: Callable[[Peer], Sender]
    locate: Callable[[str], Path]
    settled: Settled
    by_name: dict[str, Delivery] = field(default_factory=dict)

    def start(self, peer: Peer) -> Delivery:
        """Return the delivery to a receiver; start a new delivery if there is none."""
        if peer.name not in self.by_name:
            new = Delivery(peer, self.sender_to(peer), self.locate, self.settled)
            self.by_name[peer.name] = new
            new.start()
        return self.by_name[peer.name]

    def stop(self) -> None:
        """Stop all deliveries; wait for the files in transfer."""
        for delivery in self.by_name.values():
            delivery.stop()
        for delivery in self.by_name.values():
            delivery.join(STOP_S)
