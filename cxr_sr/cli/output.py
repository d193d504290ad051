"""Print data to standard output, messages to standard error; no other module prints."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict
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

from cxr_sr.cli.pace import Pace, pixel_counts
from cxr_sr.errors import StreamError
from cxr_sr.texts import escaped

NOTICE = "cxr-sr is for research only; it is not a medical device."

PLAIN_SECONDS = 30.0
"""Seconds between two lines about the progress in a log."""
GAP = 2
"""Characters between two columns of a table."""
PIPE_WIDTH = 1000
"""Width of a table without a terminal, in columns; large, so that no row is wrapped."""


_quiet: ContextVar[bool] = ContextVar("quiet", default=False)
"""True if the running command has -q."""


_lost: ContextVar[bool] = ContextVar("lost", default=False)
"""True if the running command could not print the path of a result."""


def data(line: str, *, stands: bool = False) -> None:
    """Print one line of data, and flush it, so that a pipe gets it at once.

    Parameters
    ----------
    stands : True if the result in the line is already on the disk. Then a full standard
        output gives one warning, and the command continues

    Raises
    ------
    StreamError
        If standard output is full, or fails in another way.
    BrokenPipeError
        If the reader of standard output went away.
    """
    with _standard_output(stands=stands):
        sys.stdout.write(escaped(line) + "\n")
        sys.stdout.flush()


@contextmanager
def _standard_output(*, stands: bool) -> Iterator[None]:
    """Raise a StreamError for an error of standard output; with `stands`, only warn."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        told = f"standard output cannot be written: {why}; give it a place with room"
        if not stands:
            raise StreamError(told) from error
        discard_output()
        _lost.set(True)
        complain(f"{told}; the command goes on")


def paragraph(text: str) -> None:
    """Print one line of data; a terminal wraps the line between words."""
    lines = [text]
    if sys.stdout.isatty():
        wrapper = textwrap.TextWrapper(
            Console().width, subsequent_indent="  ", break_long_words=False
        )
        lines = wrapper.wrap(escaped(text))
    for line in lines:
        data(line)


def record(fields: dict[str, Any], *, stands: bool = False) -> None:
    """Print one JSON object as a line of data; `stands` as for `data`."""
    data(json.dumps(fields), stands=stands)


def listing(
    specs: list[Any], columns: list[str], rows: list[list[str]], *, as_json: bool
) -> None:
    """Print the rows as a table, or their dataclasses as JSON records."""
    if not as_json:
        table(columns, rows)
    for spec in specs if as_json else ():
        record(asdict(spec))


def table(
    columns: list[str],
    rows: list[list[str]],
    *,
    talk: bool = False,
    keys: int = 0,
    stands: bool = False,
) -> None:
    """Print a table as data, or with `talk` as a message.

    Nothing is cut. A terminal that is too narrow shows the columns in several tables.

    Parameters
    ----------
    keys : number of first columns that every such table repeats; 0: fold long cells
    stands : see `data`
    """
    if talk and _quiet.get():
        return
    stream = sys.stderr if talk else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    console = Console(stderr=talk, highlight=False, markup=False, width=width)
    whole = [columns, *rows]
    widths = [max(len(row[k]) for row in whole) for k in range(len(columns))]
    for numbers in column_groups(widths, keys, console.width):
        shown = Table(box=None, pad_edge=False, header_style="bold")
        for number in numbers:
            folds = not keys or number < keys
            shown.add_column(columns[number], no_wrap=not folds, overflow="fold")
        for row in rows:
            shown.add_row(*(escaped(row[number]) for number in numbers))
        with suppress(OSError) if talk else _standard_output(stands=stands):
            console.print(shown)
            stream.flush()


def column_groups(widths: Sequence[int], keys: int, most: int) -> list[list[int]]:
    """Return the column numbers of each table, so that each table fits into `most`.

    Parameters
    ----------
    widths : widths of the columns, in characters
    keys : number of first columns that each table repeats; 0: one table
    """
    numbers = range(len(widths))
    if not keys:
        return [list(numbers)]
    first = list(numbers[:keys])
    # Keys that would fill the terminal are folded.
    share = 0.4 if keys == 1 else 0.6
    room = most - min(sum(widths[k] + GAP for k in first), int(share * most))
    groups: list[list[int]] = []
    left = -1
    for number in numbers[keys:]:
        left -= widths[number] + GAP
        if left < 0 or not groups:
            groups.append([*first])
            left = room - widths[number]
        groups[-1].append(number)
    return groups or [first]


class _Lines(logging.Handler):
    """Prints a log's records as messages, one line each."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record; only a traceback has several lines."""
        _talk(escaped(self.format(record), keep="\n" if record.exc_info else ""))


@contextmanager
def hushed(*, quiet: bool) -> Iterator[Callable[[], bool]]:
    """Send messages and log to standard error; with `quiet`, only errors.

    Yields
    ------
    A function that tells whether standard output has lost a line about a result.
    """
    handler = _Lines()
    log = logging.getLogger("cxr_sr")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.ERROR if quiet else logging.INFO)
    tokens = _quiet.set(quiet), _lost.set(False)
    try:
        yield _lost.get
    finally:
        _quiet.reset(tokens[0])
        _lost.reset(tokens[1])
        log.setLevel(level)
        log.removeHandler(handler)


def say(text: str) -> None:
    """Print one line of a message, unless the command has -q."""
    if not _quiet.get():
        _talk(escaped(text))


def complain(text: str, *, trace: bool = False) -> None:
    """Print one line about an error, in red on a terminal; a `trace` has several."""
    colour = bool(sys.stderr) and sys.stderr.isatty() and "NO_COLOR" not in os.environ
    text = escaped(text, keep="\n" if trace else "")
    _talk(typer.style(text, fg=typer.colors.RED) if colour else text)


def _talk(line: str) -> None:
    """Write to standard error; if it is closed or full, the run continues."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(line + "\n")


def discard_output() -> None:
    """Discard all further output, also at exit, because its reader is gone."""
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
    sources : the files to work on; the remaining time counts their pixels

    Yields
    ------
    A function to call when a file is finished.
    """
    bar = _bar(quiet=quiet)
    talks = plain and bar.disable and not quiet
    pace = Pace(total, pixel_counts(sources) if talks or not bar.disable else {})
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
        # Data for a file or pipe must not pass through the terminal of the bar.
        redirect_stdout=sys.stdout.isatty(),
    )
