"""`cxr-sr upscale`: its files and their places, its refusals and its exit codes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.uid import CTImageStorage

import cxr_sr
from tests.files import (
    EVERY,
    NOTICE,
    a_dicom,
    an_export,
    damage,
    report_of,
    tree,
    upscale,
)
from tests.test_files import left_over


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A little export, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return an_export(tmp_path / "in")


def test_the_input_tree_is_mirrored_and_the_input_is_as_it_was(export):
    before = tree(export)
    result = upscale(export, "-o", "out", "--scale", 2)
    assert result.exit_code == 0, result.stderr
    assert sorted(tree("out")) == [*EVERY, "cxr-sr-report.jsonl"]
    assert tree(export) == before


def test_no_unfinished_file_of_a_dead_worker_stays_behind(export):
    (export.parent / "out" / "a").mkdir(parents=True)
    left = left_over(Path("out/a"))
    result = upscale(export, "-o", "out")
    assert result.exit_code == 0, result.stderr
    assert not left.exists()


def test_standard_output_is_the_paths_and_nothing_else(export):
    result = upscale(export, "-o", "out")
    assert sorted(result.stdout.splitlines()) == [f"out/{name}" for name in EVERY]
    assert result.stderr.startswith(NOTICE)
    assert "4 done; report: out/cxr-sr-report.jsonl" in result.stderr


@pytest.mark.parametrize(
    ("given", "number"), [([], 9007), (["+100"], 107), (["12"], 12), (["0"], 0)]
)
def test_the_series_number_can_be_set(tmp_path, given, number):
    a_dicom(tmp_path / "in" / "a.dcm", SeriesNumber=7)
    chosen = ["--series-number", *given] if given else []
    assert upscale(tmp_path / "in", "-o", tmp_path / "out", *chosen).exit_code == 0
    assert pydicom.dcmread(tmp_path / "out" / "a.dcm").SeriesNumber == number


@pytest.mark.parametrize("given", ["-1", "one", "1.5", "+", "2147483648", "\u0665"])
def test_an_impossible_series_number_is_refused(export, given):
    result = upscale(export, "-o", "out", f"--series-number={given}")
    assert result.exit_code == 2
    assert "--series-number" in result.stderr
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("given", "said"), [([], "YES"), (["yes"], "YES"), (["no"], None)]
)
def test_synthetic_data_can_be_left_out(export, given, said):
    chosen = ["--synthetic-data", *given] if given else []
    upscale(export, "-o", "out", "--format", "dicom", "--model", "fast", *chosen)
    for name in ("a/chest.dcm", "b/picture.dcm"):
        assert pydicom.dcmread(Path("out") / name).get("SyntheticData") == said


def dates(path: Path) -> set[str]:
    """Every date that a file holds, at any depth."""
    found = [e for e in pydicom.dcmread(path).iterall() if e.VR in {"DA", "DT"}]
    return {str(e.value)[:8] for e in found if e.value}


@pytest.mark.parametrize(
    ("given", "deidentified", "others"),
    [
        ("auto", {"21800304"}, {"21800304", "20010909"}),
        ("now", {"21800304", "20010909"}, {"21800304", "20010909"}),
        ("source", {"21800304"}, {"21800304"}),
        ("none", {"21800304"}, {"21800304"}),
    ],
)
def test_a_deidentified_file_does_not_get_todays_date(
    tmp_path, monkeypatch, given, deidentified, others
):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(10**9))
    shifted: Any = {"StudyDate": "21800304", "ContentDate": "21800304"}
    a_dicom(tmp_path / "in" / "a.dcm", **shifted, PatientIdentityRemoved="YES")
    a_dicom(tmp_path / "in" / "b.dcm", **shifted, seed=1)
    upscale(tmp_path / "in", "-o", tmp_path / "out", "--dates", given)
    assert dates(tmp_path / "out" / "a.dcm") == deidentified
    assert dates(tmp_path / "out" / "b.dcm") == others
    content = pydicom.dcmread(tmp_path / "out" / "a.dcm").get("ContentDate")
    assert (content is None) is (given == "none")


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_results_are_left_out_unless_wanted(export, dry):
    upscale(export, "-o", "out")
    again = upscale("out", "-o", "more", *dry)
    assert again.exit_code == 3
    assert not list(Path().glob("more/*/*"))
    if not dry:
        entries = [
            e for e in report_of("more") if e["type"] == "file" and "reason" in e
        ]
        mine = [e for e in entries if "result of cxr-sr" in e["reason"]]
        assert {(e["file"], e["status"]) for e in mine} == {
            (name, "skipped") for name in EVERY
        }
    assert upscale("out", "-o", "more", "--overwrite", "--again", *dry).exit_code == 0


def test_a_result_that_was_asked_for_by_name_is_missed(export):
    upscale(export, "-o", "out")
    again = upscale("out/a/chest.dcm", "-o", "more")
    assert again.exit_code == 5
    assert "chest.dcm: the image is itself a result of cxr-sr" in again.stderr
    assert "--again" in again.stderr


def test_a_result_of_a_result_has_one_notice(export):
    upscale(export, "-o", "out")
    upscale("out", "-o", "more", "--again")
    description = pydicom.dcmread("more/a/chest.dcm").SeriesDescription
    assert description.count("RESEARCH ONLY") == 1


def test_dicom_stays_dicom_twice_as_fine(export):
    upscale(export, "-o", "out", "--scale", 2)
    for name in EVERY[:3]:
        header = pydicom.dcmread(Path("out") / name)
        assert (header.Rows, header.Columns) == (40, 32)
        assert header.PixelSpacing == [0.1, 0.1]
    assert sitk.ReadImage("out/b/picture.png").GetSize() == (32, 40)


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("dicom", ["a/IM0001", "a/chest.dcm", "b/IM0001", "b/picture.dcm"]),
        ("png", ["a/IM0001.png", "a/chest.png", "b/IM0001.png", "b/picture.png"]),
        ("tiff", ["a/IM0001.tif", "a/chest.tif", "b/IM0001.tif", "b/picture.tif"]),
        ("npy", ["a/IM0001.npy", "a/chest.npy", "b/IM0001.npy", "b/picture.npy"]),
    ],
)
def test_a_format_gives_every_output_its_ending(export, form, written):
    result = upscale(export, "-o", "out", "--format", form)
    assert result.exit_code == 0, result.stderr
    assert sorted(tree("out")) == [*written, "cxr-sr-report.jsonl"]


@pytest.mark.parametrize(
    ("option", "rows"),
    [(["--scale", 3], 60), (["--spacing", 0.1], 40), (["--long-side", 70], 70)],
)
def test_size_is_a_scale_or_a_spacing_or_a_long_side(export, option, rows):
    assert upscale(export / "a", "-o", "out", *option).exit_code == 0
    assert pydicom.dcmread("out/IM0001").Rows == rows


def test_files_named_one_by_one_are_mirrored_below_their_common_folder(export):
    names = [export / "a" / "IM0001", export / "b" / "IM0001"]
    assert upscale(*names, "-o", "out").exit_code == 0
    assert {"a/IM0001", "b/IM0001"} <= set(tree("out"))


def test_one_file_lands_in_the_output_folder_itself(export):
    assert upscale(export / "a" / "chest.dcm", "-o", "out").exit_code == 0
    assert "chest.dcm" in tree("out")


def test_paths_may_come_from_standard_input(export):
    listing = "in/a/chest.dcm\nin/b/IM0001\n\n"
    result = upscale("-", "-o", "out", stdin=listing)
    assert result.exit_code == 0, result.stderr
    assert sorted(result.stdout.split()) == ["out/a/chest.dcm", "out/b/IM0001"]


@pytest.mark.parametrize(
    "listing",
    [
        b"\xef\xbb\xbfin/a/chest.dcm\r\nin/b/IM0001\r\n",
        "in/a/chest.dcm\r\nin/b/IM0001".encode("utf-16"),
        b"in/a/chest.dcm\0in/b/IM0001\0",
    ],
    ids=["mark and CRLF", "UTF-16", "find -print0"],
)
def test_a_list_of_paths_may_be_of_windows_or_of_find(export, listing):
    result = upscale("-", "-o", "out", stdin=listing)
    assert result.exit_code == 0, result.stderr
    assert sorted(result.stdout.split()) == ["out/a/chest.dcm", "out/b/IM0001"]


@pytest.mark.parametrize(
    ("option", "keyword", "dropped"),
    [("--equipment", "Manufacturer", "standard"), ("--private", 0x00111001, "drop")],
)
def test_header_choices_reach_the_header(
    tmp_path, monkeypatch, option, keyword, dropped
):
    monkeypatch.chdir(tmp_path)
    a_dicom(Path("in/x.dcm"), Manufacturer="ACME")
    header = pydicom.dcmread("in/x.dcm")
    header.private_block(0x11, "ACME", create=True).add_new(1, "LO", "ACME")
    header.save_as("in/x.dcm")
    upscale("in", "-o", "keep", option, "keep")
    upscale("in", "-o", "other", option, dropped)
    assert pydicom.dcmread("keep/x.dcm").get(keyword) is not None
    other = pydicom.dcmread("other/x.dcm")
    assert keyword not in other or other[keyword].value != "ACME"


def test_compression_is_lossless_and_in_the_file(export):
    upscale(export / "a", "-o", "plain")
    upscale(export / "a", "-o", "packed", "--compress", "jpegls")
    plain, packed = (pydicom.dcmread(f"{f}/IM0001") for f in ("plain", "packed"))
    assert packed.file_meta.TransferSyntaxUID.is_compressed
    assert (plain.pixel_array == packed.pixel_array).all()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--scale", 9], "x9"),
        (["--scale", 2, "--spacing", 0.1], "exclude each other"),
        (["--spacing", 0], "expected more than 0"),
        (["--spacing", "inf"], "--spacing inf: expected more than 0"),
        (["--long-side", -5], "expected more than 0"),
        (["--resume", "--overwrite"], "give only one"),
        (["--format", "png", "--compress", "rle"], "--compress rle is for DICOM"),
        (["--shard", "3/2"], "expected I/N"),
        (["--device", "cuda:0"], "--device cuda:0"),
        (["--model", "nobody"], "no model is called 'nobody'"),
        (["--engine", "abacus"], "--engine"),
        (["--jobs", 0], "--jobs"),
        (["--nonsense"], "--nonsense"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_wrong_usage_is_told_before_any_work(export, options, told):
    result = upscale(export, "-o", "out", *options)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not Path("out").exists()


def test_an_output_folder_inside_the_input_is_refused(export):
    result = upscale(export, "-o", export / "finer")
    assert result.exit_code == 2
    assert "would be written into the input" in result.stderr
    assert not (export / "finer").exists()


def test_the_report_may_not_go_into_the_input_either(export):
    result = upscale(export, "-o", "out", "--report", export / "r.jsonl")
    assert result.exit_code == 2
    assert not (export / "r.jsonl").exists()


def test_a_second_input_for_one_output_fails_alone(export):
    result = upscale(export / "a", export / "b", "-o", "out")
    assert result.exit_code == 4
    assert "IM0001: IM0001 of another input would be written to IM0001, too" in (
        result.stderr
    )
    assert {"IM0001", "chest.dcm"} <= set(tree("out"))


def test_outputs_that_exist_are_neither_replaced_nor_kept_without_being_asked(export):
    upscale(export, "-o", "out", "--scale", 2)
    before = tree("out")
    result = upscale(export, "-o", "out", "--scale", 3)
    assert result.exit_code == 2
    assert "--resume" in result.stderr
    assert "--overwrite" in result.stderr
    assert tree("out") == before


def test_an_output_folder_that_is_a_file_is_refused(export):
    Path("out").write_text("in the way")
    result = upscale(export, "-o", "out")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_overwrite_replaces_them(export):
    upscale(export, "-o", "out", "--scale", 2)
    assert upscale(export, "-o", "out", "--scale", 3, "--overwrite").exit_code == 0
    assert pydicom.dcmread("out/a/IM0001").Rows == 60


def damaged(export: Path) -> None:
    damage(export / "a" / "chest.dcm")


def all_damaged(export: Path) -> None:
    for path in export.rglob("*"):
        if path.is_file():
            damage(path)


def emptied(export: Path) -> None:
    shutil.rmtree(export)
    export.mkdir()


def only_text(export: Path) -> None:
    emptied(export)
    (export / "notes.txt").write_text("nothing to see")


def only_ct(export: Path) -> None:
    emptied(export)
    a_dicom(export / "slice.dcm", sop_class=CTImageStorage)


def untouched(_export: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (untouched, 0),
        (damaged, 4),
        (all_damaged, 5),
        (emptied, 3),
        (only_text, 3),
        (only_ct, 3),
        (shutil.rmtree, 2),
    ],
)
def test_the_exit_code_says_how_it_went(export, prepare: Callable[[Path], None], code):
    prepare(export)
    assert upscale(export, "-o", "out").exit_code == code


def test_a_ct_in_a_folder_is_skipped_and_one_that_is_named_has_failed(export):
    ct = a_dicom(export / "slice.dcm", sop_class=CTImageStorage)
    assert upscale(export, "-o", "out").exit_code == 0
    (skipped,) = [e for e in report_of() if e.get("status") == "skipped"]
    assert skipped["file"] == "slice.dcm"
    assert "CT" in skipped["reason"]
    assert upscale(ct, "-o", "out2").exit_code == 5


def test_a_failure_names_the_file_as_it_was_given_and_says_why(export):
    damage(export / "a" / "chest.dcm")
    result = upscale(export, "-o", "out")
    (failure,) = [line for line in result.stderr.splitlines() if "chest.dcm" in line]
    assert failure.startswith("a/chest.dcm: ")
    assert str(export.parent) not in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback_of_a_file_that_failed(export):
    damage(export / "a" / "chest.dcm")
    assert "Traceback" in upscale(export, "-o", "out", "--debug").stderr


def test_on_error_stop_leaves_the_rest_undone(export):
    all_damaged(export)
    result = upscale(export, "-o", "out", "--on-error", "stop")
    assert result.exit_code == 5
    assert [e["type"] for e in report_of()] == ["run", "file", "summary"]


@pytest.mark.parametrize("suffix", [".mha", ".nrrd", ".png", ".tif"])
def test_resume_notices_changed_pixels(tmp_path, monkeypatch, suffix):
    """Though name, size and time of the file stay as they were."""
    monkeypatch.chdir(tmp_path)
    path = Path(f"a{suffix}")
    for number, status in enumerate(("done", "kept", "done")):
        pixels = np.full((20, 16), 90 + 50 * (number == 2), np.uint8)
        sitk.WriteImage(sitk.GetImageFromArray(pixels), path)
        os.utime(path, (10**9, 10**9))
        done = upscale(path, "-o", "out", "--model", "bicubic", "--resume")
        assert done.exit_code == 0, done.stderr
        assert report_of()[-2]["status"] == status
    assert cxr_sr.read(Path("out") / path).pixels.max() == 140
