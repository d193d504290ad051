"""The same work on Ray: workers that die, and clusters that are not there."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cxr_sr.batch.ray_executor import ATTEMPTS, connected
from cxr_sr.batch.runner import run
from cxr_sr.errors import SettingsError
from tests.files import COMMAND, Entry, a_png, an_export, report_of, upscale
from tests.test_batch_runner import by_name, jobs

MANY = 12
FINER = ["upscale", "in", "--model", "bicubic", "--scale", "8"]


@pytest.fixture
def many(tmp_path: Path, monkeypatch) -> Path:
    """Enough work for a worker to be killed in its middle, and a fixed clock."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for n in range(MANY):
        a_png(tmp_path / "in" / f"{n:02}.png", seed=n, shape=(250, 200))
    return an_export(tmp_path / "in")


@pytest.fixture(scope="module")
def cluster():
    """A Ray of two processors on this machine, that tells nobody of it."""
    ray = pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    before = signal.getsignal(signal.SIGTERM)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
    signal.signal(signal.SIGTERM, before)


def a_worker_at_work(driver: int) -> int | None:
    """The process id of an actor below a driver that is doing a job."""
    for process in psutil.Process(driver).children(recursive=True):
        try:
            if "_Worker.attempt" in " ".join(process.cmdline()):
                return int(process.pid)
        except psutil.Error:  # gone since
            continue
    return None


def kill_a_worker(driver: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        worker = a_worker_at_work(driver)
        if worker is not None:
            os.kill(worker, signal.SIGKILL)
            return
    pytest.fail("no worker was at work within a minute")


def but_for_times(report: list[Entry]) -> list[Entry]:
    """A report's lines in the order of names, as files finish in any."""
    for line in report:
        line.pop("seconds", None)
    return sorted(report, key=lambda line: (line["type"], line.get("file", "")))


@pytest.mark.slow
def test_a_killed_worker_costs_no_file_and_the_report_is_a_local_runs(many):
    pytest.importorskip("ray")
    subprocess.run([COMMAND, *FINER, "-o", "here"], check=True)
    words = [str(COMMAND), *FINER, "-o", "out", "--cluster", "ray"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        first = process.stdout.readline()
        kill_a_worker(process.pid)
        rest, talk = process.communicate(timeout=120)
    assert process.returncode == 0, talk
    written = [first.strip(), *rest.splitlines()]
    assert len(written) == MANY + 4
    assert all(Path(line).is_file() for line in written), "paths and nothing else"
    assert report_of()[-1]["done"] == MANY + 4
    assert but_for_times(report_of()) == but_for_times(report_of("here"))


@pytest.mark.slow
def test_a_job_is_tried_by_another_worker_but_not_for_ever(cluster, tmp_path):
    def work(job):  # nested, so that it travels by value: tests are not installed
        tries = tmp_path / job.name
        tries.write_text(tries.read_text() + "." if tries.exists() else ".")
        if job.name == "fatal" or (job.name == "once" and tries.read_text() == "."):
            os.kill(os.getpid(), signal.SIGKILL)
        return {"tries": len(tries.read_text())}

    given = jobs("1", "once", "2", "fatal", "3")
    with connected("ray", processors=1) as executor:
        outcomes = by_name(run(work, given, executor))
    assert [outcomes[n].facts["tries"] for n in "123"] == [1, 1, 1]
    assert outcomes["once"].facts == {"tries": 2}
    assert outcomes["fatal"].status == "failed"
    assert "3 workers died of it" in outcomes["fatal"].reason
    assert len((tmp_path / "fatal").read_text()) == ATTEMPTS
    assert [outcomes[job.name].job for job in given] == given


@pytest.mark.slow
def test_a_worker_is_used_again_so_that_it_loads_what_it_needs_once(cluster):
    def work(job):
        return {"worker": os.getpid(), "source": str(job.source)}

    with connected("ray", processors=1) as executor:
        outcomes = list(run(work, jobs(*"12345678"), executor))
    assert 1 <= len({o.facts["worker"] for o in outcomes} - {os.getpid()}) <= 2
    assert all(o.facts["source"] == str(o.job.source.absolute()) for o in outcomes)


@pytest.mark.slow
def test_a_cluster_without_a_machine_large_enough_is_refused(cluster):
    with (
        pytest.raises(SettingsError, match="has 3 processors for a worker"),
        connected("ray", processors=3),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cluster", "slurm"], "'slurm'; expected ray, or ray://HOST:PORT"),
        (["--cluster", "ray://"], "expected ray, or ray://HOST:PORT"),
        (["--cluster", "ray://a:b"], "expected ray, or ray://HOST:PORT"),
        (["--cluster", "ray", "--jobs", "2"], "give --cluster or --jobs"),
    ],
)
def test_a_cluster_that_is_none_is_refused_before_anything_is_written(
    many, options, said
):
    result = upscale("in", "-o", "out", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not Path("out").exists()


def test_without_ray_the_extra_is_named(many, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = upscale("in", "-o", "out", "--cluster", "ray")
    assert result.exit_code == 2
    assert "pip install 'cxr-sr[ray]'" in result.stderr
    assert not Path("out").exists()


@pytest.mark.slow  # importing Ray takes seconds where the disk is busy
def test_an_address_that_does_not_answer_is_refused(many):
    pytest.importorskip("ray")
    result = upscale("in", "-o", "out", "--cluster", "ray://127.0.0.1:1")
    assert result.exit_code == 2
    assert "no cluster answers there" in result.stderr
    assert not Path("out").exists()
