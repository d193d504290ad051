"""The queue on disk: each file has one state, after a kill at any moment."""

import errno
import os

import pytest

from cxr_sr.pacs.queue import (
    REASON,
    RESULT,
    ROUTE,
    SOURCE,
    STATES,
    Queue,
    _digest,
    key_of,
)


@pytest.fixture
def queue(tmp_path):
    queue = Queue(tmp_path)
    queue.prepare()
    return queue


def computed(queue, key="k", peers=("A", "B")):
    """An entry with its result, on its way to two receivers."""
    assert queue.accept(key, b"content")
    (queue.folder("waiting", key) / RESULT).write_bytes(b"result")
    assert queue.route(key, peers) == "sending"
    return queue.folder("sending", key)


def states(queue):
    return {state: queue.keys(state) for state in STATES if queue.keys(state)}


def test_an_accepted_instance_is_there_byte_for_byte(queue):
    assert queue.accept("k", b"content")
    assert (queue.folder("waiting", "k") / SOURCE).read_bytes() == b"content"
    assert not queue.accept("k", b"content")
    assert states(queue) == {"waiting": ["k"]}


def test_an_entry_is_sent_when_every_receiver_has_it(queue):
    computed(queue)
    assert queue.receivers("k") == ["A", "B"]
    assert queue.note_sent("k", "A") == "sending"
    assert queue.receivers("k") == ["B"]
    assert queue.note_sent("k", "B") == "sent"
    assert list(queue.folder("sent", "k").iterdir()) == []
    assert not queue.accept("k", b"content")


def test_a_refusal_leaves_it_to_a_person_but_not_before_the_others_have_it(queue):
    computed(queue)
    assert queue.note_refused("k", "A", "status 0xC000") == "sending"
    assert queue.note_sent("k", "B") == "dead"
    assert queue.reason("dead", "k") == "A: status 0xC000"
    assert queue.revive() == 1
    assert queue.receivers("k") == ["A"]
    assert queue.note_sent("k", "A") == "sent"


def test_what_was_given_up_or_left_alone_is_tried_again_when_it_comes_again(queue):
    queue.accept("a", b"1")
    queue.accept("b", b"2")
    assert queue.bury("a", "unreadable") == "dead"
    assert queue.leave("b", "a rule") == "left"
    assert {p.name for p in queue.folder("left", "b").iterdir()} == {REASON}
    assert queue.accept("a", b"1")
    assert queue.accept("b", b"2")
    assert states(queue) == {"waiting": ["a", "b"]}


def test_without_receivers_the_result_stays(queue):
    queue.accept("k", b"content")
    assert queue.route("k", []) == "stored"
    assert (queue.folder("stored", "k") / SOURCE).exists()


def test_a_full_disk_keeps_nothing_of_an_instance(queue, monkeypatch):
    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        queue.accept("k", b"content")
    assert states(queue) == {}
    assert not list((queue.root / "incoming").iterdir())


@pytest.mark.parametrize(
    ("gone", "noted", "state"),
    [
        (RESULT, [], "waiting"),
        (ROUTE, [], "waiting"),
        (None, ["A"], "sending"),
        (None, ["A", "B"], "sent"),
    ],
)
def test_a_process_that_died_left_it_where_the_next_one_goes_on(
    queue, gone, noted, state
):
    folder = computed(queue)
    (queue.root / "incoming" / "half").mkdir()
    if gone:
        (folder / gone).unlink()
    for peer in noted:
        (folder / f"sent-{_digest(peer)}").touch()
    queue.prepare()
    assert states(queue) == {state: ["k"]}
    assert not list((queue.root / "incoming").iterdir())


def test_what_was_sent_long_ago_is_forgotten(queue):
    computed(queue, peers=("A",))
    queue.note_sent("k", "A")
    assert queue.forget(1) == 0
    os.utime(queue.folder("sent", "k"), (1, 1))
    assert queue.forget(1) == 1
    assert queue.accept("k", b"content")


def test_how_often_work_had_begun_is_known_after_a_kill(queue):
    queue.accept("k", b"content")
    for _ in range(3):
        queue.begin("k")
    assert queue.begun("k") == 3
    queue.rest("k")
    assert queue.begun("k") == 0


def test_nobody_else_may_look_into_the_folders(queue):
    modes = {path.stat().st_mode & 0o777 for path in queue.root.iterdir()}
    assert modes == {0o700}


def test_a_key_is_of_the_content_and_of_where_its_parts_end():
    assert key_of(b"ab", b"c") == key_of(b"ab", b"c")
    assert key_of(b"ab", b"c") != key_of(b"a", b"bc")
