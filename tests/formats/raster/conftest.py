"""A fixture that lists the files that this process opens."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

_watchers: list[list[str]] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _watchers:
        for watcher in _watchers:
            watcher.append(str(arguments[0]))


sys.addaudithook(_note)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """The names of all files that were opened since the test began."""
    names: list[str] = []
    _watchers.append(names)
    yield names
    _watchers.remove(names)
