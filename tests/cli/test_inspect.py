"""`cxr-sr inspect` describes files by their headers and names no patient."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import CTImageStorage
from typer.testing import CliRunner

import cxr_sr
from cxr_sr.cli.inspect import _short
from cxr_sr.cli.main import app
from tests.builders import write_png
from tests.files import a_dicom, a_png


@pytest.fixture
def export(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    a_dicom(tmp_path / "in" / "a" / "IM0001")
    a_dicom(tmp_path / "in" / "ct", sop_class=CTImageStorage)
    a_png(tmp_path / "in" / "picture.png")
    return tmp_path / "in"


def inspect(*arguments):
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)])


def test_a_table_has_a_line_a_file(export):
    result = inspect(export)
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    for expected in ("16 x 20", "12", "MONOCHROME2", "0.2 x 0.2", "Little Endian"):
        assert expected in lines["a/IM0001"]
    assert "PNG" in lines["picture.png"]


def test_what_would_be_refused_is_said_below_the_table(export):
    said = [x for x in inspect(export).stdout.splitlines() if x.startswith("ct: ")]
    assert said[0].startswith("ct: refused: ")
    assert "CT" in said[0]


def test_what_is_odd_is_said_below_the_table(export):
    a_dicom(export / "a" / "IM0001", PhotometricInterpretation="MONOCHROME1")
    assert "a/IM0001: MONOCHROME1: the smallest value" in inspect(export).stdout


def test_json_is_an_object_a_file(export):
    found = [json.loads(line) for line in inspect(export, "--json").stdout.splitlines()]
    by_name = {entry["file"]: entry for entry in found}
    assert sorted(by_name) == ["a/IM0001", "ct", "picture.png"]
    assert by_name["a/IM0001"]["spacing_mm"] == [0.2, 0.2]
    assert by_name["a/IM0001"]["refusal"] is None
    assert "CT" in by_name["ct"]["refusal"]


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_no_patient_is_named(export, option):
    result = inspect(export, *option)
    assert "secret" not in (result.stdout + result.stderr).lower()


def test_what_is_no_image_is_told_if_it_was_asked_for_and_left_out_if_not(export):
    (export / "notes.txt").write_text("nothing to see")
    assert "1      text (.txt)" in inspect(export).stderr
    assert inspect(export).exit_code == 0
    asked = inspect(export / "notes.txt")
    assert asked.exit_code == 5
    assert "notes.txt: text (.txt); there is no image in it" in asked.stderr


def test_some_that_cannot_be_described_are_an_exit_code_of_their_own(export):
    (export / "notes.txt").write_text("nothing to see")
    assert inspect(export / "notes.txt", export / "picture.png").exit_code == 4


def test_an_empty_folder_is_nothing_to_do(tmp_path):
    assert inspect(tmp_path).exit_code == 3


def test_an_input_that_is_not_there_is_wrong_usage(tmp_path):
    result = inspect(tmp_path / "gone")
    assert result.exit_code == 2
    assert "there is no file or folder" in result.stderr


def test_paths_may_come_from_standard_input(export):
    result = CliRunner().invoke(app, ["inspect", "-"], input="in/ct\nin/picture.png\n")
    assert result.exit_code == 0
    assert "picture.png" in result.stdout


def test_real_files_of_many_kinds_are_described(shared_dicom):
    result = inspect(shared_dicom, "--json")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    dicom = [entry for entry in found if entry["file"].endswith(".dcm")]
    assert len(dicom) == len(list(shared_dicom.glob("*.dcm")))
    assert all("kind" in entry for entry in dicom)


def test_noise_is_estimated_from_the_pixels(tmp_path):
    """The standard deviation in stored codes, and the correlation; none without any."""
    grain = np.random.default_rng(0).normal(scale=60, size=(200, 200))
    noisy = np.rint(30_000 + grain).astype(np.uint16)
    write_png(tmp_path / "noisy.png", noisy)
    write_png(tmp_path / "quiet.png", np.full((200, 200), 30_000, np.uint16))
    lines = inspect("--noise", "--json", tmp_path).stdout.splitlines()
    found = {line["file"]: line["noise"] for line in map(json.loads, lines)}
    assert found["noisy.png"]["sigma"] == pytest.approx(60, rel=0.1)
    assert found["noisy.png"]["correlation"] == pytest.approx(0, abs=0.05)
    assert found["quiet.png"] == {}
    table = inspect("--noise", tmp_path).stdout
    assert "noise" in table
    assert "none" in table


def test_equal_findings_are_grouped_and_counted(tmp_path):
    for number in range(7):
        kind = "MONOCHROME1" if number else "MONOCHROME2"
        path = tmp_path / f"{number}.dcm"
        a_dicom(path, number, PhotometricInterpretation=kind)
    lines = inspect(tmp_path).stdout.splitlines()
    place = next(k for k, line in enumerate(lines) if line.startswith("6 files: MONO"))
    assert lines[place + 1] == "  1.dcm, 2.dcm, 3.dcm, 4.dcm, 5.dcm and 1 more"


def test_totals_end_it(export):
    (export / "notes.txt").write_text("nothing to see")
    (export / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    last = inspect(export, export / "notes.txt").stdout.splitlines()[-1]
    assert last.startswith("Total: 6 files: 2 can be upscaled, 1 refused, ")
    assert "1 no image" in last


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("JPEG Lossless, Non-Hierarchical, First-Order Prediction", "JPEG Lossless"),
        ("JPEG Baseline (Process 1)", "JPEG Baseline"),
        ("JPEG-LS Lossless Image Compression", "JPEG-LS Lossless"),
        ("JPEG 2000 Image Compression (Lossless Only)", "JPEG 2000 Lossless"),
        ("JPEG 2000 Image Compression", "JPEG 2000"),
        ("Explicit VR Little Endian", "Explicit VR Little Endian"),
    ],
)
def test_a_transfer_syntax_has_a_short_name(name, short):
    assert _short(name) == short


def test_results_are_counted_apart_from_what_can_be_upscaled(tmp_path):
    source = a_dicom(tmp_path / "in" / "a.dcm")
    finer = cxr_sr.upscale(cxr_sr.read(source), "bicubic", 2)
    cxr_sr.write(finer, tmp_path / "in" / "finer.dcm")
    result = inspect(tmp_path / "in")
    assert "Total: 2 files: 1 can be upscaled, 1 results of cxr-sr" in result.output
    assert "finer.dcm: It is itself a result of cxr-sr." in result.output
