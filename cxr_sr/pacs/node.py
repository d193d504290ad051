"""Run the node: receive, super-resolve and send, until a signal ends the node."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from cxr_sr.batch.identities import Identities
from cxr_sr.batch.runner import Crew, Processes, run
from cxr_sr.batch.upscaling import UpscalingRecipe
from cxr_sr.errors import CxrSrError, OutputError, ReportError
from cxr_sr.pacs.delivery import DISK_WAIT_S, STOP_S, Deliveries
from cxr_sr.pacs.feed import Feed
from cxr_sr.pacs.instance import instance_of
from cxr_sr.pacs.lock import only_one
from cxr_sr.pacs.network.peers import Peer, parse_peer
from cxr_sr.pacs.network.senders import sender_to
from cxr_sr.pacs.network.store_scu import Sender
from cxr_sr.pacs.network.transcode import Transcoder
from cxr_sr.pacs.queue import RESULT, SOURCE, UNFINISHED, Queue, State
from cxr_sr.pacs.receive import Receiver
from cxr_sr.pacs.settings import NodeSettings, Told
from cxr_sr.pacs.status import Heartbeat
from cxr_sr.pacs.work import SeriesClock, TimedJob, Treatments
from cxr_sr.report.entries import REPORT
from cxr_sr.report.outcome import Outcome
from cxr_sr.report.writer import Report

DEATHS = 3
"""Number of processes that die on an instance before the node gives it up."""
SERIES_DAYS = 30
"""Days after which no more instances of a series are expected."""
TIDY_S = 60.0
"""Seconds between two searches for old entries."""
Hands = Callable[[Any], Crew]


class Node:
    """One store, one port, one loop of work, and one thread for each receiver."""

    def __init__(
        self,
        settings: NodeSettings,
        recipes: Sequence[UpscalingRecipe],
        hands: Hands,
        told: Told,
    ) -> None:
        self._settings, self._recipes, self._hands = settings, recipes, hands
        self._told = told
        self._queue = Queue(settings.store)
        self._clock = SeriesClock(settings.store / "series")
        self._feed: Feed[str] = Feed(told.check)
        self._report = Report(settings.store / REPORT)
        self._deliveries = Deliveries(self._sender, self._result, self._settled)
        self._receivers: dict[str, tuple[str, ...]] = {}
        """The receivers of each result in work."""
        self._transcode = Transcoder()
        self._receiver: Receiver

    def run(self) -> None:
        """Work until a signal, or `told.check`, raises.

        Raises
        ------
        SettingsError
            If another node works on the store, or the port is taken.
        OutputError
            If the store cannot be written.
        """
        settings = self._settings
        with ExitStack() as stack:
            stack.enter_context(only_one(settings.store))
            self._queue.prepare()
            stack.enter_context(self._report)
            stack.enter_context(self._transcode)
            announced = self._recipes[0].announce()
            announced |= {"notice": settings.notice, "clock": None}
            self._report.begin(announced)
            self._receiver = Receiver(
                self._queue,
                settings.limits,
                settings.callers,
                self._identity(),
                self._feed.put,
                self._told.say,
            )
            stack.callback(self._deliveries.stop)
            for peer in settings.router.all_peers.values():
                self._deliveries.start(peer)
            suspects = self._recover()
            tls = settings.tls.server() if settings.tls else None
            server = self._receiver.listen(settings.address, tls)
            stack.callback(server.shutdown)
            port = int(server.server_address[1])
            heartbeat = Heartbeat(settings.store, settings.address, port)
            self._keep_house(heartbeat, stack)
            self._told.say(
                f"receiving as {settings.address.aet} on {settings.address.host}:{port}"
            )
            self._work(suspects, partial(Processes, count=1))
            self._work(self._feed, self._hands)

    def _work(self, keys: Any, hands: Hands) -> None:  # noqa: ANN401 - a list or a feed
        outcomes = run(Treatments(self._recipes), self._jobs(keys), hands)
        with closing(outcomes), self._hands_off():
            for outcome in outcomes:
                self._safely(outcome.job.name, partial(self._note, outcome))
                if keys is self._feed:
                    self._feed.done()
                self._told.check()

    @contextmanager
    def _hands_off(self) -> Iterator[None]:
        """At an orderly end, record that no entry in work caused the end."""
        try:
            yield
        finally:
            for key in self._receivers:
                self._queue.rest(key)

    def _jobs(self, keys: Any) -> Iterator[TimedJob | None]:  # noqa: ANN401 - as above
        """Yield a job for each entry, except entries that a rule leaves alone."""
        for key in keys:
            job = None
            if key is not None:
                job = self._safely(key, partial(self._job, key))
                if job is None:
                    if keys is self._feed:
                        self._feed.done()
                    self._told.check()
                    continue
            yield job

    def _job(self, key: str) -> TimedJob | None:
        folder = self._queue.folder("waiting", key)
        if not folder.is_dir():  # offered twice: found at the start, and also received
            return None
        try:
            facts = instance_of(folder / SOURCE)
            decision = self._settings.router.decide(facts)
        except CxrSrError as error:
            self._bury(key, str(error))
            return None
        if decision.left:
            self._tell(Outcome(_named(key, folder), "skipped", reason=decision.left))
            self._ended(self._queue.leave(key, decision.left))
            return None
        self._receivers[key] = decision.receivers
        self._queue.begin(key)
        return TimedJob(
            name=key,
            source=folder / SOURCE,
            output=f"{'sending' if decision.receivers else 'stored'}/{key}/{RESULT}",
            target=folder / RESULT,
            recipe=decision.recipe,
            now=self._clock.time_of(facts.series),
        )

    def _note(self, outcome: Outcome) -> None:
        """Move an entry on to its receivers, or give it up."""
        key = outcome.job.name
        receivers = self._receivers.pop(key, ())
        if outcome.status == "done":
            self._tell(outcome)
            self._ended(self._queue.route(key, receivers))
            for name in receivers:
                self._deliveries.by_name[name].offer(key)
        elif outcome.disk_refused:
            self._queue.rest(key)
            raise OutputError(outcome.reason)
        elif not outcome.facts and self._queue.begun(key) < DEATHS:
            self._feed.put(key)  # the process died, perhaps for another reason
        else:
            self._bury(key, outcome.reason, outcome)

    def _bury(self, key: str, reason: str, outcome: Outcome | None = None) -> None:
        folder = self._queue.folder("waiting", key)
        self._tell(outcome or Outcome(_named(key, folder), "failed", reason=reason))
        self._ended(self._queue.bury(key, reason))
        self._told.say(f"{key}: given up: {reason}")

    def _safely(self, key: str, act: Callable[[], TimedJob | None]) -> TimedJob | None:
        """Act on an entry; if the disk refuses, try the whole step again later."""
        try:
            return act()
        except (OSError, OutputError, ReportError) as error:
            words = error.strerror if isinstance(error, OSError) else str(error)
            self._told.say(f"{key}: waits until the disk accepts it: {words}")
            time.sleep(DISK_WAIT_S)
            self._feed.put(key)
            return None

    def _tell(self, outcome: Outcome) -> None:
        # A new object each time, because an old one would keep UIDs in memory.
        noted = Identities(reported=False).noted(outcome)
        self._told.record(dict(self._report.add(noted)))

    def _ended(self, state: State) -> None:
        if state not in UNFINISHED:
            self._receiver.finished()

    def _settled(self, key: str, peer: Peer, refusal: str | None) -> None:
        """Record the answer of a receiver; the receiver's thread calls this."""
        if not self._result(key).parent.is_dir():  # somebody removed the entry
            return
        line = self._report.add_delivery(key, peer.name, refusal)
        self._told.record(dict(line))
        if refusal is None:
            self._ended(self._queue.note_sent(key, peer.name))
        else:
            self._told.say(f"{key}: refused by {peer.name}: {refusal}")
            self._ended(self._queue.note_refused(key, peer.name, refusal))

    def _recover(self) -> list[str]:
        """Continue the last process's work; return entries that may have killed it."""
        for key in self._queue.keys("sending"):
            for name in self._queue.receivers(key):
                # The receiver may no longer be in the settings.
                tls = self._settings.tls is not None
                self._deliveries.start(parse_peer(name, tls=tls)).offer(key)
        waiting = self._queue.keys("waiting")
        suspects = [key for key in waiting if self._queue.begun(key)]
        for key in waiting:
            if key not in suspects:
                self._feed.put(key)
        return suspects

    def _sender(self, peer: Peer) -> Sender:
        settings = self._settings
        return sender_to(peer, settings.address.aet, self._transcode, settings.tls)

    def _result(self, key: str) -> Path:
        return self._queue.folder("sending", key) / RESULT

    def _identity(self) -> Callable[[str], bytes]:
        """Return the settings that, with its bytes, decide the key of an entry."""
        router = self._settings.router
        digest = hashlib.sha256(repr(router).encode())
        for recipe in self._recipes:
            digest.update(recipe.sha256.encode())
        common = digest.digest()
        return lambda aet: common + (aet.encode() if router.by_sender else b"")

    def _keep_house(self, heartbeat: Heartbeat, stack: ExitStack) -> None:
        """Write the status at intervals, and delete old entries."""
        stopping = threading.Event()

        def serve() -> None:
            tidied = -math.inf
            while True:
                heartbeat.beat(self._deliveries.by_name, self._receiver.accepted)
                if time.monotonic() >= tidied + TIDY_S:
                    tidied = time.monotonic()
                    with suppress(OSError):
                        self._queue.forget(self._settings.remember_hours)
                        self._clock.forget(time.time() - 86400 * SERIES_DAYS)
                if stopping.wait(heartbeat.every_s):
                    return

        thread = threading.Thread(target=serve, name="status", daemon=True)
        stack.callback(thread.join, STOP_S)
        stack.callback(stopping.set)
        thread.start()


def _named(key: str, folder: Path) -> TimedJob:
    return TimedJob(key, folder / SOURCE)
