"""Start nodes for the tests: ours, dcmtk's and Orthanc, on free ports of this machine.

Each node is a process that ends with the test. If a program is not installed, its tests
are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
import requests
from typer.testing import CliRunner, Result

from cxr_sr.cli.main import app
from cxr_sr.pacs.queue import STATES, Queue
from tests.files import COMMAND

ORTHANC = Path("/usr/sbin/Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
PATIENCE_S = 60.0
QUICK = {**os.environ, "TCP_NODELAY": "1"}
"""Without it dcmtk waits for acknowledgements, 40 ms for each instance."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dcmtk(tool: str) -> str:
    """The path of dcmtk's program; pynetdicom installs programs with the same names."""
    found = shutil.which(tool, path="/usr/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"dcmtk's {tool} is not installed")
    return found


def until(holds: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < end, f"not within {patience_s} s: {what}"
        time.sleep(0.05)


class Process:
    """A process that ends with the test."""

    def __init__(self, *words: str | Path, log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                list(map(str, words)),
                stdout=subprocess.DEVNULL,
                stderr=output,
                env=QUICK,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


class Node(Process):
    """`cxr-sr serve` on a store; by default with the fastest model."""

    def __init__(self, store: Path, *options: str, port: int = 0) -> None:
        self.store, self.queue = store, Queue(store)
        store.parent.mkdir(parents=True, exist_ok=True)
        log = store.with_name(f"{store.name}.log")
        before = len(log.read_text(encoding="utf-8")) if log.exists() else 0
        words = ["serve", "--store", str(store), "--port", str(port), *options]
        if "--model" not in options:
            words += ["--model", "nearest"]
        super().__init__(sys.executable, COMMAND, *words, log=log)
        until(lambda: self._listens(before), "the node listens")
        self.port = int(
            self.said.rpartition("receiving as ")[2].split(":")[1].split()[0]
        )

    def _listens(self, before: int) -> bool:
        assert self.process.poll() is None, self.said
        return "receiving as " in self.said[before:] and self.said.endswith("\n")

    def counts(self) -> dict[str, int]:
        return {state: self.queue.count(state) for state in STATES}

    def settled_counts(self, total: int) -> dict[str, int]:
        """Wait until `total` entries are finished; return the counts by state."""

        def settled() -> bool:
            counts = self.counts()
            busy = counts["waiting"] + counts["sending"]
            return not busy and sum(counts.values()) >= total

        until(settled, "the queue is worked off")
        return self.counts()

    def settles(self, **expected: int) -> None:
        """Wait until all entries are finished, and compare the states."""
        counts = self.settled_counts(sum(expected.values()))
        assert counts == dict.fromkeys(STATES, 0) | expected, self.said


class StoreScp(Process):
    """dcmtk's receiver; it stores every received instance under a new name."""

    def __init__(self, folder: Path, *options: str, port: int | None = None) -> None:
        self.folder, self.port = folder, port or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(
            dcmtk("storescp"),
            *("--aetitle", "PACS", "--unique-filenames", "--output-directory", folder),
            *options,
            str(self.port),
            log=folder.with_name(f"{folder.name}.log"),
        )
        until(lambda: accepts(self.port), "storescp listens")

    @property
    def address(self) -> str:
        return f"PACS@127.0.0.1:{self.port}"

    @property
    def received(self) -> list[Path]:
        return sorted(self.folder.iterdir())


class Orthanc(Process):
    """A PACS that we did not write, with DICOMweb."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        if not (ORTHANC.exists() and PLUGIN.exists()):
            pytest.skip("Orthanc and its DICOMweb plugin are not installed")
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.http_port = free_port(), free_port()
        configuration = {
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "HttpPort": self.http_port,
            "DicomPort": self.port,
            "DicomAet": "ORTHANC",
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "OverwriteInstances": True,
            "Plugins": [str(PLUGIN)],
            **settings,
        }
        file = folder / "orthanc.json"
        file.write_text(json.dumps(configuration), encoding="utf-8")
        super().__init__(ORTHANC, file, log=folder / "orthanc.log")
        until(self._answers, "Orthanc answers")

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.said
        return accepts(self.port) and accepts(self.http_port)

    @property
    def address(self) -> str:
        return f"ORTHANC@127.0.0.1:{self.port}"

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def get(self, path: str, **headers: str) -> requests.Response:
        address = f"http://127.0.0.1:{self.http_port}/{path}"
        response = requests.get(address, headers=headers, timeout=30)
        response.raise_for_status()
        return response

    def post(self, path: str, data: bytes) -> Any:
        address = f"http://127.0.0.1:{self.http_port}/{path}"
        response = requests.post(address, data=data, timeout=60)
        response.raise_for_status()
        return response.json()

    def instances(self) -> list[str]:
        return list(self.get("instances").json())


def command(*words: object, **more: Any) -> Result:
    """Run a command of ours in this process."""
    return CliRunner().invoke(app, list(map(str, words)), **more)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def store(
    port: int, files: Sequence[Path], *options: str, calling: str = "SCANNER"
) -> subprocess.CompletedProcess[str]:
    """Send files by dcmtk's storescu."""
    return subprocess.run(
        [
            dcmtk("storescu"),
            *("-aet", calling, "-aec", "CXR-SR", *options, "127.0.0.1", str(port)),
            *map(str, files),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=QUICK,
    )
