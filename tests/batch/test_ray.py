"""Work on a Ray cluster; workers may die, and clusters may be missing."""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from cxr_sr.batch.ray import ATTEMPTS, connected
from cxr_sr.batch.runner import run
from cxr_sr.errors import SettingsError
from tests.batch.test_runner import by_name, jobs
from tests.files import COMMAND, Entry, a_png, an_export, report_of, upscale

MANY = 12
PATIENCE_S = 240
"""Limit in seconds of slow steps: Ray starts slowly on a busy machine."""
EAGER = {"RAY_worker_niceness": "0"}
"""Ray's workers have a low priority by default: a busy machine slows them down."""
FINER = ["upscale", "in", "--model", "bicubic", "--scale", "8"]


@pytest.fixture
def many(tmp_path: Path, monkeypatch) -> Path:
    """Many files, so that a worker can be killed during the work; and a fixed clock."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for n in range(MANY):
        a_png(tmp_path / "in" / f"{n:02}.png", seed=n, shape=(250, 200))
    return an_export(tmp_path / "in")


@pytest.fixture
def alone(monkeypatch) -> Iterator[None]:
    """A separate folder for Ray, so that the test joins no cluster of another test."""
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with a_place_for_ray() as place:
        monkeypatch.setenv("RAY_TMPDIR", place)
        for name, value in EAGER.items():
            monkeypatch.setenv(name, value)
        yield


@contextmanager
def a_place_for_ray() -> Iterator[str]:
    # pytest's folder is too deep: the paths of Ray's sockets have to be short.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as place:
        yield place


@pytest.fixture(scope="module")
def cluster():
    """A hidden cluster with two processors on this machine."""
    ray = pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.update(EAGER)
    before = signal.getsignal(signal.SIGTERM)
    with a_place_for_ray() as place:
        ray.init(
            "local",
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=place,
        )
        yield
        ray.shutdown()
    signal.signal(signal.SIGTERM, before)


def a_worker_at_work(driver: int) -> int | None:
    """The process id of an actor below a driver that is doing a job."""
    for process in psutil.Process(driver).children(recursive=True):
        try:
            if "_Actor.attempt" in " ".join(process.cmdline()):
                return int(process.pid)
        except psutil.Error:  # gone since
            continue
    return None


def listening(driver: int) -> set[str]:
    """The addresses on which a process and its descendants listen."""
    found: set[str] = set()
    for process in psutil.Process(driver).children(recursive=True):
        with suppress(psutil.Error):  # gone since
            for place in process.net_connections("inet"):
                if place.status == psutil.CONN_LISTEN:
                    found.add(place.laddr.ip.removeprefix("::ffff:"))
    return found


def kill_a_worker(driver: subprocess.Popen[str]) -> set[str]:
    """Kill a worker during its work; return where the cluster listened until then."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if driver.poll() is not None:
            pytest.fail(f"ended with {driver.returncode}: {driver.communicate()}")
        worker = a_worker_at_work(driver.pid)
        if worker is not None:
            heard = listening(driver.pid)
            os.kill(worker, signal.SIGKILL)
            return heard
    driver.kill()
    pytest.fail(f"no worker was at work within {PATIENCE_S} s: {driver.communicate()}")


def but_for_times(report: list[Entry]) -> list[Entry]:
    """The lines of a report sorted by name, because files finish in any order."""
    for line in report:
        line.pop("seconds", None)
    return sorted(report, key=lambda line: (line["type"], line.get("file", "")))


# It comes before the tests with `head`: a running cluster of this machine is joined.
@pytest.mark.slow
def test_a_killed_worker_costs_no_file_and_the_report_is_a_local_runs(many, alone):
    """The cluster, a temporary one, listens to this machine alone."""
    subprocess.run([COMMAND, *FINER, "-o", "here"], check=True)
    words = [str(COMMAND), *FINER, "-o", "out", "--cluster", "ray"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        first = process.stdout.readline()
        heard = kill_a_worker(process)
        rest, talk = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, talk
    assert heard
    assert heard <= {"127.0.0.1", "::1"}
    written = [first.strip(), *rest.splitlines()]
    assert len(written) == MANY + 4
    assert all(Path(line).is_file() for line in written), "paths and nothing else"
    assert report_of()[-1]["done"] == MANY + 4
    assert but_for_times(report_of()) == but_for_times(report_of("here"))


class Head:
    """The head of a cluster on loopback, with a server for clients."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._log = Path(place) / "head.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self.ports: list[int] = []
        """The port of its client server, and its own port."""

    def stand(self) -> None:
        """Start it, or start it again if it has ended or does not answer.

        Ray's servers give up where they wait too long for one another, on a machine
        that is busy with something else.
        """
        until = time.monotonic() + PATIENCE_S
        while not (self._runs() and all(map(answers, self.ports))):
            now = time.monotonic()
            if now > until:
                pytest.fail(f"no head: {self.said()}")
            if not self._runs() or now > self._started + PATIENCE_S / 3:
                self._start()
            time.sleep(0.1)

    def _runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _start(self) -> None:
        self.end()
        self.ports = free_ports(2)
        self._started = time.monotonic()
        options = [f"--ray-client-server-port={self.ports[0]}"]
        options += [f"--port={self.ports[1]}", f"--temp-dir={self._place}"]
        options += ["--node-ip-address=127.0.0.1", "--num-cpus=2", "--block"]
        options += ["--include-dashboard=false", "--disable-usage-stats"]
        # The script `ray` may be missing beside this Python.
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command + options, stdout=log, stderr=log, env=os.environ | EAGER
            )

    def said(self) -> str:
        """Return its output."""
        return self._log.read_text()

    def end(self) -> None:
        """Kill it; `ray stop` would also end all other clusters of this machine."""
        if self._process is None:
            return
        if self._process.poll() is None:
            for child in psutil.Process(self._process.pid).children(recursive=True):
                child.kill()
            self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def head():
    pytest.importorskip("ray")
    with a_place_for_ray() as place:
        head = Head(place)
        try:
            head.stand()
            yield head
        finally:
            head.end()


def free_ports(count: int) -> list[int]:
    """Return free ports outside the range that the system hands out.

    Ray's servers and workers ask the system for any free port. They could take a port
    of that range before the test uses it. A client that calls an unused port of that
    range may also get the same port itself, and then it connects to itself.
    """
    found: list[int] = []
    for port in random.sample(range(20_000, 23_000), 1_000):
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    pytest.fail("no port is free")


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def started(head: Head, words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A run as a client of `head`, after the message about its first file.

    A head on a busy machine may need longer for a client than Ray waits for it.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        head.stand()
        cluster = ["--cluster", f"ray://127.0.0.1:{head.ports[0]}"]
        with subprocess.Popen(
            [COMMAND, *FINER, *words, *cluster],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as run:
            assert run.stdout
            if run.stdout.readline():
                yield run
                return
            _, said = run.communicate()
            assert "no cluster answers there" in said
            assert time.monotonic() < until, said + head.said()


@pytest.mark.slow
def test_a_running_cluster_is_joined_from_without_and_from_within(many, alone, head):
    subprocess.run([COMMAND, *FINER, "-o", "here"], check=True)
    with started(head, ["-o", "there"]) as run:
        _, said = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, said
    head.stand()
    member = [str(COMMAND), *FINER, "-o", "within", "--cluster", "ray"]
    address = {"RAY_ADDRESS": f"127.0.0.1:{head.ports[1]}"}
    subprocess.run(member, check=True, env=os.environ | address)
    expected = but_for_times(report_of("here"))
    assert but_for_times(report_of("there")) == expected
    assert but_for_times(report_of("within")) == expected


@pytest.mark.slow
def test_an_interrupted_run_on_a_cluster_keeps_what_is_done(many, alone, head):
    with started(head, ["-o", "out"]) as run:
        run.send_signal(signal.SIGINT)
        _, said = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 130, said
    assert "Traceback" not in said
    done = [line for line in report_of("out") if line.get("status") == "done"]
    assert 0 < len(done) < MANY
    assert all((Path("out") / line["output"]).is_file() for line in done)
    with started(head, ["-o", "out", "--resume"]) as run:
        run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0
    left = [p for p in Path("out").rglob(".*") if p.is_file()]
    assert left == []


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
def test_an_address_that_does_not_answer_is_refused(many, alone):
    result = upscale("in", "-o", "out", "--cluster", "ray://127.0.0.1:1")
    assert result.exit_code == 2
    assert "no cluster answers there" in result.stderr
    assert not Path("out").exists()


def test_a_ray_that_does_not_start_is_refused(many, alone, monkeypatch):
    ray = pytest.importorskip("ray")

    def init(*_: object, **__: object) -> None:
        raise Exception("The current node timed out")  # noqa: TRY002 - Ray's own way

    monkeypatch.setattr(ray, "init", init)
    # The fixture `cluster` may have connected this process to Ray.
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    result = upscale("in", "-o", "out", "--cluster", "ray")
    assert result.exit_code == 2
    assert "(The current node timed out)" in result.stderr
    assert not Path("out").exists()
