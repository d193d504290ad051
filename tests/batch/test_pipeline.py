"""Stages overlap and keep the order; a failure is one outcome."""

import threading
from dataclasses import replace

import pytest

from cxr_sr.batch.pipeline import THREAD_NAME, Overlapped
from cxr_sr.batch.runner import Serial, run
from tests.batch.test_runner import ENDS, a_job, jobs


class Staged:
    """Two stages of computing, one of writing; the job names the stage that fails."""

    def __init__(self):
        self.written = []
        self.threads = {}

    def __call__(self, job):
        value = None
        for stage in self.stages:
            value = stage(job, value)
        return value

    @property
    def stages(self):
        return (self.read, self.think, self.write)

    def read(self, job, before):
        assert before is None
        return self.at("read", job, [])

    def think(self, job, before):
        return self.at("think", job, before)

    def write(self, job, before):
        path = self.at("write", job, before)
        self.written.append(job.name)
        return {"path": path}

    def at(self, stage, job, before):
        self.threads.setdefault(stage, set()).add(threading.get_ident())
        if job.name.startswith(stage):
            raise ENDS[job.name.removeprefix(stage).strip()]
        return [*before, stage]


def test_every_job_passes_every_stage_in_order():
    work = Staged()
    outcomes = list(run(work, jobs(*"123456789"), Overlapped))
    assert [o.job.name for o in outcomes] == list("123456789") == work.written
    assert {o.status for o in outcomes} == {"done"}
    assert outcomes[4].facts == {"path": ["read", "think", "write"]}
    assert work(a_job("1")) == outcomes[0].facts


def test_each_stage_has_a_thread_and_the_caller_writes():
    work = Staged()
    list(run(work, jobs(*"12345"), Overlapped))
    read, think, write = (work.threads[s] for s in ("read", "think", "write"))
    assert write == {threading.get_ident()}
    assert len(read) == len(think) == 1
    assert not read & think
    assert not (read | think) & write


@pytest.mark.parametrize("stage", ["read", "think", "write"])
@pytest.mark.parametrize("end", ENDS)
def test_a_failure_is_told_as_it_is_without_stages(stage: str, end: str):
    names = ["1", f"{stage} {end}", "2", "3"]
    listed = [replace(job, asked=False) for job in jobs(*names)]
    found, expected = (list(run(Staged(), listed, e)) for e in (Overlapped, Serial))
    assert [(o.job, o.status, o.reason) for o in found] == [
        (o.job, o.status, o.reason) for o in expected
    ]
    assert [o.status for o in found].count("done") == 3
    assert found[1].trace


def test_three_jobs_are_in_hand_at_once_and_no_more():
    """The third job is read during computing and writing; the fourth waits."""
    reading, slow = threading.Semaphore(0), threading.Event()

    class Slow(Staged):
        def read(self, job, before):
            reading.release()
            return super().read(job, before)

        def think(self, job, before):
            assert slow.wait(20)
            return super().think(job, before)

    taken = []

    def listing():
        for job in jobs(*"12345"):
            taken.append(job.name)
            yield job

    outcomes = run(Slow(), listing(), Overlapped)
    starter = threading.Thread(target=lambda: next(outcomes))
    starter.start()
    for _ in range(3):
        assert reading.acquire(timeout=20)
    assert not reading.acquire(timeout=0.2)
    assert taken == ["1", "2", "3"]
    slow.set()
    starter.join(20)
    assert [o.job.name for o in outcomes] == ["2", "3", "4", "5"]


def test_nothing_is_written_after_the_caller_went_away():
    work = Staged()
    outcomes = run(work, jobs(*"123456"), Overlapped)
    next(outcomes)
    outcomes.close()
    assert work.written == ["1"]
    assert [t for t in threading.enumerate() if t.name == THREAD_NAME] == []
