"""`cxr-sr task train`: options become settings, or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cxr_sr.cli.main import app
from tests.tasks.builders import write_data


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["task", "train", *map(str, arguments)])


def test_it_prints_the_path_of_the_weights(tmp_path: Path):
    table, run = write_data(tmp_path / "data"), tmp_path / "run"
    small = ("--trunk", "fast", "--size", 32, "--max-steps", 2, "--threads", 1)
    told = invoke(table, "--kind", "classification", "--run", run, *small)
    assert told.exit_code == 0, told.output
    assert told.stdout == f"{run / 'classification.onnx'}\n"
    assert (run / "classification.onnx").is_file()
    full = tmp_path / "full"
    told = invoke(
        table, "--kind", "classification", "--run", full, *small, "--trunk-input=full"
    )
    assert told.exit_code == 0, told.output
    assert (full / "trunk" / "fast.onnx").is_file()
    again = invoke(table, "--kind", "classification", "--run", run, *small)
    assert again.exit_code != 0
    assert "holds a run already" in again.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--size", 100], "a multiple of 32"),
        (["--hold-out", "9/3"], "--hold-out 9/3"),
        (["--labels", "heart"], "lacks the column(s) heart"),
        (["--trunk-input", "full", "--trunk-weights", "tuned"], "leave out one"),
        (["--trunk", "fein"], "did you mean 'fine'"),
        (["--max-time", "90"], "--max-time 90 is not of the form"),
    ],
)
def test_wrong_options_are_told_before_anything_is_written(
    tmp_path: Path, more, message
):
    table = write_data(tmp_path / "data")
    told = invoke(table, "--kind", "segmentation", "--run", tmp_path / "run", *more)
    assert told.exit_code == 2
    assert message in told.stderr
    assert not (tmp_path / "run").exists()
