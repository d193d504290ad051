"""`cxr-sr upscale`: from words to files, report and exit code."""

import json
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)
from typer.testing import CliRunner

from cxr_sr import __version__
from cxr_sr.cli.main import app
from cxr_sr.superres.zoo import sha256_of

COMMAND = Path(sysconfig.get_path("scripts")) / "cxr-sr"
NOTICE = "cxr-sr is for research only; it is not a medical device.\n"


def a_dicom(path: Path, seed=0, sop_class=ComputedRadiographyImageStorage, **more):
    """A CR of 20 x 16 px and 12 bits with patient, study and series."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name, str(seed)])
    path.parent.mkdir(parents=True, exist_ok=True)
    header = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    header.SOPClassUID = sop_class
    header.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    header.StudyInstanceUID, header.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    header.Modality = "CT" if sop_class == CTImageStorage else "CR"
    header.PatientName, header.PatientID = "Secret^Person", "SECRET-17"
    header.PixelSpacing = [0.2, 0.2]
    header.Rows, header.Columns, header.SamplesPerPixel = 20, 16, 1
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
    header.PixelRepresentation, header.PhotometricInterpretation = 0, "MONOCHROME2"
    pixels = np.random.default_rng(seed).integers(0, 4096, (20, 16), np.uint16)
    header.PixelData = pixels.tobytes()
    for keyword, value in more.items():
        setattr(header, keyword, value)
    header.save_as(path)
    return path


def a_png(path: Path, seed=0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 16), np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(pixels), str(path))
    return path


@pytest.fixture
def export(tmp_path, monkeypatch) -> Path:
    """A little export: two studies, a file without an ending, a picture; cwd there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    a_dicom(tmp_path / "in" / "a" / "IM0001", seed=1)
    a_dicom(tmp_path / "in" / "a" / "chest.dcm", seed=2)
    a_dicom(tmp_path / "in" / "b" / "IM0001", seed=3)
    a_png(tmp_path / "in" / "b" / "picture.png")
    return tmp_path / "in"


def upscale(*arguments, stdin=None):
    """Run in this process, by an interpolator, which needs no weights."""
    words = [str(a) for a in arguments]
    model = [] if "--model" in words else ["--model", "bicubic"]
    return CliRunner().invoke(app, ["upscale", *words, *model], input=stdin)


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def report(path="out/cxr-sr-report.jsonl") -> list[dict]:
    return lines(Path(path).read_text())


def tree(folder: str | Path) -> dict[str, bytes]:
    paths = sorted(Path(folder).rglob("*"))
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in paths if p.is_file()
    }


EVERY = ["a/IM0001", "a/chest.dcm", "b/IM0001", "b/picture.png"]


# --- what is written, and where


def test_the_input_tree_is_mirrored_and_the_input_is_as_it_was(export):
    before = tree(export)
    result = upscale(export, "-o", "out", "--scale", 2)
    assert result.exit_code == 0, result.stderr
    assert sorted(tree("out")) == [*EVERY, "cxr-sr-report.jsonl"]
    assert tree(export) == before


def test_standard_output_is_the_paths_and_nothing_else(export):
    result = upscale(export, "-o", "out")
    assert sorted(result.stdout.splitlines()) == [f"out/{name}" for name in EVERY]
    assert result.stderr.startswith(NOTICE)
    assert "4 done; report: out/cxr-sr-report.jsonl" in result.stderr


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


# --- what is refused before any work


def contradictory(*options) -> list[str]:
    return [str(option) for option in options]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--scale", 9], "x9"),
        (["--scale", 2, "--spacing", 0.1], "exclude each other"),
        (["--spacing", 0], "expected more than 0"),
        (["--long-side", -5], "expected more than 0"),
        (["--resume", "--overwrite"], "give one of them"),
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


def test_two_inputs_for_one_output_are_refused_before_any_work(export):
    result = upscale(export / "a", export / "b", "-o", "out")
    assert result.exit_code == 2
    assert "IM0001" in result.stderr
    assert not Path("out").exists()


def test_outputs_that_exist_are_neither_replaced_nor_kept_without_being_asked(export):
    upscale(export, "-o", "out", "--scale", 2)
    before = tree("out")
    result = upscale(export, "-o", "out", "--scale", 3)
    assert result.exit_code == 2
    assert "--resume" in result.stderr
    assert "--overwrite" in result.stderr
    assert tree("out") == before


def test_overwrite_replaces_them(export):
    upscale(export, "-o", "out", "--scale", 2)
    assert upscale(export, "-o", "out", "--scale", 3, "--overwrite").exit_code == 0
    assert pydicom.dcmread("out/a/IM0001").Rows == 60


# --- exit codes


def damaged(export: Path) -> None:
    (export / "a" / "chest.dcm").write_bytes(
        (export / "a" / "chest.dcm").read_bytes()[:-100]
    )


def all_damaged(export: Path) -> None:
    for path in export.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:300])


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
def test_the_exit_code_says_how_it_went(export, prepare: Callable, code):
    prepare(export)
    assert upscale(export, "-o", "out").exit_code == code


def test_a_ct_in_a_folder_is_skipped_and_one_that_is_named_has_failed(export):
    ct = a_dicom(export / "slice.dcm", sop_class=CTImageStorage)
    assert upscale(export, "-o", "out").exit_code == 0
    (skipped,) = [e for e in report() if e.get("status") == "skipped"]
    assert skipped["file"] == "slice.dcm"
    assert "CT" in skipped["reason"]
    assert upscale(ct, "-o", "out2").exit_code == 5


def test_a_failure_names_the_file_as_it_was_given_and_says_why(export):
    damaged(export)
    result = upscale(export, "-o", "out")
    (failure,) = [line for line in result.stderr.splitlines() if "chest.dcm" in line]
    assert failure.startswith("a/chest.dcm: ")
    assert str(export.parent) not in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback_of_a_file_that_failed(export):
    damaged(export)
    assert "Traceback" in upscale(export, "-o", "out", "--debug").stderr


def test_on_error_stop_leaves_the_rest_undone(export):
    all_damaged(export)
    result = upscale(export, "-o", "out", "--on-error", "stop")
    assert result.exit_code == 5
    assert [e["type"] for e in report()] == ["run", "file", "summary"]


# --- the report


def test_the_report_has_a_line_a_file_with_everything_that_matters(export):
    upscale(export, "-o", "out", "--scale", 2, "--threads", 1)
    run, *files, summary = report()
    assert run["notice"] + "\n" == NOTICE
    assert run["cxr_sr"] == __version__
    assert run["settings"]["target"] == {"Scale": 2}
    assert summary == {
        "type": "summary",
        "finished": True,
        "done": 4,
        "kept": 0,
        "skipped": 0,
        "failed": 0,
    }
    entry = next(e for e in files if e["file"] == "a/chest.dcm")
    assert entry["output"] == "a/chest.dcm"
    assert entry["input_sha256"] == sha256_of(export / "a" / "chest.dcm")
    assert entry["output_sha256"] == sha256_of(Path("out/a/chest.dcm"))
    assert entry["settings_sha256"] == run["settings_sha256"]
    assert (entry["input_size"], entry["output_size"]) == ([20, 16], [40, 32])
    assert (entry["input_spacing_mm"], entry["output_spacing_mm"]) == (
        [0.2, 0.2],
        [0.1, 0.1],
    )
    assert entry["model"] == "bicubic"
    assert 0 <= entry["consistency_rms"] <= entry["consistency_max"] <= 1
    assert set(entry["seconds"]) == {"read", "upscale", "write", "hash"}


def test_nothing_that_identifies_is_in_report_or_messages(export, tmp_path):
    damaged(export)
    result = upscale(export, "-o", tmp_path / "out", "--debug")
    told = Path("out/cxr-sr-report.jsonl").read_text()
    for secret in ("Secret", "SECRET-17", os.uname().nodename, str(export)):
        assert secret not in told
    assert "Secret" not in result.stdout + result.stderr


def test_json_prints_the_report_of_each_file_with_a_path_to_open(export):
    damaged(export)
    result = upscale(export, "-o", "out", "--json")
    printed = {entry["file"]: entry for entry in lines(result.stdout)}
    assert sorted(printed) == EVERY
    assert printed["a/chest.dcm"]["status"] == "failed"
    assert printed["a/IM0001"]["path"] == "out/a/IM0001"
    reported = [e for e in report() if e["type"] == "file"]
    assert [e | {"path": None} for e in printed.values()] == [
        e | {"path": None} for e in reported
    ]


def test_quiet_says_only_the_notice_and_what_went_wrong(export):
    assert upscale(export, "-o", "out", "--quiet").stderr == NOTICE


def test_a_dry_run_tells_sizes_and_writes_nothing(export):
    result = upscale(export, "-o", "out", "--dry-run", "--json", "--scale", 4)
    planned = {entry["file"]: entry for entry in lines(result.stdout)}
    assert sorted(planned) == EVERY
    assert planned["a/IM0001"]["output_size"] == [80, 64]
    assert planned["a/IM0001"]["path"] == "out/a/IM0001"
    assert not Path("out").exists()


# --- again, in parts, side by side


def test_the_same_again_gives_the_same_bytes(export, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1772366400")
    upscale(export, "-o", "one")
    upscale(export, "-o", "two")
    one, two = tree("one"), tree("two")
    assert {n: one[n] for n in EVERY} == {n: two[n] for n in EVERY}
    assert pydicom.dcmread("one/a/IM0001").ContentDate == "20260301"


def test_a_source_date_epoch_that_is_none_is_wrong_usage(export, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    result = upscale(export, "-o", "out")
    assert result.exit_code == 2
    assert "SOURCE_DATE_EPOCH" in result.stderr


def test_resume_keeps_what_is_done_and_does_the_rest_with_the_same_clock(export):
    upscale(export, "-o", "whole")
    whole = tree("whole")
    shutil.copytree("whole", "out")
    Path("out/a/IM0001").unlink()
    Path("out/b/IM0001").write_bytes(b"half")
    result = upscale(export, "-o", "out", "--resume")
    assert result.exit_code == 0
    statuses = {e["file"]: e["status"] for e in report()[6:-1] if e["type"] == "file"}
    assert statuses == dict(zip(EVERY, ["done", "kept", "done", "kept"], strict=True))
    assert {n: tree("out")[n] for n in EVERY} == {n: whole[n] for n in EVERY}


def test_resume_does_again_what_other_settings_made(export):
    upscale(export, "-o", "out", "--scale", 2)
    upscale(export, "-o", "out", "--scale", 3, "--resume")
    assert report()[-1]["done"] == 4
    assert pydicom.dcmread("out/a/IM0001").Rows == 60


def test_resume_does_again_what_has_another_input(export):
    upscale(export, "-o", "out")
    a_dicom(export / "a" / "IM0001", seed=99)
    upscale(export, "-o", "out", "--resume")
    assert (report()[-1]["done"], report()[-1]["kept"]) == (1, 3)


def test_shards_together_are_the_whole(export):
    upscale(export, "-o", "whole")
    for index in (1, 2, 3):
        assert upscale(export, "-o", "out", "--shard", f"{index}/3").exit_code == 0
        assert Path(f"out/cxr-sr-report.{index}-of-3.jsonl").is_file()
    images = {n for n in tree("out") if not n.endswith(".jsonl")}
    assert images == set(EVERY)


@pytest.mark.slow
def test_two_processes_write_what_one_writes(export, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1772366400")
    damaged(export)
    assert upscale(export, "-o", "one", "--threads", 1).exit_code == 4
    result = upscale(export, "-o", "two", "--threads", 1, "--jobs", 2)
    assert result.exit_code == 4, result.stderr
    one, two = tree("one"), tree("two")
    del one["cxr-sr-report.jsonl"], two["cxr-sr-report.jsonl"]
    assert one == two


# --- the process as a whole


@pytest.fixture
def many(tmp_path, monkeypatch) -> Path:
    """Enough work for a run to be broken off in its middle."""
    monkeypatch.chdir(tmp_path)
    for n in range(40):
        path = a_png(tmp_path / "in" / f"{n:02}.png", seed=n)
        big = np.random.default_rng(n).integers(0, 256, (400, 300), np.uint8)
        sitk.WriteImage(sitk.GetImageFromArray(big), str(path))
    return tmp_path / "in"


def started(*arguments: str, **how) -> subprocess.Popen:
    words = [COMMAND, "upscale", *arguments, "--model", "bicubic", "--scale", "8"]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how
    )


def unfinished(folder="out") -> list[Path]:
    """Files that are there under their own name, but not whole."""
    images = Path(folder).rglob("[0-9]*.png")
    return [path for path in images if sitk.ReadImage(path).GetSize() != (2400, 3200)]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_is_done_and_can_be_resumed(many, how, jobs):
    process = started("in", "-o", "out", "--jobs", jobs)
    assert process.stdout
    process.stdout.readline()
    process.send_signal(how)
    _, talk = process.communicate(timeout=60)
    assert process.returncode == 130, talk
    assert "Traceback" not in talk
    assert report()[-1]["finished"] is False
    assert 1 <= report()[-1]["done"] < 40
    assert unfinished() == []
    assert not list(Path("out").rglob(".*"))


@pytest.mark.slow
def test_a_killed_run_leaves_no_partial_file_and_is_finished_by_resume(many):
    for pause in (0.0, 0.1, 0.3):
        process = started("in", "-o", "out", "--resume")
        assert process.stdout
        process.stdout.readline()
        time.sleep(pause)
        process.kill()
        process.communicate()
        assert unfinished() == []
    process = started("in", "-o", "out", "--resume")
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert len(list(Path("out").glob("[0-9]*.png"))) == 40
    assert unfinished() == []
    assert report()[-1]["done"] + report()[-1]["kept"] == 40


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_the_run_without_a_word(many):
    process = started("in", "-o", "out")
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    talk = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 130
    assert "Traceback" not in talk
    assert "Broken pipe" not in talk
    assert unfinished() == []


def test_standard_output_is_pure_even_where_the_process_begins(export):
    done = subprocess.run(
        [COMMAND, "upscale", "in", "-o", "out", "--model", "bicubic", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(lines(done.stdout)) == 4
    assert done.stderr.startswith(NOTICE)
