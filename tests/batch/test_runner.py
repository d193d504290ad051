"""Each job becomes an outcome, also after any error."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from cxr_sr.batch import runner
from cxr_sr.batch.runner import Processes, Serial, run
from cxr_sr.errors import NotARadiographError, UnreadableError
from cxr_sr.report.outcome import Job, Outcome

EXECUTORS = [
    pytest.param(Serial, id="serial"),
    pytest.param(partial(Processes, count=2), id="two processes"),
]


def a_job(name="a.dcm", *, asked=True) -> Job:
    return Job(name, Path("in") / name, name, Path("out") / name, asked)


def jobs(*names: str) -> list[Job]:
    return [a_job(name) for name in names]


ENDS = {
    "damaged": UnreadableError("found nothing, expected pixels; export it again"),
    "a table": NotARadiographError("this is a structured report"),
    "no rights": PermissionError(13, "Permission denied", "/home/someone/secret"),
    "bug": KeyError("PatientName^Secret"),
    "full": MemoryError(),
}


def work(job: Job) -> dict[str, object]:
    """Do the work, or fail, as the name of the job says."""
    if job.name in ENDS:
        raise ENDS[job.name]
    if job.name == "fatal":
        os._exit(7)
    if job.name == "killed":
        os.kill(os.getpid(), 9)
    if job.name == "stopped":
        os.kill(os.getpid(), 15)
    if job.name == "slow":
        time.sleep(60)
    facts: dict[str, object] = {"worker": os.getpid(), "name": job.name}
    if hasattr(signal, "pthread_sigmask"):
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        facts["mask"] = signal.SIGINT in blocked
    return facts


def by_name(outcomes) -> dict[str, Outcome]:
    return {outcome.job.name: outcome for outcome in outcomes}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_every_job_has_one_outcome_with_the_facts_of_its_work(executor):
    names = [f"{n}.dcm" for n in range(7)]
    outcomes = list(run(work, jobs(*names), executor))
    assert sorted(o.job.name for o in outcomes) == names
    assert {o.status for o in outcomes} == {"done"}
    assert all(o.facts["name"] == o.job.name for o in outcomes)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_no_jobs_is_no_outcomes(executor):
    assert list(run(work, [], executor)) == []


@pytest.mark.parametrize("executor", EXECUTORS)
def test_one_bad_file_is_one_failed_outcome_and_the_rest_goes_on(executor):
    outcomes = by_name(run(work, jobs("1", "damaged", "2", "bug", "3"), executor))
    assert [outcomes[n].status for n in "123"] == ["done"] * 3
    assert outcomes["damaged"].status == outcomes["bug"].status == "failed"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("damaged", "found nothing, expected pixels; export it again"),
        ("no rights", "permission denied"),
        ("full", "out of memory; lower --max-memory or --jobs"),
        (
            "bug",
            "unexpected KeyError; run again with --debug, and report the traceback",
        ),
    ],
)
def test_a_reason_is_one_line_that_carries_no_path_and_no_value(name, reason):
    (outcome,) = run(work, jobs(name), Serial)
    assert outcome.reason == reason
    assert "secret" not in outcome.reason.lower()


def test_the_traceback_is_kept_for_the_debugger():
    (outcome,) = run(work, jobs("bug"), Serial)
    assert "KeyError: 'PatientName^Secret'" in outcome.trace


@pytest.mark.parametrize(("asked", "status"), [(True, "failed"), (False, "skipped")])
def test_what_is_no_radiograph_fails_only_if_it_was_asked_for_by_name(asked, status):
    (outcome,) = run(work, [a_job("a table", asked=asked)], Serial)
    assert outcome.status == status
    assert outcome.reason == "this is a structured report"


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("fatal", r"crashed \(exit code 7\)"),
        ("killed", r"was killed \(SIGKILL\)"),
        ("stopped", r"was stopped from outside \(SIGTERM\)"),
    ],
)
def test_a_process_that_dies_costs_only_the_file_it_was_at(name, cause):
    executor = partial(Processes, count=2)
    outcomes = by_name(run(work, jobs("1", "2", name, "3", "4", "5"), executor))
    assert [outcomes[n].status for n in "12345"] == ["done"] * 5
    assert outcomes[name].status == "failed"
    assert re.search(cause, outcomes[name].reason)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal masks")
def test_ctrl_c_does_not_reach_a_process_that_starts():
    """This holds for a program's first process, too; it would print a traceback."""
    script = (
        "from tests.batch.test_runner import *\n"
        "outcomes = run(work, jobs('1', '2'), partial(Processes, count=2))\n"
        "print(*(o.facts['mask'] for o in outcomes))"
    )
    words = [sys.executable, "-c", script]
    root = Path(__file__).parents[2]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.split() == ["True", "True"]


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends a process there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_a_process_has_started(number):
    """This holds even if a thread of a library gets the signal during the block."""
    started = []
    thread = threading.Thread(target=time.sleep, args=(0.3,))

    def start() -> None:
        with runner._interrupts_waiting():
            thread.start()
            os.kill(os.getpid(), number)
            time.sleep(0.1)
            started.append(number)

    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            start()
        thread.join()
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    assert started == [number]


def test_a_process_is_used_again_so_that_it_loads_what_it_needs_once():
    outcomes = run(work, jobs(*"123456"), partial(Processes, count=2))
    assert 1 <= len({o.facts["worker"] for o in outcomes} - {os.getpid()}) <= 2


def test_the_first_outcome_comes_before_the_second_job_is_even_looked_at():
    looked_at = []

    def listing():
        for job in jobs("1", "2", "3"):
            looked_at.append(job.name)
            yield job

    next(run(work, listing(), Serial))
    assert looked_at == ["1"]


def test_no_more_jobs_are_in_hand_than_there_are_processes():
    looked_at = []

    def listing():
        for job in jobs(*"123456789"):
            looked_at.append(job.name)
            yield job

    outcomes = run(work, listing(), partial(Processes, count=2))
    next(outcomes)
    assert len(looked_at) <= 2
    outcomes.close()


def test_breaking_off_ends_the_processes_and_what_they_were_at():
    begun = time.monotonic()
    outcomes = run(work, jobs("1", "slow", "2"), partial(Processes, count=2))
    next(outcomes)
    outcomes.close()
    assert time.monotonic() - begun < 30


def test_an_interrupt_in_the_work_ends_a_serial_run():
    def interrupted(_job):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(run(interrupted, jobs("1"), Serial))


def test_a_process_that_is_told_to_leave_does_so_by_an_exception():
    with pytest.raises(SystemExit) as left:
        runner._leave(15, None)
    assert left.value.code == 143


def meet(job: Job) -> dict[str, object]:
    """Waits until two jobs are in work."""
    job.source.touch()
    end = time.monotonic() + 20
    while len(list(job.source.parent.iterdir())) < 2:
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)
    return {}


def test_a_job_that_comes_while_another_is_in_work_is_begun_at_once(tmp_path):
    def coming():
        yield Job("a", tmp_path / "a")
        yield None
        yield Job("b", tmp_path / "b")

    outcomes = list(run(meet, coming(), partial(Processes, count=2)))
    assert [outcome.status for outcome in outcomes] == ["done"] * 2
