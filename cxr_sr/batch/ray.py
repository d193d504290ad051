"""Do jobs on the machines of a Ray cluster.

::

    with connected("ray://head:10001", processors=1) as executor:
        for outcome in run(work, jobs, executor):

Files are not sent: each worker opens the same absolute paths as the driver. Machines
may leave a cluster at any time; if a worker dies, another worker gets its file.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from cxr_sr.batch.runner import GRACE_S, Executor, Work, attempt
from cxr_sr.errors import EngineError, SettingsError
from cxr_sr.processors import allowed
from cxr_sr.report.outcome import Job, Outcome

ATTEMPTS = 3
"""Attempts for one file. If three workers die while they work on it, the file is the
cause, not a machine."""
ANSWER_S = 10
"""Longest wait for an answer of a cluster, in seconds; Ray's own limit is 30 s."""
LOOPBACK = "127.0.0.1"
CLIENT_PORT = 10001
"""Default port of the head of a cluster."""


@contextmanager
def connected(cluster: str, processors: int) -> Iterator[Executor]:
    """Connect to a cluster and yield the executor that works there.

    Parameters
    ----------
    cluster : "ray://HOST[:PORT]"; or "ray": the cluster in RAY_ADDRESS, else the
        cluster of this machine, else a temporary cluster on this machine. With "ray",
        an open connection of this process is used and stays open.
    processors : number of processors for each worker

    Raises
    ------
    EngineError
        If Ray is not installed.
    SettingsError
        If `cluster` is no address, does not answer, or has no machine with `processors`
        processors.
    """
    _check_address(cluster)
    # A hospital's machine must not send usage statistics to others.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray prints messages about dead workers to standard output, which is for data.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    if _has_token():
        # A local cluster asks for the token, but Ray's client would not send it.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
    except ImportError as error:
        raise EngineError(
            "--cluster needs Ray, which is not installed; pip install 'cxr-sr[ray]'"
        ) from error
    ours = cluster != "ray" or not ray.is_initialized()
    if ours:
        _connect(cluster)
    try:
        yield partial(Actors, processors=processors, count=_room(processors))
    finally:
        if ours:
            ray.shutdown()


def _has_token() -> bool:
    given = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    return bool(given) or (Path.home() / ".ray" / "auth_token").is_file()


def _check_address(cluster: str) -> None:
    if cluster != "ray" and not _host_and_port(cluster)[0]:
        raise SettingsError(
            f"--cluster {cluster!r}; expected ray, or ray://HOST:PORT of a cluster's "
            "head"
        )


def _host_and_port(cluster: str) -> tuple[str, int]:
    """Return host and port of a cluster; the host is "" if it is no address."""
    try:
        parts = urlsplit(cluster)
        port = parts.port or CLIENT_PORT
    except ValueError:  # a port that is no number
        return "", 0
    return (parts.hostname or "" if parts.scheme == "ray" else ""), port


def _connect(cluster: str) -> None:

    address = None if cluster == "ray" else cluster
    before = signal.getsignal(signal.SIGTERM)
    try:
        if address:
            socket.create_connection(_host_and_port(cluster), ANSWER_S).close()
        _init(address)
    except Exception as error:  # Ray raises bare exceptions
        raise SettingsError(
            f"--cluster {cluster}: no cluster answers there ({error}); start one with "
            "`ray start --head` and give its address as ray://HOST:10001; for a "
            "cluster of another user, set its token in RAY_AUTH_TOKEN, too"
        ) from error
    # Ray makes SIGTERM end the process at once; the command has its own handler.
    if signal.getsignal(signal.SIGTERM) is not before:
        signal.signal(signal.SIGTERM, before)


def _init(address: str | None) -> None:
    """Connect to a cluster, or start one here with the processors we may use.

    A new cluster would use all processors of the machine, so it gets their number. Ray
    refuses a number for a cluster that exists already.
    """
    import ray

    quietly: dict[str, Any] = {
        "include_dashboard": False,
        "log_to_driver": False,
        "logging_level": logging.ERROR,
    }
    if address or "RAY_ADDRESS" in os.environ:
        ray.init(address, **quietly)
        return
    try:
        ray.init("auto", **quietly)
    except ConnectionError:
        # The cluster accepts connections from this machine only.
        with _loopback_stays():
            ray.init("local", num_cpus=allowed(), _node_ip_address=LOOPBACK, **quietly)


@contextmanager
def _loopback_stays() -> Iterator[None]:
    """Let a new cluster accept connections from this machine only.

    Ray replaces a loopback address by an address that other machines can reach. It does
    not if it supports only clusters of one machine, as on Windows. So pretend that.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _room(processors: int) -> int:
    """Return the number of workers that the cluster's machines can run at a time."""
    import ray

    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    count = sum(int(machine.get("CPU", 0)) // processors for machine in machines)
    if not count:
        raise SettingsError(
            f"no machine of the cluster has {processors} processors for a worker; "
            "lower --threads, or add machines"
        )
    return count


@dataclass(frozen=True)
class _Assignment:
    """A job in the hands of a worker."""

    job: Job
    worker: Any
    """The handle of an actor."""
    number: int
    """Number of this attempt, from 1."""


class Actors:
    """Works in up to `count` actors; each of them loads the work once."""

    def __init__(self, work: Work, processors: int, count: int) -> None:
        self.capacity = count
        self._work = work
        self._processors = processors
        self._idle: list[Any] = []
        self._assigned: dict[Any, _Assignment] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        import ray

        if self._assigned:  # a worker that is killed can leave a half-written file
            waited = list(self._assigned)
            ray.wait(waited, num_returns=len(waited), timeout=GRACE_S)
        for worker in [*self._idle, *(e.worker for e in self._assigned.values())]:
            ray.kill(worker)

    def submit(self, job: Job) -> None:
        """Give the job to an idle worker, or to a new one."""
        self._send(job, number=1)

    def finished(self, patience_s: float | None = None) -> Iterator[Outcome]:
        """Wait until a worker answers or dies; send a dead worker's job again."""
        import ray

        ready, _ = ray.wait(list(self._assigned), timeout=patience_s)
        for reply in ready:
            assignment = self._assigned.pop(reply)
            try:
                outcome = ray.get(reply)
            except ray.exceptions.RayError:
                yield from self._send_again(assignment)
            else:
                self._idle.append(assignment.worker)
                yield dataclasses.replace(outcome, job=assignment.job)

    def _send_again(self, assignment: _Assignment) -> Iterator[Outcome]:
        """Send a dead worker's job again; after `ATTEMPTS` attempts, the job failed."""
        import ray

        # The worker may be alive but out of reach, and still write.
        ray.kill(assignment.worker)
        if assignment.number < ATTEMPTS:
            self._send(assignment.job, assignment.number + 1)
            return
        reason = (
            f"{ATTEMPTS} workers died of it, one after the other: memory ran out "
            "(lower --max-memory), a decoder crashed on damaged data, or the cluster's "
            "machines lack this version of cxr-sr (install it there)"
        )
        yield Outcome(assignment.job, "failed", reason=reason)

    def _send(self, job: Job, number: int) -> None:
        worker = self._idle.pop() if self._idle else self._new_worker()
        # Workers have other working folders, so paths must be absolute.
        there = dataclasses.replace(
            job, source=job.source.absolute(), target=job.target.absolute()
        )
        self._assigned[worker.attempt.remote(there)] = _Assignment(job, worker, number)

    def _new_worker(self) -> Any:  # noqa: ANN401 - Ray makes the handle's type at run time
        import ray

        actor: Any = ray.remote(num_cpus=self._processors)(_Actor)
        return actor.remote(self._work)


class _Actor:
    """A Ray actor that keeps the work, with the loaded model, between jobs."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def attempt(self, job: Job) -> Outcome:
        """Do one job."""
        return attempt(self._work, job)
