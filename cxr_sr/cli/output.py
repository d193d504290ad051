"""Print: data to standard output, messages to standard error; no other module does."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from cxr_sr.cli.pace import Pace, survey

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


class Tick(Protocol):
    """Tells a progress bar that a file is finished."""

    def __call__(
        self, failed: int, source: Path | None = None, *, worked: bool = True
    ) -> None:
        """Move on.

        Parameters
        ----------
        failed : number of files that failed so far
        source : the file
        worked : False if the file needed no work, so that its time does not count
        """
        ...


@contextmanager
def progress(
    total: int, *, quiet: bool, plain: bool = False, sources: Sequence[Path] = ()
) -> Iterator[Tick]:
    """Show a bar with rate, remaining time and failures; only on a terminal.

    Parameters
    ----------
    total : number of files
    plain : without a terminal, print a line every `PLAIN_SECONDS`
    sources : the files that are to be worked on; the remaining time counts their pixels

    Yields
    ------
    A function to call when a file is finished.
    """
    bar = _bar(quiet=quiet)
    talks = plain and bar.disable and not quiet
    pace = Pace(total, survey(sources) if talks or not bar.disable else {})
    with bar:
        task = bar.add_task("", total=total, text="")
        due = time.monotonic() + PLAIN_SECONDS if talks else math.inf

        def finished_one(
            failed: int, source: Path | None = None, *, worked: bool = True
        ) -> None:
            nonlocal due
            pace.finish(source, worked=worked)
            estimate = f", {pace.text}" if pace.text else ""
            bar.update(task, advance=1, text=f"{failed} failed{estimate}")
            if time.monotonic() >= due:
                due = time.monotonic() + PLAIN_SECONDS
                say(f"{pace.files} of {total} files, {failed} failed{estimate}")

        yield finished_one


def _bar(*, quiet: bool) -> Progress:
    console = Console(stderr=True)
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files, {task.fields[text]}"),
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        # Data that go elsewhere than to the bar's terminal must not pass through it.
        redirect_stdout=sys.stdout.isatty(),
    )
