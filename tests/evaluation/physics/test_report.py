"""`evaluate --physics`: its printed table and its files."""

import csv
import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cxr_sr.cli.errors import guarded
from cxr_sr.cli.evaluate.command import evaluate
from cxr_sr.cli.options import spread
from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.evaluate import compare
from cxr_sr.evaluation.physics import flat, report
from tests.builders import structure, write_png

MODEL = ("--model", "lanczos", "--scale", "2")


def run(*arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(guarded(spread(evaluate)))
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def one_exposure(monkeypatch):
    monkeypatch.setattr(report, "EXPOSURES", flat.EXPOSURES[:1])


class TestCommand:
    def test_it_needs_no_data(self):
        result = run("--physics", *MODEL)
        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        noise = next(line for line in lines if "lanczos" in line)
        assert noise.split()[:4] == ["x2", "0.6", "0", "lanczos"]
        assert len([line for line in lines if " noise 2.5 uGy 0.5 px" in line]) == 6

    def test_json_is_one_object_a_line(self):
        lines = run("--physics", *MODEL, "--json").stdout.splitlines()
        rows = [json.loads(line) for line in lines]
        assert [row["kind"] for row in rows] == ["noise"] + 12 * ["edge"]

    def test_edges_are_inserted_into_the_data(self, tmp_path):
        pixels = np.rint(255 * structure((300, 300))).astype(np.uint8)
        write_png(tmp_path / "a.png", pixels)
        (tmp_path / "b.png").write_bytes(b"no image")
        rows = run(tmp_path, "--physics", *MODEL, "--json").stdout.splitlines()
        backgrounds = [json.loads(row).get("background") for row in rows]
        assert backgrounds.count("anatomy") == 4

    def test_the_default_models_are_lanczos_and_that_of_upscale(self):
        rows = run("--physics", "--scale", 2, "--json").stdout.splitlines()
        noise = [json.loads(row) for row in rows if '"noise"' in row.split(",")[0]]
        assert [row["model"] for row in noise] == ["lanczos", "fine"]

    def test_without_data_and_physics_nothing_can_be_measured(self):
        result = run()
        assert result.exit_code == 2
        assert "DATA is missing; give an index" in result.stderr

    def test_tables_and_figures_are_written(self, tmp_path):
        pytest.importorskip("matplotlib")
        assert run("--physics", *MODEL, "-o", tmp_path / "out").exit_code == 0
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == [
            "edges.png",
            "noise.png",
            "physics-edge.csv",
            "physics-noise.csv",
            "physics.json",
            "physics.md",
        ]
        with (tmp_path / "out" / "physics-noise.csv").open() as file:
            (row,) = csv.DictReader(file)
        assert (row["model"], float(row["1/4 to 1/2"]) > 1.1) == ("lanczos", True)
        text = (tmp_path / "out" / "physics.md").read_text()
        assert "| x2 | clean | 0.05 | bicubic | 0.3" in text


def test_no_cell_is_a_formula_to_a_spreadsheet(tmp_path):
    powers = (1.0,) * len(flat.BAND_NAMES)
    row = flat.Amplification("=1+1", 2, 2.5, 0.5, powers, 1.0, 1.0, 1.0)
    report.write_results(tmp_path, [row])
    with (tmp_path / "physics-noise.csv").open() as file:
        assert next(csv.DictReader(file))["model"] == "'=1+1"


def test_as_many_rows_are_announced_as_come():
    planned = compare(["lanczos"], [Condition(2), Condition(2, "box")])
    rows = list(report.measure_physics(planned))
    assert len(rows) == report.count_of(planned, with_anatomy=False)
