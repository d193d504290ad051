"""A delivery to one receiver tries again after some failures, and not too often."""

import errno
import queue as queues
from pathlib import Path

import pytest

from cxr_sr.errors import ReportError
from cxr_sr.pacs import delivery as module
from cxr_sr.pacs.delivery import Delivery
from cxr_sr.pacs.network.peers import DicomPeer
from cxr_sr.pacs.network.store_scu import AwayError, RefusedError

PEER = DicomPeer("PACS", "127.0.0.1", 104)


class Script:
    """A sender that gives the prepared answers for a file, then accepts it."""

    def __init__(self, **answers):
        self.answers = {key: list(each) for key, each in answers.items()}
        self.asked: list[str] = []

    def send(self, path):
        self.asked.append(path.name)
        if self.answers.get(path.name):
            raise self.answers[path.name].pop(0)

    def close(self):
        pass


@pytest.fixture
def outcomes(monkeypatch):
    """Run a delivery over entries; return (entry, refusal) in their order."""
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.002)

    def deliver(sender, *keys):
        settled: queues.Queue[tuple[str, str | None]] = queues.Queue()
        delivery = Delivery(
            PEER, sender, Path, lambda key, _peer, refusal: settled.put((key, refusal))
        )
        for key in keys:
            delivery.offer(key)
        delivery.start()
        found = [settled.get(timeout=20) for _ in keys]
        delivery.stop()
        delivery.join(10)
        return found

    return deliver


def test_one_that_is_away_is_tried_until_it_is_back(outcomes):
    sender = Script(a=[AwayError("gone")] * 50)
    assert outcomes(sender, "a") == [("a", None)]
    assert sender.asked == ["a"] * 51


def test_a_failure_is_asked_three_times_and_holds_up_no_other(outcomes):
    sender = Script(a=[RefusedError("status 0xC000")] * 9)
    found = outcomes(sender, "a", "b")
    assert found == [("b", None), ("a", "status 0xC000")]
    assert sender.asked.count("a") == 3


def test_a_full_receiver_is_waited_for(outcomes):
    sender = Script(a=[RefusedError("full", busy=True)] * 30)
    assert outcomes(sender, "a") == [("a", None)]


def test_a_fault_of_ours_does_not_end_the_thread(outcomes):
    assert outcomes(Script(a=[ZeroDivisionError()]), "a") == [("a", None)]


def test_an_answer_that_cannot_be_noted_is_noted_later_and_not_asked_for_again(
    monkeypatch,
):
    monkeypatch.setattr(module, "DISK_WAIT_S", 0.001)
    noted: queues.Queue[tuple[str, str | None]] = queues.Queue()
    sender = Script()
    full = [OSError(errno.ENOSPC, "No space left on device"), ReportError("no line")]

    def settled(key, _peer, refusal):
        if full:
            raise full.pop()
        noted.put((key, refusal))

    delivery = Delivery(PEER, sender, Path, settled)
    delivery.offer("a")
    delivery.offer("b")
    delivery.start()
    assert [noted.get(timeout=20) for _ in range(2)] == [("a", None), ("b", None)]
    assert sender.asked == ["a", "b"]
    delivery.stop()
    delivery.join(10)
