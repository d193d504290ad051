"""Count the processors that this process may use; no other module counts them.

A machine may have more processors than a process may use: a scheduler pins the process
to some of them, a container has a quota, or SLURM assigns a share. More threads than
processors only take turns.
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
    """Return the number of threads that should compute in this process.

    The number is that of `allowed`, divided among processes that share the processors.
    A worker of a torch DataLoader takes its share. Any other child of `multiprocessing`
    takes one processor, because it cannot know the number of its siblings.
    """
    if multiprocessing.parent_process() is None:
        return allowed()
    return max(allowed() // _siblings(), 1)


def allowed() -> int:
    """Return the number of processors that this process may use, at least 1.

    The number is the smallest of three: the affinity (or PYTHON_CPU_COUNT, from Python
    3.13 on), the CPU quota of the control groups, and the processors of the SLURM task.
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
    """Yield the quota, in processors, of each control group of this process.

    A group cannot exceed the quotas of the groups around it. In a container, its own
    group is mounted as the outermost group, for any path that the kernel states.

    Parameters
    ----------
    root : root of the file system; tests use another folder

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
    """Return the folders of a control group and of all groups around it."""
    group = PurePosixPath(place.lstrip("/"))
    return [mount / part for part in (group, *group.parents)]


def _ratio(quota: str = "", period: str = "") -> Iterator[float]:
    """Yield quota / period if both are positive: "max" and -1 mean no limit."""
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
