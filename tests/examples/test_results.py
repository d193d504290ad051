"""The tables: measured once for the same weights, and shown default first."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.builders import structure, write_png

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def script(monkeypatch, tmp_path):
    """The script with its own results and pages."""
    monkeypatch.syspath_prepend(EXAMPLES)
    module = importlib.import_module("results")
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results.json")
    marks = "".join(f"<!-- {n} -->\nold\n<!-- /{n} -->\n" for n in module.TABLES)
    (tmp_path / "page.md").write_text(f"a\n{marks}")
    for name, table in module.TABLES.items():
        own = dataclasses.replace(table, page=tmp_path / "page.md")
        monkeypatch.setitem(module.TABLES, name, own)
    return module


def row(model, psnr=40.0, dose=None, scale=2):
    width = None if dose is None else 0.6
    degradation = "bicubic" if dose is None else "detector"
    names = {"model": model, "scale": scale, "degradation": degradation}
    noise = {"dose_ugy": dose, "noise_width_px": width, "n": 3}
    return names | noise | {"psnr": psnr, "anatomy_psnr": 45.0, "worse_than_bicubic": 1}


def part(*rows):
    return {"rows": list(rows)}


def test_the_default_comes_first_and_noisy_rows_state_dose_and_width(script):
    rows = [row(m, dose=d) for d in (None, 2.5) for m in ("bicubic", "fine", "fast")]
    lines = script.section({"x2": part(*rows)}).splitlines()[-6:]
    assert [line.split(" | ")[1] for line in lines] == 2 * ["fine", "fast", "bicubic"]
    assert lines[0] == "| bicubic, clean | fine | 40.00 (45.00), 1 |"
    assert lines[5].startswith("| detector, 2.5 uGy, noise of 0.6 px | bicubic | ")


def test_a_scale_that_was_not_measured_is_left_blank(script):
    found = script.lines(
        [row("fine"), row("bicubic"), row("bicubic", scale=4)], ("fine",)
    )
    assert "| fine | 40.00 (45.00), 1 | - |" in found


def test_only_the_section_is_replaced(script):
    old = "a\n<!-- results -->\nold\n<!-- /results -->\nb\n"
    new = "a\n<!-- results -->\n\\1 new\n<!-- /results -->\nb\n"
    assert script.with_section(old, "results", "\\1 new") == new


@pytest.mark.slow
def test_what_was_measured_with_the_same_weights_is_kept(script, tmp_path, monkeypatch):
    folder = tmp_path / "images"
    folder.mkdir()
    pixels = np.rint(255 * structure((72, 96))).astype(np.uint8)
    write_png(folder / "a.png", pixels)
    calls = []
    real = script.subprocess.run

    def counted(command, **options):
        calls.append(command)
        program = "from cxr_sr.cli.main import main; main()"
        return real([sys.executable, "-c", program, *command[1:]], **options)

    monkeypatch.setattr(script.subprocess, "run", counted)
    asked = ["results.py", str(folder), "--scale", "2"]
    runs = [asked, asked, [*asked, "--limit", "1"], [*asked, "--again"]]
    for arguments in [*runs, [*asked, "--table", "dicom"]]:
        monkeypatch.setattr(sys, "argv", arguments)
        script.main()
    assert len(calls) == 4
    stored = json.loads((tmp_path / "results.json").read_text())
    assert {r["model"] for r in stored["x2"]["rows"]} == {"bicubic", "fine", "fast"}
    dicom = {(r["model"], r["degradation"]) for r in stored["dicom x2"]["rows"]}
    assert {("lanczos", "box"), ("fine", "detector")} < dicom
    page = (tmp_path / "page.md").read_text()
    for name in ("results", "dicom"):
        assert script.section(stored, script.TABLES[name]) in page
