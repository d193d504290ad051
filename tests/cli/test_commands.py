"""Every command gets options from a dataclass and exit codes from exceptions."""

import errno
import inspect
import io
import logging
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from cxr_sr import errors
from cxr_sr.cli import models, output
from cxr_sr.cli.errors import MEANINGS, guarded
from cxr_sr.cli.main import app
from cxr_sr.cli.options import spread
from cxr_sr.hints import _EXTRAS
from tests.files import a_dicom

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Options:
    name: Annotated[str, typer.Argument()]
    count: Annotated[int, typer.Option("--count", "-c", min=1)] = 2


def invoke(command, *arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    return CliRunner().invoke(app, list(arguments))


class Terminal(io.StringIO):
    """The output on a terminal."""

    def isatty(self) -> bool:
        return True


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


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
        (FileNotFoundError(errno.ENOENT, "No such file"), 5, "none was removed"),
        (ZeroDivisionError("1/0"), 5, "unexpected ZeroDivisionError"),
        (KeyboardInterrupt(), 130, "interrupted; finished outputs are kept"),
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


class TestMissingPackages:
    """A command that needs an extra names it, whatever part of it is missing."""

    @pytest.mark.parametrize(
        ("module", "extra"),
        [
            ("torch", "[train]"),
            ("lightning.pytorch", "[train]"),
            ("PIL", "[train]"),
            ("matplotlib.figure", "[figures]"),
            ("ray", "[ray]"),
            ("openvino", "[openvino]"),
            ("numpy", ""),
        ],
    )
    def test_the_extra_is_named(self, module, extra):
        error = ModuleNotFoundError(f"No module named {module!r}", name=module)
        result = invoke_raising(error)
        assert result.exit_code == 2
        assert module.partition(".")[0] in result.stderr
        assert f"pip install 'cxr-sr{extra}'" in result.stderr
        assert result.stderr.count("\n") == 1

    def test_every_extra_of_the_package_is_known(self):
        """Those that a user installs for a command."""
        given = set(metadata("cxr-sr").get_all("Provides-Extra") or ())
        assert set(_EXTRAS.values()) == given - {"dev", "docs"}

    @pytest.mark.parametrize("missing", ["torch", "lightning"])
    def test_train_without_it_says_so(self, tmp_path, missing):
        (tmp_path / f"{missing}.py").write_text(
            f"raise ModuleNotFoundError(name={missing!r})"
        )
        told = subprocess.run(
            [sys.executable, "-m", "cxr_sr", "train", str(tmp_path), "--run", "run"],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        )
        assert told.returncode == 2
        assert "pip install 'cxr-sr[train]'" in told.stderr
        assert "Traceback" not in told.stderr


class TestQuiet:
    """-q prints errors and results, and nothing else."""

    def test_talk_is_left_out_and_complaints_are_not(self):
        def command() -> None:
            output.say("talk")
            output.table(["talk"], [["talk"]], talk=True)
            logging.getLogger("cxr_sr.anything").warning("a warning")
            output.complain("complaint")
            output.data("data")

        result = invoke(guarded(command), "-q")
        assert (result.stdout, result.stderr) == ("data\n", "complaint\n")
        assert "talk" in invoke(guarded(command)).stderr

    def test_every_command_takes_it(self):
        commands = [*app.registered_commands, *models.app.registered_commands]
        for command in commands:
            assert command.callback is not None
            assert "quiet" in inspect.signature(command.callback).parameters

    def test_a_run_says_only_what_it_wrote(self, tmp_path):
        source = a_dicom(tmp_path / "in" / "a.dcm")
        ran = run("upscale", "-q", source, "-o", tmp_path / "out", "--model", "bicubic")
        assert (ran.stderr, ran.stdout) == ("", f"{tmp_path / 'out' / 'a.dcm'}\n")


class TestNearMisses:
    """A misspelt word gets an answer with the right word."""

    @pytest.mark.parametrize(
        ("arguments", "meant"),
        [
            (["upscal"], "upscale"),
            (["upscale", "--modle", "fine"], "--model"),
            (["upscale", "ches.dcm", "-o", "out"], "'chest.dcm'"),
            (["upscale", "chest.dcm", "-o", "out", "--model", "fien"], "'fine'"),
            (["evaluate", "chest.dcm", "--model", "hidra"], "'hydra'"),
            (["evaluate", "chest.dcm", "--degradation", "bicubik"], "'bicubic'"),
            (["models", "show", "bspine"], "'bspline'"),
            (["upscale", "chest.dcm", "-o", "o", "--engine", "opnvino"], "'openvino'?"),
            (["upscale", "chest.dcm", "-o", "o", "--format", "dcom"], "'dicom'?"),
            (["export", "chest.dcm", "-o", "o", "--format", "pgn"], "'png'?"),
        ],
    )
    def test_the_right_name_is_told(self, tmp_path, monkeypatch, arguments, meant):
        monkeypatch.chdir(tmp_path)
        a_dicom(Path("chest.dcm"))
        ran = run(*arguments)
        assert ran.exit_code == 2
        assert meant in ran.stderr
        assert "Value error" not in ran.stderr


UNITS = ("MM", "PX", "MB", "HH:MM:SS", "CENTER,WIDTH", "I/N", "SHARE")


@pytest.mark.parametrize("name", ["upscale", "export", "index", "train", "gallery"])
def test_an_option_with_a_unit_shows_an_example(name):
    """The example is in the help text, or is the default."""
    callbacks = {
        c.callback.__name__: c.callback for c in app.registered_commands if c.callback
    }
    for parameter in inspect.signature(callbacks[name]).parameters.values():
        option: Any = getattr(parameter.annotation, "__metadata__", (None,))[0]
        metavar = getattr(option, "metavar", None) or ""
        if any(unit in metavar for unit in UNITS):
            shown = f"{option.help} {parameter.default}"
            assert re.search(r"\d", shown), (parameter.name, shown)


def test_the_package_runs_as_a_module():
    told = subprocess.run(
        [sys.executable, "-m", "cxr_sr", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.startswith("cxr-sr ")


class TestNarrowTerminal:
    """At 80 columns nothing is cut: the columns are shown in several tables."""

    def test_a_long_remark_is_broken_between_words(self, monkeypatch):
        shown = Terminal()
        monkeypatch.setattr("sys.stdout", shown)
        monkeypatch.setenv("COLUMNS", "80")
        remark = "a\x1bb.dcm: " + "something of many words " * 9
        output.paragraph(remark)
        lines = shown.getvalue().splitlines()
        assert len(lines) > 2
        assert all(len(line) <= 80 for line in lines)
        told = " ".join(" ".join(lines).split())
        assert told == remark.strip().replace("\x1b", r"\x1b")

    @pytest.mark.parametrize("keys", [0, 1, 3])
    def test_every_cell_is_shown_whole(self, monkeypatch, keys):
        columns = [f"column {k}" for k in range(12)]
        rows = [[f"{r}.{k}-56789" for k in range(12)] for r in range(2)]
        shown = Terminal()
        monkeypatch.setattr("sys.stdout", shown)
        monkeypatch.setenv("COLUMNS", "80")
        output.table(columns, rows, keys=keys)
        text = re.sub(r"\x1b\[[\d;]*m", "", shown.getvalue())
        assert max(map(len, text.splitlines())) <= 80
        assert "\N{HORIZONTAL ELLIPSIS}" not in text
        if keys:
            assert all(cell in text.split() for row in rows for cell in row)

    @pytest.mark.parametrize(
        ("widths", "keys", "groups"),
        [
            ([10, 10, 10], 1, [[0, 1, 2]]),
            ([10, 40, 40], 1, [[0, 1], [0, 2]]),
            ([10, 100, 10], 1, [[0, 1], [0, 2]]),
            ([200, 20, 20], 1, [[0, 1, 2]]),
            ([5, 5], 2, [[0, 1]]),
            ([90, 90], 0, [[0, 1]]),
        ],
    )
    def test_columns_are_grouped_as_they_fit(self, widths, keys, groups):
        assert output.column_groups(widths, keys, 80) == groups
