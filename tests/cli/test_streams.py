"""Standard output and error: their content; full, closed or without a reader."""

import logging
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cxr_sr.cli import output
from cxr_sr.cli.errors import guarded
from cxr_sr.cli.main import app
from tests.files import COMMAND, a_dicom, an_export

FULL = Path("/dev/full")
WRITE = [
    "upscale in -o new --model bicubic",
    "upscale in -o new --model bicubic --json --jobs 2",
    "export in -o new",
    "index in -o index.csv --jobs 1",
    "index in -o index.csv --jobs 1 --json",
    "evaluate in --model bicubic --scale 2 --degradation bicubic -o new",
    "gallery out/cxr-sr-report.jsonl --inputs in -o page.html",
    "models export fast -o new",
]
"""These commands write files; the files stay, even if the lines about them fail."""
PRINT = [
    "upscale in -o new --model bicubic --dry-run",
    "inspect in",
    "inspect in --json",
    "evaluate in --model bicubic --scale 2 --degradation bicubic",
    "models",
    "models show fine",
    "models verify fast",
    "serve --conformance",
    "--help",
    "upscale --help",
    "--version",
]
"""These commands only print; they write no file."""
UNTIDY = "a\nb\x1b[31mc\rd\x85e\u2028f\u202eg"
"""Characters that split a line, reverse its direction, or control the terminal."""


@pytest.fixture(scope="module")
def upscaled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export in `in`, and a run of it in `out`."""
    folder = tmp_path_factory.mktemp("export")
    an_export(folder / "in")
    a_dicom(folder / "in" / "large.dcm", Rows=64, Columns=64, PixelData=bytes(8192))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        CliRunner().invoke(app, ["upscale", "in", "-o", "out", "--model", "bicubic"])
    return folder


@pytest.fixture
def export(upscaled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An export with a run of its own, in the working folder."""
    shutil.copytree(upscaled, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ended(line: str, streams: str) -> tuple[int, str]:
    """Run in a shell; return the exit code and the text on standard error."""
    shell = f'{COMMAND} {line} {streams}; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="Linux has it")
@pytest.mark.slow
@pytest.mark.usefixtures("export")
class TestFull:
    @pytest.mark.parametrize("line", WRITE)
    def test_output_costs_no_result(self, export: Path, line: str):
        code, told = ended(line, ">/dev/full")
        assert code == 4
        assert told.count("standard output cannot be written") == 1
        assert "Traceback" not in told
        written = [*export.glob("new/**/*.*"), *export.glob("index.csv")]
        assert written or (export / "page.html").is_file()
        if "upscale" in line:
            assert len(list(export.glob("new/**/*"))) == 2 + 5 + 1  # and the report

    @pytest.mark.parametrize("line", PRINT[1:])
    def test_output_fails_what_prints(self, line: str):
        code, told = ended(line, ">/dev/full")
        assert code == 5, told
        assert "no space left on device" in told
        assert "Traceback" not in told
        assert "Exception" not in told

    @pytest.mark.parametrize("line", [*WRITE[1:], *PRINT[::3]])
    def test_error_changes_nothing(self, line: str):
        assert ended(line, ">/dev/null 2>/dev/full") == (0, "")

    @pytest.mark.parametrize("line", [line for line in WRITE if "upscale" in line])
    def test_closed_streams_change_nothing(self, export: Path, line: str):
        assert ended(line, ">&- 2>&-") == (0, "")
        assert len(list(export.glob("new/**/*"))) == 2 + 5 + 1  # and the report

    def test_error_hides_no_wrong_usage(self):
        for line in ("upscale in", "upscale none -o x", "upscale --modle x", "x"):
            assert ended(line, "2>/dev/full") == (2, "")


@pytest.mark.slow
@pytest.mark.usefixtures("export")
@pytest.mark.parametrize("line", [*WRITE, *PRINT])
def test_a_reader_that_is_gone_ends_every_command(line: str):
    """It has gone before the command starts, so that none can be done before."""
    reader, writer = os.pipe()
    os.close(reader)
    words = [str(COMMAND), *line.split()]
    with os.fdopen(writer, "wb") as gone:
        done = subprocess.run(
            words, stdout=gone, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        [UNTIDY],
        [f"--{UNTIDY}"],
        ["upscale", f"--{UNTIDY}"],
        ["upscale", "in", "-o", "out", "--scale", UNTIDY],
        ["upscale", "in", "-o", "out", "--engine", UNTIDY],
        ["upscale", "in", "-o", "out", "--model", UNTIDY],
        ["upscale", UNTIDY, "-o", "out"],
        ["inspect", UNTIDY],
        ["export", "in", "-o", "out", "--window", UNTIDY],
        ["export", "in", "-o", "out", "--bits", UNTIDY],
        ["index", UNTIDY, "-o", UNTIDY],
        ["train", UNTIDY, "--run", UNTIDY, "--max-steps", "1"],
        ["evaluate", UNTIDY],
        ["gallery", UNTIDY, "--inputs", UNTIDY, "-o", UNTIDY],
        ["models", UNTIDY],
        ["models", "show", UNTIDY],
        ["send", "in", "--to", UNTIDY],
        ["serve", "--store", UNTIDY, "--bind", UNTIDY],
    ],
    ids=" ".join,
)
def test_no_control_character_that_was_typed_is_printed(export: Path, words: list[str]):
    """A shell's pattern types the names of files, and those may hold any."""
    told = CliRunner().invoke(app, words)
    assert told.exit_code in {2, 3, 5}
    for character in "\x1b\r\x85\u2028\u202e":
        assert character not in told.stderr + told.stdout
    # A message that quotes the name continues after it.
    for line in re.findall(r".*a(?=\\n|\\x0a|$).*", told.stderr, re.MULTILINE):
        assert not line.endswith("a")


def test_nor_is_one_of_a_log(caplog: pytest.LogCaptureFixture):
    def command() -> None:
        logging.getLogger("cxr_sr.anything").warning("name %s", UNTIDY)

    commands = typer.Typer()
    commands.command()(guarded(command))
    told = CliRunner().invoke(commands, []).stderr
    assert told.count("\n") == 1
    assert told.startswith("name a\\nb\\x1b[31mc")
    assert told.isascii()


def test_only_a_traceback_has_several_lines(capsys: pytest.CaptureFixture[str]):
    log = logging.getLogger("cxr_sr.anything")
    with output.hushed(quiet=False):
        log.error("failed", exc_info=ValueError(UNTIDY))
    told = capsys.readouterr().err
    assert told.startswith("failed\nValueError: a\nb")
    assert "\x1b" not in told
