"""Report the state of the node, from its queue on disk and its status file."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cxr_sr.errors import SettingsError
from cxr_sr.pacs.delivery import Delivery
from cxr_sr.pacs.lock import is_held
from cxr_sr.pacs.queue import STATES, Queue
from cxr_sr.pacs.receive import Address

FILE = "status.json"
SHOWN = 5
"""Largest number of failures in a status."""


@dataclass(frozen=True)
class Heartbeat:
    """Writes a status file with facts that only the running process knows."""

    store: Path
    address: Address
    port: int
    started: float = field(default_factory=time.time)
    """Time of the start, in seconds since 1970."""
    every_s: float = 2.0

    def beat(self, deliveries: Mapping[str, Delivery], accepted: int) -> None:
        """Write the status file; if the disk is full, the old file stays."""
        peers = {
            name: {**asdict(delivery.condition), "waiting": delivery.waiting}
            for name, delivery in list(deliveries.items())
        }
        status = {
            "pid": os.getpid(),
            "aet": self.address.aet,
            "host": self.address.host,
            "port": self.port,
            "started": self.started,
            "written": time.time(),
            "accepted": accepted,
            "receivers": peers,
        }
        with suppress(OSError):
            temporary = self.store / f"{FILE}.new"
            temporary.write_text(json.dumps(status), encoding="utf-8")
            temporary.replace(self.store / FILE)


def status_of(store: Path) -> dict[str, Any]:
    """Return the state of the node of a store, ready for JSON.

    Returns
    -------
    `running`, `queue` (number of entries by state), `sent_last_hour`, `sent_last_day`,
    `free_mb` and `failures` (the last ones: time, entry and reason). A running node
    adds `aet`, `port`, `started`, `accepted` and `receivers`.

    Raises
    ------
    SettingsError
        If the folder is no store, or this user may not read it.
    """
    queue = Queue(store)
    try:
        os.scandir(store / "waiting").close()
    except OSError as error:
        raise SettingsError(
            f"{store} cannot be read as a store: {error.strerror}; give the --store of "
            "a node, and run this command as the same user as the node"
        ) from error
    running = is_held(store)
    return {
        "running": running,
        **(_process(store) if running else {}),
        "queue": {state: queue.count(state) for state in STATES},
        "sent_last_hour": _since(store / "sent", 3600),
        "sent_last_day": _since(store / "sent", 86400),
        "free_mb": round(queue.free_mb()),
        "failures": _failures(queue),
    }


def lines_of(status: Mapping[str, Any]) -> list[str]:
    """Return the status as lines for a person."""
    lines = ["running" if status["running"] else "not running"]
    if "aet" in status:
        hours = (time.time() - status["started"]) / 3600
        lines[0] += (
            f" as {status['aet']} on {status['host']}:{status['port']} for "
            f"{hours:.1f} hours (process {status['pid']}), "
            f"{status['accepted']} instances accepted"
        )
    lines.append(", ".join(f"{count} {s}" for s, count in status["queue"].items()))
    lines.append(
        f"{status['sent_last_hour']} sent in the last hour, {status['sent_last_day']} "
        f"in the last day; {status['free_mb']} MB of disk left"
    )
    lines += [_receiver(*peer) for peer in status.get("receivers", {}).items()]
    lines += [
        f"given up {_clock(failure['time'])}: {failure['entry']}: {failure['reason']}"
        for failure in status["failures"]
    ]
    return lines


def _receiver(name: str, condition: Mapping[str, Any]) -> str:
    words = f"{name}: {condition['sent']} sent, {condition['waiting']} waiting"
    if condition["state"] != "away":
        return words
    wait_s = max(condition["next_try"] - time.time(), 0)
    return (
        f"{words}; away since {_clock(condition['since'])}, next try in "
        f"{wait_s:.0f} s: {condition['reason']}"
    )


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _process(store: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads((store / FILE).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _since(folder: Path, seconds: float) -> int:
    earliest = time.time() - seconds
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        return sum(entry.stat().st_mtime >= earliest for entry in entries)
    return 0


def _failures(queue: Queue) -> list[dict[str, Any]]:
    keys = queue.keys("dead")[-SHOWN:]
    return [
        {
            "time": queue.folder("dead", key).stat().st_mtime,
            "entry": key,
            "reason": queue.reason("dead", key),
        }
        for key in reversed(keys)
    ]
