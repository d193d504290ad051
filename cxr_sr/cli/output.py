"""Print: data to standard output, messages to standard error; no other module does."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import typer
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

PLAIN_SECONDS = 30.0
"""Seconds between two lines about the progress in a log."""
PIPE_WIDTH = 1000
"""Width of a table in columns if there is no terminal, so that no row is wrapped."""


_quiet: ContextVar[bool] = ContextVar("quiet", default=False)
"""Whether the command that runs has -q."""


def data(line: str) -> None:
    """Print one line of data, and flush it, so that a pipe gets it at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def record(fields: dict[str, Any]) -> None:
    """Print one JSON object as a line of data."""
    data(json.dumps(fields))


def table(columns: list[str], rows: list[list[str]], *, talk: bool = False) -> None:
    """Print a table as data, or with `talk` as a message; wrap only in a terminal."""
    if talk and _quiet.get():
        return
    shown = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*row)
    stream = sys.stderr if talk else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    Console(stderr=talk, highlight=False, markup=False, width=width).print(shown)
    stream.flush()


@contextmanager
def hushed(*, quiet: bool) -> Iterator[None]:
    """Let the package's talk and log reach standard error, or only its errors."""
    handler = logging.StreamHandler()
    log = logging.getLogger("cxr_sr")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.ERROR if quiet else logging.INFO)
    token = _quiet.set(quiet)
    try:
        yield
    finally:
        _quiet.reset(token)
        log.setLevel(level)
        log.removeHandler(handler)


def say(text: str) -> None:
    """Print one line of a message, unless the user wants quiet."""
    if not _quiet.get():
        sys.stderr.write(text + "\n")


def complain(text: str) -> None:
    """Print one line about an error, in red on a terminal."""
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    line = typer.style(text, fg=typer.colors.RED) if colour else text
    sys.stderr.write(line + "\n")


def discard_output() -> None:
    """Discard all further output, for its reader is gone; at exit, too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def progress(
    total: int, *, quiet: bool, plain: bool = False
) -> Iterator[Callable[[int], None]]:
    """Show a bar with rate, remaining time and failures on a terminal.

    Without a terminal, `plain` prints a line about the progress every `PLAIN_SECONDS`.
    Yields a function to call when a file is finished, with the number of failures.
    """
    console = Console(stderr=True)
    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.2f} files/s, {task.fields[failed]} failed"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        # Redirect standard output only if it goes to the terminal of the bar.
        redirect_stdout=sys.stdout.isatty(),
    )
    with bar:
        task = bar.add_task("files", total=total, rate=0.0, failed=0)
        begun = time.monotonic()
        due = PLAIN_SECONDS if plain and bar.disable and not quiet else math.inf

        def finished_one(failed: int) -> None:
            nonlocal due
            bar.update(task, advance=1, failed=failed)
            elapsed = max(time.monotonic() - begun, 1e-3)
            done = int(bar.tasks[0].completed)
            bar.update(task, rate=done / elapsed)
            if elapsed >= due:
                due = elapsed + PLAIN_SECONDS
                say(f"{done} of {total} files, {failed} failed")

        yield finished_one
