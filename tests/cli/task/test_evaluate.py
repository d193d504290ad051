"""`cxr-sr task evaluate`: a table, or JSON, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from cxr_sr.cli.main import app
from tests.tasks.builders import write_data


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["task", "evaluate", *map(str, arguments)])


def test_it_prints_each_measure(masker: Path, tmp_path: Path):
    """The only class of the head matches the table's only column, of any name."""
    told = invoke(write_data(tmp_path), "--head", masker, "--json")
    assert told.exit_code == 0, told.output
    records = [json.loads(line) for line in told.stdout.splitlines()]
    assert {(r["measure"], r["group"], r["images"]) for r in records} >= {
        ("Dice", "not trained on", 2),
        ("Dice", "trained on", 4),
    }
    shown = invoke(write_data(tmp_path), "--head", masker)
    assert "mean surface distance" in shown.stdout


def test_findings_are_looked_for_as_words(classifier: Path, tmp_path: Path):
    told = invoke(write_data(tmp_path), "--head", classifier, "--json")
    assert told.exit_code == 0, told.output
    names = {json.loads(line)["name"] for line in told.stdout.splitlines()}
    assert names == {"Edema", "Mass"}


def test_a_bad_image_is_a_line_and_a_code(masker: Path, tmp_path: Path):
    table = write_data(tmp_path)
    (tmp_path / "3.png").unlink()
    told = invoke(table, "--head", masker, "--hold-out", "1/3", "--split", "train")
    assert told.exit_code in (0, 4)
    everything = invoke(table, "--head", masker)
    assert everything.exit_code == 4
    assert sum("3.png" in line for line in everything.stderr.splitlines()) == 1
