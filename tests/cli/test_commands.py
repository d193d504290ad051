"""What every command gets: options from a dataclass, exit codes from exceptions."""

import errno
import io
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from cxr_sr import errors
from cxr_sr.cli import output
from cxr_sr.cli.errors import MEANINGS, guarded
from cxr_sr.cli.options import spread


@dataclass(frozen=True, kw_only=True)
class Options:
    name: Annotated[str, typer.Argument()]
    count: Annotated[int, typer.Option("--count", "-c", min=1)] = 2


def invoke(command, *arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    return CliRunner().invoke(app, list(arguments))


def invoke_raising(error, *arguments):
    def command() -> int:
        raise error

    return invoke(guarded(command), *arguments)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (errors.SettingsError("found 5, expected 2; use 2"), 2, "found 5, expected 2"),
        (errors.ModelError("no such model"), 2, "no such model"),
        (errors.EngineError("not installed"), 2, "not installed"),
        (errors.OutputError("exists already"), 2, "exists already"),
        (errors.UnreadableError("cut off"), 5, "cut off"),
        (errors.NotARadiographError("a table"), 5, "a table"),
        (errors.TrainingError("no data"), 5, "no data"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 5, "no space left"),
        (ZeroDivisionError("1/0"), 5, "unexpected ZeroDivisionError"),
        (KeyboardInterrupt(), 130, "interrupted; what was done is kept"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_a_command_raises_is_one_line_and_an_exit_code(error, code, told):
    result = invoke_raising(error)
    assert result.exit_code == code
    assert result.stdout == ""
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_debug_adds_the_traceback():
    result = invoke_raising(errors.SettingsError("found 5"), "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert "found 5" in result.stderr


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (3, 3), (4, 4)])
def test_what_a_command_returns_is_its_exit_code(returned: int | None, code):
    def command() -> int | None:
        return returned

    assert invoke(guarded(command)).exit_code == code


def test_a_command_may_end_itself():
    assert invoke_raising(typer.Exit(3)).exit_code == 3


def test_every_code_of_the_contract_has_a_meaning():
    assert sorted(MEANINGS) == [0, 2, 3, 4, 5, 130]


def test_a_dataclass_becomes_the_options_of_a_command():
    seen = []

    def command(options: Options) -> int:
        seen.append(options)
        return 0

    assert invoke(guarded(spread(command)), "x", "-c", "3").exit_code == 0
    assert invoke(guarded(spread(command)), "y").exit_code == 0
    assert seen == [Options(name="x", count=3), Options(name="y")]


@pytest.mark.parametrize("arguments", [[], ["x", "-c", "0"], ["x", "--nonsense"]])
def test_options_that_do_not_exist_or_fit_are_wrong_usage(arguments):
    def command(options: Options) -> int:
        raise AssertionError(options)

    assert invoke(guarded(spread(command)), *arguments).exit_code == 2


def test_help_shows_the_fields_of_the_dataclass():
    def command(options: Options) -> int:
        """Do what the options say."""
        raise AssertionError(options)

    shown = invoke(guarded(spread(command)), "--help").stdout
    for expected in ("Do what the options say.", "--count", "--debug"):
        assert expected in shown


def test_data_goes_to_standard_output_and_talk_to_standard_error(capsys):
    output.data("a path")
    output.record({"a": 1})
    output.say("all is well")
    output.complain("[not markup] went wrong")
    out, err = capsys.readouterr()
    assert out == 'a path\n{"a": 1}\n'
    assert err == "all is well\n[not markup] went wrong\n"


def test_a_table_in_a_pipe_has_one_line_a_row_however_long(capsys):
    output.table(["a", "b"], [["x" * 200, "y" * 200]])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].split() == ["x" * 200, "y" * 200]


def test_there_is_no_progress_bar_where_there_is_no_terminal(monkeypatch):
    talk = io.StringIO()
    monkeypatch.setattr("sys.stderr", talk)
    with output.progress(total=2, quiet=False) as tick:
        tick(0)
        tick(1)
    assert talk.getvalue() == ""
