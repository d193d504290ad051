"""The report of `cxr-sr upscale`, and running it again, in parts, side by side."""

import os
import shutil
from pathlib import Path

import pydicom
import pytest

from cxr_sr import __version__
from cxr_sr.files import sha256_of
from tests.files import (
    EVERY,
    NOTICE,
    a_dicom,
    an_export,
    damage,
    json_lines,
    report_of,
    tree,
    upscale,
)


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A little export, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return an_export(tmp_path / "in")


def test_the_report_has_a_line_a_file_with_everything_that_matters(export):
    upscale(export, "-o", "out", "--scale", 2, "--threads", 1)
    run, *files, summary = report_of()
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
    damage(export / "a" / "chest.dcm")
    result = upscale(export, "-o", tmp_path / "out", "--debug")
    told = Path("out/cxr-sr-report.jsonl").read_text()
    for secret in ("Secret", "SECRET-17", os.uname().nodename, str(export)):
        assert secret not in told
    assert "Secret" not in result.stdout + result.stderr


def test_json_prints_the_report_of_each_file_with_a_path_to_open(export):
    damage(export / "a" / "chest.dcm")
    result = upscale(export, "-o", "out", "--json")
    printed = {entry["file"]: entry for entry in json_lines(result.stdout)}
    assert sorted(printed) == EVERY
    assert printed["a/chest.dcm"]["status"] == "failed"
    assert printed["a/IM0001"]["path"] == "out/a/IM0001"
    reported = [e for e in report_of() if e["type"] == "file"]
    assert [e | {"path": None} for e in printed.values()] == [
        e | {"path": None} for e in reported
    ]


def test_quiet_says_only_what_went_wrong(export):
    """The notice is in the report and in every header."""
    assert upscale(export, "-o", "out", "--quiet").stderr == ""
    damage(export / "a" / "chest.dcm")
    told = upscale(export, "-o", "other", "--quiet").stderr
    assert told.startswith("a/chest.dcm: ")
    assert told.count("\n") == 1


def test_a_dry_run_tells_sizes_and_writes_nothing(export):
    result = upscale(export, "-o", "out", "--dry-run", "--json", "--scale", 4)
    planned = {entry["file"]: entry for entry in json_lines(result.stdout)}
    assert sorted(planned) == EVERY
    assert planned["a/IM0001"]["output_size"] == [80, 64]
    assert planned["a/IM0001"]["path"] == "out/a/IM0001"
    assert not Path("out").exists()


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
    statuses = {
        e["file"]: e["status"] for e in report_of()[6:-1] if e["type"] == "file"
    }
    assert statuses == dict(zip(EVERY, ["done", "kept", "done", "kept"], strict=True))
    assert {n: tree("out")[n] for n in EVERY} == {n: whole[n] for n in EVERY}


def test_resume_does_again_what_other_settings_made(export):
    upscale(export, "-o", "out", "--scale", 2)
    upscale(export, "-o", "out", "--scale", 3, "--resume")
    assert report_of()[-1]["done"] == 4
    assert pydicom.dcmread("out/a/IM0001").Rows == 60


def test_resume_does_again_what_has_another_input(export):
    upscale(export, "-o", "out")
    a_dicom(export / "a" / "IM0001", seed=99)
    upscale(export, "-o", "out", "--resume")
    assert (report_of()[-1]["done"], report_of()[-1]["kept"]) == (1, 3)


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
    damage(export / "a" / "chest.dcm")
    assert upscale(export, "-o", "one", "--threads", 1).exit_code == 4
    result = upscale(export, "-o", "two", "--threads", 1, "--jobs", 2)
    assert result.exit_code == 4, result.stderr
    one, two = tree("one"), tree("two")
    del one["cxr-sr-report.jsonl"], two["cxr-sr-report.jsonl"]
    assert one == two
