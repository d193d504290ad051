"""How many processors this process may use: the only place that counts them.

A machine may have more than a process is allowed to use: a scheduler pins it to some,
a container has a quota, SLURM allots a share. Threads beyond that only take turns.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath


def available() -> int:
    """Return how many threads should compute in this process.

    All that `allowed` counts. Processes that share them divide them: a worker of a
    torch DataLoader takes its part, and another child of `multiprocessing`, which
    cannot know how many siblings it has, takes one.
    """
    if multiprocessing.parent_process() is None:
        return allowed()
    return max(allowed() // _siblings(), 1)


def allowed() -> int:
    """Return how many processors the system lets this process use, at least 1.

    The smallest of: its affinity (or PYTHON_CPU_COUNT, from Python 3.13 on), the CPU
    quota of its control groups, and the processors of its SLURM task.
    """
    limits = [_affinity(), *_quotas(Path("/")), *_slurm(os.environ)]
    return max(math.ceil(min(limits)), 1)


def _affinity() -> int:
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """Yield the quota, in processors, of each control group that this process is in.

    A group has at most what the groups around it have. In a container, its own group
    is mounted as the outermost one, whatever path the kernel states.

    Parameters
    ----------
    root : where the file system begins; another one in tests

    References
    ----------
    cgroups(7); Linux Documentation/admin-guide/cgroup-v2.rst (cpu.max) and
    scheduler/sched-bwc.rst (cpu.cfs_quota_us)
    """
    mounts = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if not controllers:  # version 2
            for group in _groups(mounts, place) + _groups(mounts / "unified", place):
                yield from _ratio(*_text(group / "cpu.max").split()[:2])
        elif "cpu" in controllers.split(","):  # version 1
            for group in _groups(mounts / controllers, place) + _groups(
                mounts / "cpu", place
            ):
                yield from _ratio(
                    _text(group / "cpu.cfs_quota_us"),
                    _text(group / "cpu.cfs_period_us"),
                )


def _groups(mount: Path, place: str) -> list[Path]:
    """Return the folders of a control group and of all around it."""
    group = PurePosixPath(place.lstrip("/"))
    return [mount / part for part in (group, *group.parents)]


def _ratio(quota: str = "", period: str = "") -> Iterator[float]:
    """Yield quota / period where both are positive: "max" and -1 mean no limit."""
    with suppress(ValueError):
        if int(quota) > 0 and int(period) > 0:
            yield int(quota) / int(period)


def _slurm(environment: Mapping[str, str]) -> Iterator[int]:
    """Yield the processors of a SLURM task, or of its job on this machine.

    References
    ----------
    srun(1) and sbatch(1), output environment variables
    """
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        found = re.fullmatch(r"[1-9]\d*", environment.get(name, ""))
        if found:
            yield int(found[0])
            return


def _siblings() -> int:
    """Return the number of processes that share the processors of this one."""
    data = sys.modules.get("torch.utils.data")
    worker = data and data.get_worker_info()
    return worker.num_workers if worker else allowed()


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="ascii").strip()
    return ""
