"""Control Chromium without a screen by WebDriver, with the standard library only.

References
----------
https://www.w3.org/TR/webdriver2/
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 120
"""Browsers start slowly where processors are busy."""

NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND"


class Browser:
    """One window."""

    def __init__(self, port: int, profile: Path) -> None:
        self._port = port
        self._path = ""
        arguments = [
            "--headless=new",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--force-device-scale-factor=1",
            f"--user-data-dir={profile}",
            NO_NETWORK,
        ]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # it refuses to start as root otherwise
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        body = {"capabilities": {"alwaysMatch": wanted}}
        self._path = f"/session/{self._call('POST', '/session', body)['sessionId']}"

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("localhost", self._port, PATIENCE_S)
        try:
            connection.request(method, self._path + path, json.dumps(body or {}))
            value = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(value["message"])
        return value

    def open(self, page: Path, size: tuple[int, int] = (1300, 950)) -> None:
        """Load a file, and wait until it has shown its first result."""
        self._call("POST", "/window/rect", {"width": size[0], "height": size[1]})
        self._call("POST", "/url", {"url": page.absolute().as_uri()})
        self.wait("return document.getElementById('viewer').ariaBusy !== 'true'")

    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a JavaScript function; return its value."""
        body = {"script": script, "args": list(arguments)}
        return self._call("POST", "/execute/sync", body)

    def wait(self, script: str) -> None:
        """Wait until a script returns something true."""
        end = time.monotonic() + PATIENCE_S
        while not self.run(script):
            if time.monotonic() > end:
                raise AssertionError(f"never true: {script}")
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        """Press keys one after the other; the focused element gets them."""
        actions = [
            {"type": kind, "value": key}
            for key in keys
            for kind in ("keyDown", "keyUp")
        ]
        self._act({"type": "key", "id": "keys", "actions": actions})

    def drag(
        self, start: tuple[int, int], by: tuple[int, int], *, button: int = 0
    ) -> None:
        """Drag on the page, from a point in CSS pixels."""
        end = (start[0] + by[0], start[1] + by[1])
        moves = [{"type": "pointerMove", "x": x, "y": y} for x, y in (start, end)]
        down, up = ({"type": f"pointer{w}", "button": button} for w in ("Down", "Up"))
        actions = [moves[0], down, moves[1], up]
        self._act({"type": "pointer", "id": "mouse", "actions": actions})

    def _act(self, source: Any) -> None:
        self._call("POST", "/actions", {"actions": [source]})

    def prefer(self, scheme: str) -> None:
        """Set the preference of the system: dark or light."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._call(
            "POST",
            "/goog/cdp/execute",
            {"cmd": "Emulation.setEmulatedMedia", "params": {"features": [feature]}},
        )

    def complaints(self) -> list[str]:
        """Return the browser's messages about pages since the last call."""
        entries = self._call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries]

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def close(self) -> None:
        self._call("DELETE", "")


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start a browser; skip the test if none is installed."""
    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip("no chromedriver (Debian packages chromium, chromium-driver)")
    with subprocess.Popen(
        [driver, "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            browser = Browser(_port(process), profile)
            yield browser
            browser.close()
        finally:
            process.terminate()


def _port(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if "started successfully on port" in line:
            return int(line.rstrip(".\n").split()[-1])
    pytest.skip("chromedriver does not start")
