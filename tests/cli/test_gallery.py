"""`cxr-sr gallery`: the place of the page, and the refusals."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cxr_sr.cli.main import app
from tests.builders import noise, pixel_format, write_png
from tests.files import an_export, tree, upscale
from tests.gallery.builders import REPORT, blocks, gallery, index_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A little export, upscaled, in the working folder."""
    monkeypatch.chdir(tmp_path)
    an_export(tmp_path / "in")
    upscale("in", "-o", "out", "--scale", 2)
    return tmp_path


@pytest.mark.usefixtures("folder")
class TestCommand:
    def test_results_may_be_elsewhere_than_the_report(self):
        shutil.move(REPORT, "elsewhere.jsonl")
        assert gallery("elsewhere.jsonl").exit_code == 5
        again = gallery("elsewhere.jsonl", "--outputs", "out", "--overwrite")
        assert again.exit_code == 0, again.stderr

    def test_a_page_is_not_replaced_without_being_asked(self):
        Path("page.html").write_text("mine")
        assert gallery(REPORT).exit_code == 2
        assert Path("page.html").read_text() == "mine"
        assert gallery(REPORT, "--overwrite").exit_code == 0

    def test_nothing_is_written_into_the_input(self):
        before = tree("in")
        result = gallery(REPORT, "-o", "in/page.html")
        assert result.exit_code == 2
        assert "would be written into the input" in result.stderr
        assert tree("in") == before

    def test_the_report_is_not_overwritten_by_the_page(self):
        before = REPORT.read_bytes()
        assert gallery(REPORT, "-o", REPORT, "--overwrite").exit_code == 2
        assert REPORT.read_bytes() == before

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["none.jsonl"], "the report none.jsonl cannot be read"),
            (["in/a/chest.dcm"], "chest.dcm is no report"),
            ([REPORT, "--inputs", "nowhere"], "--inputs nowhere is no folder"),
            ([REPORT, "--limit", 0], "--limit"),
            ([REPORT, "--max-side", 1], "--max-side"),
        ],
    )
    def test_wrong_usage_is_told(self, arguments, told):
        result = gallery(*arguments)
        assert result.exit_code == 2
        assert told in result.stderr
        assert not Path("page.html").exists()

    def test_a_run_without_a_file_has_nothing_to_show(self):
        Path("empty.jsonl").write_text('{"type": "run"}\n')
        assert gallery("empty.jsonl").exit_code == 3

    def test_a_killed_runs_report_will_do(self):
        text = REPORT.read_text().splitlines(keepends=True)
        REPORT.write_text("".join(text[:3]) + text[3][:50])
        gallery(REPORT)
        assert len(index_of()["cases"]) == 2

    def test_pictures_of_gray_in_three_channels_are_shown_as_gray(self):
        Path("rgb").mkdir()
        gray = noise((20, 16), pixel_format(8))
        write_png(Path("rgb/x.png"), np.stack([gray] * 3, axis=-1))
        upscale("rgb", "-o", "colour")
        result = gallery("colour/cxr-sr-report.jsonl", "--inputs", "rgb")
        assert result.exit_code == 0, result.stderr
        (name,) = [c["pictures"] for c in index_of()["cases"]]
        assert blocks(Path("page.html").read_text())[name]["after"]["channels"] == 1


def test_the_documented_commands_have_the_options_that_it_names():
    page = Path(__file__).parents[2] / "docs" / "getting-started.md"
    section = page.read_text().split("## Pictures for people")[1].split("\n## ")[0]
    named = dict(re.findall(r"cxr-sr (export|gallery)([^#\n]*)", section))
    assert set(named) == {"export", "gallery"}
    named["export"] += " --window --spacing --long-side"
    named["gallery"] += " --limit --max-side"
    for name, words in named.items():
        arguments = [name, "--help"]
        shown = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"}).stdout
        for option in re.findall(r"(?<= )-{1,2}[a-z-]+", words):
            assert option in shown
