"""Turn exceptions into text and exit codes; no other module does."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

import typer

from cxr_sr.batch.runner import explain
from cxr_sr.cli import options, output
from cxr_sr.errors import (
    CxrSrError,
    EngineError,
    ModelError,
    OutputError,
    ReportError,
    SettingsError,
    StreamError,
    TrainingError,
)
from cxr_sr.files import is_full

DONE = 0
USAGE = 2
NOTHING = 3
SOME_FAILED = 4
ALL_FAILED = 5
INTERRUPTED = 130

MEANINGS = {
    DONE: "all done",
    USAGE: "wrong usage: the options, the model, the engine or the output folder; "
    "nothing was done",
    NOTHING: "nothing to do in the input",
    SOME_FAILED: "some failed",
    ALL_FAILED: "all failed",
    INTERRUPTED: "interrupted (Ctrl-C, SIGTERM, or the reader of standard output went "
    "away); finished outputs are kept",
}
"""The meaning of each exit code, for docs/batch.md, too."""

MISTAKES = (
    SettingsError,
    ModelError,
    EngineError,
    OutputError,
    ReportError,
    ModuleNotFoundError,
)
"""Errors in the command itself, before any work. During the work, such errors are
outcomes of single files."""


def exit_code(done: int, failed: int) -> int:
    """Return the exit code for the numbers of done and of failed files."""
    if failed:
        return SOME_FAILED if done else ALL_FAILED
    return DONE if done else NOTHING


def broken_off(error: ReportError, done: int) -> int:
    """Print why a run cannot go on; return its exit code, with `done` files done."""
    output.complain(str(error))
    return exit_code(done, failed=1)


def written(write: Callable[[], Sequence[Path]]) -> bool:
    """Write the tables of finished work, and print their names; False if that fails.

    The work may have taken hours. On a full disk, its results must still be printed.

    Parameters
    ----------
    write : returns the written files of one folder; an empty list is not printed
    """
    try:
        made = write()
    except (OutputError, OSError) as error:
        output.complain(f"the tables are not written: {explain(error)}")
        return False
    if made:
        names = ", ".join(path.name for path in made)
        output.say(f"written to {made[0].parent}: {names}")
    return True


@contextmanager
def run_folder(folder: Path) -> Iterator[None]:
    """Fail a training whose run folder refuses a file: the usage was not wrong.

    Raises
    ------
    TrainingError
        In place of an OutputError.
    """
    try:
        yield
    except OutputError as error:
        kept = (folder / "checkpoints" / "last.ckpt").is_file()
        told = "; its last checkpoint is kept: give --resume" if kept else ""
        raise TrainingError(f"{error}{told}") from error


def guarded(command: Callable[..., int | None]) -> Callable[..., None]:
    """Give a command `--debug` and `--quiet`; turn exceptions into text and a code.

    A command returns its exit code; None means that everything is done.
    """
    parameters = options.parameters_of(command)
    known = {parameter.name for parameter in parameters}

    @wraps(command)
    def call(*, debug: bool = False, quiet: bool = False, **given: object) -> None:
        both = {"debug": debug, "quiet": quiet}
        passed = {name: value for name, value in both.items() if name in known}
        try:
            with output.hushed(quiet=quiet) as lost, _unwarned():
                code = command(**given, **passed) or DONE
                code = SOME_FAILED if lost() and code == DONE else code
        except typer.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - all is told
            if debug:
                output.complain(traceback.format_exc(), trace=True)
            code = _tell(error)
        raise typer.Exit(code)

    more = [option for option in options.OF_ALL if option.name not in known]
    return options.with_parameters(call, [*parameters, *more])


@contextmanager
def _unwarned() -> Iterator[None]:
    """Print no warning of a library, on any thread: it may quote a header or a path."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda *_, **__: None
        yield


def _tell(error: BaseException) -> int:
    """Print a message about an error, and return its exit code."""
    match error:
        case BrokenPipeError():
            output.discard_output()
            return INTERRUPTED
        case StreamError():
            output.discard_output()  # Python flushes the rest of the buffer at the end
            output.complain(explain(error))
            return ALL_FAILED
        case KeyboardInterrupt():
            output.complain("interrupted; finished outputs are kept")
            return INTERRUPTED
        case OutputError() if is_full(error):
            output.complain(explain(error))
            return ALL_FAILED
        case OSError() if not isinstance(error, CxrSrError):
            output.complain(
                f"a file or folder of this command cannot be used: {explain(error)}; "
                "check that none was removed during the run, that all are writable, "
                "and that there is room"
            )
            return ALL_FAILED
        case _:
            output.complain(explain(error))
            return USAGE if isinstance(error, MISTAKES) else ALL_FAILED
