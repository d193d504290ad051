"""The only printer: data on standard output, talk on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

NOTICE = "cxr-sr is for research only; it is not a medical device."

PIPE_WIDTH = 1000
"""Columns to lay a table out in where no terminal sets a width: one row, one line."""


def data(line: str) -> None:
    """Print one line of data, at once, so that a pipe sees it when it is true."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def record(fields: dict[str, Any]) -> None:
    """Print one JSON object as a line of data."""
    data(json.dumps(fields))


def table(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table of data; cells are wrapped only where there is a terminal."""
    shown = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*row)
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    Console(highlight=False, markup=False, width=width).print(shown)
    sys.stdout.flush()


def say(text: str) -> None:
    """Print one line of talk."""
    _talk().print(text, soft_wrap=True)


def complain(text: str) -> None:
    """Print one line about something that went wrong."""
    _talk().print(text, style="red", soft_wrap=True)


def _talk() -> Console:
    # Made anew each time: tests and Typer's runner exchange sys.stderr.
    return Console(stderr=True, highlight=False, markup=False)


def discard_output() -> None:
    """Let nothing more reach a reader that went away, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Ticker(Protocol):
    """What a command tells of its progress."""

    def __call__(self, failed: int) -> None:
        """One more file is finished; `failed` so far."""
        ...


@contextmanager
def progress(total: int, *, quiet: bool) -> Iterator[Ticker]:
    """Show a bar with rate, remaining time and failures, but only on a terminal."""
    console = _talk()
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    shown = console.is_terminal and not quiet
    with Progress(*columns, console=console, disable=not shown) as bar:
        task = bar.add_task("files", total=total, failed=0)
        yield lambda failed: bar.update(task, advance=1, failed=failed)
