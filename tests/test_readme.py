"""The documents cannot lie: parts are generated, and the commands are those CI runs.

To bring the generated sections up to date: CXR_SR_UPDATE_README=1 pytest this file.
"""

import importlib
import importlib.util
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from typer.testing import CliRunner

import cxr_sr
from cxr_sr.cli import models
from cxr_sr.cli.errors import MEANINGS
from cxr_sr.cli.main import app
from cxr_sr.formats.header.derive import describe_rules
from cxr_sr.superres.models.zoo import MODELS
from tests.files import a_dicom

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md"))]


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def model_table() -> str:
    return markdown(
        models.MODEL_COLUMNS, [models.row(spec) for spec in MODELS.values()]
    )


def exit_codes() -> str:
    return markdown(["code", "meaning"], [[str(c), m] for c, m in MEANINGS.items()])


def results(table: str) -> str:
    script = runpy.run_path(str(ROOT / "examples" / "results.py"))
    text: str = script["section"](script["stored"](), script["TABLES"][table])
    return text


GENERATED = {
    "results": (README, lambda: results("results")),
    "founding": (DOCS / "evaluation.md", lambda: results("founding")),
    "dicom": (DOCS / "evaluation.md", lambda: results("dicom")),
    "header-rules": (DOCS / "header-rules.md", describe_rules),
    "models": (DOCS / "models.md", model_table),
    "exit-codes": (DOCS / "batch.md", exit_codes),
}


def section(page: Path, name: str) -> str:
    found = re.search(
        rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", page.read_text(), re.DOTALL
    )
    assert found, f"{page.name} has no section {name}"
    return found[1].strip()


def update(page: Path, name: str, text: str) -> None:
    old = page.read_text()
    pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    page.write_text(
        re.sub(pattern, lambda m: f"{m[1]}{text}\n{m[2]}", old, flags=re.DOTALL)
    )


def command(name: str) -> str:
    shown = subprocess.run(
        ["bash", ".ci/readme-command", name],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return shown.stdout


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_section_is_what_the_code_says_of_itself(name):
    page, made = GENERATED[name]
    if os.environ.get("CXR_SR_UPDATE_README"):
        update(page, name, made())
    assert section(page, name) == made()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_file_of_the_repository_that_a_page_names_exists(page):
    named = re.findall(r"\b(?:tests|examples|cxr_sr)/[\w/.-]*\w", page.read_text())
    # A wheel has the package elsewhere.
    tops = ROOT, Path(cxr_sr.__file__).parents[1]
    missing = [n for n in named if not any((top / n).exists() for top in tops)]
    assert missing == []


@pytest.mark.parametrize("name", ["first", "tests"])
def test_a_command_is_one_line_that_sets_up_everything_it_needs(name):
    (line,) = command(name).splitlines()
    assert line.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert f"<!-- command: {name} -->\n```sh\n{line}\n```\n" in README.read_text()


def test_the_first_command_needs_no_torch_and_runs_the_example():
    assert "pip install '.[demo,openvino]'" in command("first")
    assert command("first").endswith("examples/first_radiograph.py\n")
    assert (ROOT / "examples" / "first_radiograph.py").is_file()


def test_the_test_command_takes_the_pinned_torch_and_runs_these_tests():
    assert "-c .ci/constraints.txt" in command("tests")
    assert command("tests").endswith("-m pytest\n")
    assert "torch==2.13.0" in (ROOT / ".ci" / "constraints.txt").read_text()


def test_ci_runs_the_readme_command_and_not_a_copy_of_it():
    script = (ROOT / ".ci" / "run").read_text()
    assert "readme-command tests" in script
    assert "constraints.txt" not in script


def test_the_python_lines_do_what_they_say(tmp_path, monkeypatch):
    training = DOCS / "training.md"
    text = README.read_text() + training.read_text()
    lines = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    a_dicom(tmp_path / "chest.dcm")
    names: dict[str, Any] = {}
    for block in lines:
        exec(compile(textwrap.dedent(block), "README.md", "exec"), names)  # noqa: S102
    assert names["seen"].shape == (48, *names["radiograph"].shape)
    before, after = cxr_sr.read("chest.dcm"), cxr_sr.read("chest_x2.dcm")
    assert after.shape == (2 * before.shape[0], 2 * before.shape[1])


def test_the_first_example_tells_what_it_changed_and_leaves_a_picture(tmp_path):
    a_dicom(tmp_path / "my.dcm", Manufacturer="ACME")
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "first_radiograph.py", "my.dcm"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    told = " ".join(done.stdout.split())
    assert "my.dcm: 16 x 20 px of 12 bit" in told
    assert "wrote first-radiograph/my_x2.dcm: 32 x 40 px of 12 bit" in told
    assert "Rows 20 -> 40" in told
    assert "Secret" not in told
    header = pydicom.dcmread(tmp_path / "first-radiograph" / "my_x2.dcm")
    assert (header.Rows, header.PixelSpacing) == (40, [0.1, 0.1])
    picture = sitk.ReadImage(tmp_path / "first-radiograph" / "my_x2.png")
    assert picture.GetSize() == (2 * 16 * 4 + 8, 16 * 4)


def test_the_command_lines_name_commands_and_options_that_exist():
    block = README.read_text().split("```sh\n")[2].split("```")[0]
    lines = re.findall(r"cxr-sr (\w+)([^|#\n]*)", block)
    assert [name for name, _ in lines] == ["inspect", "upscale", "upscale"]
    for name, rest in lines:
        shown = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "200"}).stdout
        assert all(o in shown for o in re.findall(r"(?<= )-{1,2}[a-z-]+", rest))


def test_the_jq_line_gives_the_mean_seconds_of_the_files_that_were_done(tmp_path):
    """One image took 3 s, another 5 s; a failed one does not count."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    text = (DOCS / "batch.md").read_text()
    (line,) = re.findall(r"^(jq -s .*) trial/cxr-sr-report.jsonl$", text, re.MULTILINE)
    entries = [
        {"type": "run"},
        {"type": "file", "status": "done", "seconds": {"read": 1, "upscale": 2}},
        {"type": "file", "status": "failed", "seconds": {"read": 100}},
        {"type": "file", "status": "done", "seconds": {"read": 1, "upscale": 4}},
        {"type": "summary", "done": 2},
    ]
    path = tmp_path / "report.jsonl"
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    command = [*shlex.split(line), str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(shown.stdout) == 4


def test_the_research_notice_stands_on_the_first_screen():
    first_screen = README.read_text().splitlines()[:20]
    assert any("Not a medical device" in line for line in first_screen)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def readme_part(title: str) -> str:
    return README.read_text().split(f" {title}\n", 1)[1].split("\n#", 1)[0]


def test_the_tree_has_twenty_lines_and_every_folder_of_the_package():
    tree = readme_part("The package").split("```text\n")[1].split("```")[0].splitlines()
    named = {name for line in tree for name in re.findall(r"\w+(?:/|\.py)", line)}
    package = Path(cxr_sr.__file__).parent
    rooms = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    found = {f"{p.name}/" for p in package.rglob("*") if p.is_dir()}
    found |= {p.name for p in package.rglob("*.py")} | {"cxr_sr/"}
    assert len(tree) <= 20
    assert rooms <= named <= found


def test_the_walk_has_ten_steps_and_names_modules_that_are_there():
    walk = readme_part("The walk of one pixel")
    named = re.findall(r"`((?:formats|superres)\.[\w.]+)`", walk)
    assert len(re.findall(r"^\d+\. ", walk, re.MULTILINE)) == 10
    assert len(named) == 9
    for name in named:
        module, _, attribute = f"cxr_sr.{name}".rpartition(".")
        assert attribute in vars(importlib.import_module(module)) or (
            importlib.util.find_spec(f"{module}.{attribute}")
        ), name


@pytest.mark.parametrize("kind", ["format", "model", "header rule", "option"])
def test_steps_that_add_something_name_files_that_are_there(kind):
    steps = readme_part(f"To add a{'n' * (kind == 'option')} {kind}")
    named = re.findall(r"`([\w/]+(?:\.py|/))`", steps.replace("COMMAND", "upscale"))
    assert len(named) >= 3
    for name in named:
        places = (ROOT / name, Path(cxr_sr.__file__).parent / name)
        assert any(path.exists() for path in places), name


def test_the_readme_has_at_most_1500_words():
    assert len(README.read_text().split()) <= 1500


def test_the_citation_names_the_last_release():
    released = re.search(
        r"^## \[(\d[^\]]*)\] - (\S+)$",
        (ROOT / "CHANGELOG.md").read_text(),
        re.MULTILINE,
    )
    assert released
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {released[1]}\n" in citation
    assert f"\ndate-released: {released[2]}\n" in citation
