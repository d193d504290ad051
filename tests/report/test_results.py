"""The last line about a file counts, and its paths stay inside the folder."""

import json
from pathlib import Path

import pytest

from cxr_sr.errors import SettingsError
from cxr_sr.report.results import Results, below
from tests.files import a_dicom, damage, upscale

RUN = {"type": "run", "version": 1, "settings": {"model": "bicubic"}}


def about(name="a.dcm", status="done", **more):
    return {"type": "file", "file": name, "status": status, **more}


def a_report(folder, *lines):
    path = folder / "report.jsonl"
    texts = [x if isinstance(x, str) else json.dumps(x) for x in lines]
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


def names(entries):
    return [entry["file"] for entry in entries]


def test_the_last_line_about_a_file_holds(tmp_path):
    lines = [
        RUN,
        about("a", "failed"),
        about("b"),
        RUN,
        about("a", seconds={"read": 2}),
    ]
    results = Results.read(a_report(tmp_path, *lines))
    assert results.files == [about("a", seconds={"read": 2}), about("b")]


def test_the_settings_are_those_of_the_last_run(tmp_path):
    later = RUN | {"settings": {"model": "hydra"}}
    assert Results.read(a_report(tmp_path, RUN, later)).run == later


def test_a_report_of_a_later_version_is_refused(tmp_path):
    report = a_report(tmp_path, RUN | {"version": 2}, about("a"))
    with pytest.raises(SettingsError, match=r"is a report of version 2; expected .* 1"):
        Results.read(report)


def test_files_kept_by_a_resumed_run_count_as_written(tmp_path):
    report = a_report(tmp_path, RUN, about("a"), about("b", "kept"))
    assert names(Results.read(report).written) == ["a", "b"]


def test_of_those_not_written_failures_come_first(tmp_path):
    ends = [("a", "skipped"), ("b", "failed"), ("c", "done"), ("d", "failed")]
    report = a_report(tmp_path, RUN, *(about(*end) for end in ends))
    assert names(Results.read(report).missing) == ["b", "d", "a"]


def test_torn_lines_and_strange_ones_are_passed_over(tmp_path):
    strange = ['{"type": "file", "fi', "[1, 2]", "3", "", {"type": "file", "file": 7}]
    report = a_report(tmp_path, RUN, *strange, about("a"))
    assert names(Results.read(report).files) == ["a"]


@pytest.mark.parametrize("text", ["", "chest.dcm\n", '{"type": "other"}\n', "\0\xff"])
def test_what_is_no_report_is_refused(tmp_path, text):
    path = tmp_path / "notes.txt"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"notes\.txt is no report of cxr-sr"):
        Results.read(path)


def test_a_report_that_is_not_there_is_told_without_its_folder(tmp_path):
    with pytest.raises(SettingsError, match=r"gone\.jsonl cannot be read") as caught:
        Results.read(tmp_path / "gone.jsonl")
    assert str(tmp_path) not in str(caught.value)


def test_it_reads_what_upscale_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a_dicom(Path("in/good.dcm"))
    damage(a_dicom(Path("in/bad.dcm")))
    upscale("in", "-o", "out")
    results = Results.read(Path("out/cxr-sr-report.jsonl"))
    assert results.run["settings"]["model"] == "bicubic"
    assert names(results.written) == ["good.dcm"]
    assert names(results.missing) == ["bad.dcm"]


@pytest.mark.parametrize("name", ["a.dcm", "a/b/c", "a b/\u00e9.dcm", "a/./b", "..a"])
def test_a_file_of_the_folder_is_found_below_it(name):
    assert below(Path("out"), name) == Path("out") / name


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x", "a/../../x", "..", "", ".", "a\0b", None, 3]
)
def test_what_would_lead_out_of_the_folder_is_no_file(name):
    assert below(Path("out"), name) is None
