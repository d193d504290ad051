"""Build the command line `cxr-sr` from its commands."""

import io
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from cxr_sr.batch.runner import explain
from cxr_sr.cli import interrupt, models, output
from cxr_sr.cli.errors import ALL_FAILED, INTERRUPTED, USAGE, guarded
from cxr_sr.cli.evaluate.command import evaluate
from cxr_sr.cli.export import export
from cxr_sr.cli.gallery import gallery
from cxr_sr.cli.index.command import index
from cxr_sr.cli.inspect import inspect
from cxr_sr.cli.options import spread
from cxr_sr.cli.pacs.fetch import fetch
from cxr_sr.cli.pacs.send import send
from cxr_sr.cli.pacs.serve import serve
from cxr_sr.cli.pacs.watch import watch
from cxr_sr.cli.task import app as task
from cxr_sr.cli.train.command import train
from cxr_sr.cli.upscale.command import upscale
from cxr_sr.errors import StreamError
from cxr_sr.hints import did_you_mean
from cxr_sr.texts import escaped


class _Commands(TyperGroup):
    """Escapes control characters in Click's messages, which quote the command line.

    A file name from a shell pattern may contain any character.
    """

    def make_context(self, *given: Any, **more: Any) -> Any:  # noqa: ANN401 - click's
        """Parse the options before a command."""
        with _legible():
            return super().make_context(*given, **more)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - click's
        """Parse a command's options, and run it."""
        with _legible():
            return super().invoke(ctx)


@contextmanager
def _legible() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.message = escaped(_helpful(error.message))
        raise


def _helpful(message: str) -> str:
    """Suggest the most similar choice; remove Python's own words from the message."""
    message = message.replace("Value error, ", "")
    refused = re.search(r"'([^']*)' is not one of (.+)\.$", message, re.DOTALL)
    if not refused:
        return message
    return message + did_you_mean(refused[1], re.findall(r"'([^']*)'", refused[2]))


app = typer.Typer(
    name="cxr-sr",
    cls=_Commands,
    help="Super-resolution of chest radiographs: DICOM in, DICOM out. "
    "For research only; not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # joins the lines of a docstring's paragraph
)
app.command()(guarded(spread(upscale)))
app.command()(guarded(spread(export)))
app.command()(guarded(spread(inspect)))
app.command()(guarded(spread(index)))
app.command()(guarded(spread(train)))
app.command()(guarded(spread(evaluate)))
app.command()(guarded(spread(gallery)))
app.command()(guarded(spread(watch)))
app.command()(guarded(spread(serve)))
app.command()(guarded(spread(send)))
app.command()(guarded(spread(fetch)))
app.add_typer(task.app, name="task")
app.add_typer(models.app, name="models")


_UsageError: Any = typer.BadParameter.__base__
"""Exceptions of click; later versions of typer have their own copy of click."""


def _version(wanted: bool) -> None:  # noqa: FBT001 - Typer's way
    if wanted:
        from cxr_sr import __version__

        output.data(f"cxr-sr {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Take the options before a command."""


def _open_standard_streams() -> None:
    """Open a closed standard stream, so that no later file gets its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # open() gives the smallest free number
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def main() -> None:
    """Set up the process, and run the command line."""
    interrupt.listen()
    _open_standard_streams()
    if not sys.warnoptions:  # a library's warning can name a path of this machine
        warnings.simplefilter("ignore")
    # File names need not be valid Unicode: print their bytes unchanged.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    setattr(Console, "on_broken_pipe", _raise_again)  # noqa: B010 - mypy
    code = _run()
    # Only Python's own clean-up follows; a signal during it would print a traceback.
    interrupt.ignore()
    raise SystemExit(code)


def _raise_again(_console: Console) -> None:
    """Let `_run` or a command handle a closed pipe; rich would exit with 1."""
    raise  # noqa: PLE0704 - called while it is handled


def _run() -> int | str | None:
    """Run the command line, and return the exit code."""
    code: int | str | None = None
    try:
        app()
    except SystemExit as end:
        code = end.code
    except (
        KeyboardInterrupt
    ):  # a second signal, while the message about the first was printed
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of the help
        output.discard_output()
        code = INTERRUPTED
    except (
        StreamError,
        OSError,
    ) as error:  # the reader of the help, or of a message of click
        output.discard_output()
        output.complain(explain(error))
        mistaken = isinstance(error.__context__, _UsageError)
        code = USAGE if mistaken else ALL_FAILED
    # If the reader goes away, Click ends --version with 1 and replaces the stream.
    gone = type(sys.stdout).__name__ == "PacifyFlushWrapper"
    return INTERRUPTED if gone or interrupt.came() else code
