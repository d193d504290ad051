"""A process uses its allowed processors, not all processors of the machine."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cxr_sr
from cxr_sr import processors
from cxr_sr.superres.budget import threads_of

SLURM = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")
V1 = "4:memory:/a\n3:cpu,cpuacct:{}\n1:name=systemd:/\n"
V2 = "0::{}\n"


@pytest.fixture(autouse=True)
def a_machine_of_64(monkeypatch):
    """Nothing restricts this process; a test adds its own restrictions."""
    for name in SLURM:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(processors, "_affinity", lambda: 64)
    monkeypatch.setattr(processors, "_quotas", lambda _: iter(()))


def files(root: Path, contents: dict[str, str]) -> Path:
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return root


@pytest.fixture
def quota(tmp_path, monkeypatch):
    """Return how many processors are allowed under these files."""
    monkeypatch.undo()
    real = processors._quotas

    def allowed(contents: dict[str, str]) -> int:
        root = files(tmp_path, contents)
        monkeypatch.setattr(processors, "_affinity", lambda: 64)
        monkeypatch.setattr(processors, "_quotas", lambda _: real(root))
        return processors.allowed()

    for name in SLURM:
        monkeypatch.delenv(name, raising=False)
    return allowed


class TestQuota:
    """A container's CPU quota, in both versions of control groups."""

    @pytest.mark.parametrize(
        ("told", "allowed"),
        [
            ("max 100000", 64),
            ("200000 100000", 2),
            ("150000 100000", 2),
            ("10000 100000", 1),
            ("", 64),
            ("nonsense", 64),
            ("0 0", 64),
        ],
    )
    def test_version_2_as_a_container_sees_it(self, quota, told, allowed):
        where = {"proc/self/cgroup": V2.format("/"), "sys/fs/cgroup/cpu.max": told}
        assert quota(where) == allowed

    @pytest.mark.parametrize(
        ("told", "allowed"), [("-1", 64), ("200000", 2), ("250000", 3), ("1000", 1)]
    )
    @pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
    @pytest.mark.parametrize("place", ["/", "/docker/0123"])
    def test_version_1_whatever_path_the_kernel_states(
        self, quota, told, allowed, mount, place
    ):
        folder = f"sys/fs/cgroup/{mount}"
        assert (
            quota(
                {
                    "proc/self/cgroup": V1.format(place),
                    f"{folder}/cpu.cfs_quota_us": told,
                    f"{folder}/cpu.cfs_period_us": "100000",
                }
            )
            == allowed
        )

    @pytest.mark.parametrize("tight", ["", "a/", "a/b/"])
    def test_the_tightest_of_the_groups_around_it_counts(self, quota, tight):
        where = {
            f"sys/fs/cgroup/{group}cpu.max": "800000 100000"
            for group in ("", "a/", "a/b/")
        }
        where |= {f"sys/fs/cgroup/{tight}cpu.max": "300000 100000"}
        assert quota(where | {"proc/self/cgroup": V2.format("/a/b")}) == 3

    def test_a_system_without_control_groups_sets_none(self, quota):
        assert quota({}) == 64


class TestScheduler:
    """The processors that SLURM allots, and those that the system pins a process to."""

    @pytest.mark.parametrize(
        ("environment", "allowed"),
        [
            ({"SLURM_CPUS_PER_TASK": "4"}, 4),
            ({"SLURM_CPUS_ON_NODE": "8"}, 8),
            ({"SLURM_CPUS_PER_TASK": "4", "SLURM_CPUS_ON_NODE": "8"}, 4),
            ({"SLURM_CPUS_PER_TASK": "128"}, 64),
            ({"SLURM_CPUS_PER_TASK": ""}, 64),
            ({"SLURM_CPUS_PER_TASK": "0"}, 64),
            ({"SLURM_CPUS_PER_TASK": "many"}, 64),
        ],
    )
    def test_slurm_allots_a_share(self, monkeypatch, environment, allowed):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert processors.allowed() == allowed
        assert threads_of(cxr_sr.Settings()) == allowed

    @pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux has it")
    def test_a_process_pinned_to_one_processor_uses_one(self):
        code = (
            "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
            "from cxr_sr import processors; print(processors.allowed())"
        )
        told = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert told.stdout.strip() == "1"

    def test_a_number_that_was_given_holds(self):
        assert threads_of(cxr_sr.Settings(threads=7)) == 7


def _available(_: object) -> int:
    return processors.available()


class TestChildren:
    """Children divide the parent's processors."""

    def test_a_worker_of_a_pool_takes_one(self):
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(_available, range(4)) == [1] * 4
        assert processors.available() == 64

    @pytest.mark.parametrize(("workers", "each"), [(2, 32), (3, 21), (100, 1)])
    def test_workers_of_a_data_loader_divide_all(self, monkeypatch, workers, each):
        data = pytest.importorskip("torch.utils.data")
        monkeypatch.setattr(multiprocessing, "parent_process", object)
        info = type("Info", (), {"num_workers": workers})
        monkeypatch.setattr(data, "get_worker_info", lambda: info)
        assert processors.available() == each


def test_nothing_else_counts_the_machines_processors():
    """Only one module counts processors."""
    counting = ("cpu_count", "sched_getaffinity")
    package = Path(cxr_sr.__file__).parent
    others = [
        path.name
        for path in package.rglob("*.py")
        if path.name != "processors.py"
        and any(word in path.read_text(encoding="utf-8") for word in counting)
    ]
    assert others == []
