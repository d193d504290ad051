"""`cxr-sr watch` finds files that arrive slowly, at once, renamed or after a kill."""

import sys
import time

import pytest

from tests.files import COMMAND, a_dicom, json_lines
from tests.pacs.servers import Process, command, until

pytestmark = pytest.mark.slow


class Watching(Process):
    def __init__(self, folder, *options):
        words = ("watch", folder / "in", "-o", folder / "out", "--model", "nearest")
        quick = ("--settle", "0.6", *options)
        super().__init__(sys.executable, COMMAND, *words, *quick, log=folder / "log")
        until(lambda: "watching" in self.said, "the folder is watched")


def results(folder):
    found = (folder / "out").rglob("*.dcm")
    return sorted(path.relative_to(folder / "out").as_posix() for path in found)


def runs_of(folder):
    report = folder / "out" / "cxr-sr-report.jsonl"
    lines = json_lines(report.read_text()) if report.exists() else []
    return [line for line in lines if line["type"] == "file"]


@pytest.mark.parametrize("options", [(), ("--poll", "0.3")])
def test_each_file_is_taken_when_it_is_complete(tmp_path, options):
    content = a_dicom(tmp_path / "whole.dcm").read_bytes()
    a_dicom(tmp_path / "in" / "before.dcm", seed=1)
    with Watching(tmp_path, *options):
        until(lambda: results(tmp_path) == ["before.dcm"], "what was there is taken")
        with (tmp_path / "in" / "slow.dcm").open("wb") as slow:
            for start in range(0, len(content), 200):
                slow.write(content[start : start + 200])
                slow.flush()
                time.sleep(0.2)
        moved = a_dicom(tmp_path / "aside" / "sub" / "moved.dcm", seed=2)
        moved.parent.rename(tmp_path / "in" / "sub")
        expected = ["before.dcm", "slow.dcm", "sub/moved.dcm"]
        until(lambda: results(tmp_path) == expected, "what came is taken")
        until(lambda: len(runs_of(tmp_path)) == 3, "the last is reported")
    assert [line["status"] for line in runs_of(tmp_path)] == ["done"] * 3


def test_started_again_it_goes_on_by_the_report(tmp_path):
    a_dicom(tmp_path / "in" / "a.dcm", seed=1)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    with Watching(tmp_path) as watching:
        # The report's line comes after the file; a kill in between is another test.
        until(lambda: last(tmp_path).get("a.dcm") == "done", "the first is taken")
        watching.kill()
    first = (tmp_path / "out" / "a.dcm").stat().st_mtime_ns
    a_dicom(tmp_path / "in" / "b.dcm", seed=2)
    with Watching(tmp_path) as watching:
        until(lambda: len(results(tmp_path)) == 2, "the second is taken")
        until(lambda: last(tmp_path).get("a.dcm") == "kept", "the first is known")
        assert watching.stop() == 130
    assert (tmp_path / "out" / "a.dcm").stat().st_mtime_ns == first
    assert last(tmp_path)["notes.txt"] == "skipped"


def test_killed_before_it_could_report_it_does_the_file_again(tmp_path):
    a_dicom(tmp_path / "in" / "a.dcm", seed=1)
    with Watching(tmp_path) as watching:
        until(lambda: last(tmp_path).get("a.dcm") == "done", "the file is taken")
        watching.kill()
    report = tmp_path / "out" / "cxr-sr-report.jsonl"
    content = (tmp_path / "out" / "a.dcm").read_bytes()
    report.write_text(report.read_text().splitlines(keepends=True)[0])
    with Watching(tmp_path):
        until(lambda: last(tmp_path).get("a.dcm") == "done", "it is done again")
    assert results(tmp_path) == ["a.dcm"]
    assert (tmp_path / "out" / "a.dcm").read_bytes() == content


def last(folder):
    return {line["file"]: line["status"] for line in runs_of(folder)}


def test_it_does_not_write_into_what_it_watches(tmp_path):
    (tmp_path / "in").mkdir()
    result = command("watch", tmp_path / "in", "-o", tmp_path / "in" / "out")
    assert result.exit_code == 2
    assert "into the input" in result.stderr


def test_results_of_one_name_are_told_apart_and_stay_so(tmp_path):
    """a.dicom and a.png become DICOM files; the first file gets the plain name."""
    a_dicom(tmp_path / "in" / "a.dicom", seed=1)
    options = ("--format", "png")
    with Watching(tmp_path, *options):
        until(lambda: last(tmp_path).get("a.dicom") == "done", "the first is taken")
        a_dicom(tmp_path / "in" / "a.dcm", seed=2)
        until(lambda: last(tmp_path).get("a.dcm") == "done", "the second is taken")
    named = {line["file"]: line["output"] for line in runs_of(tmp_path)}
    assert named == {"a.dicom": "a.png", "a.dcm": "a.dcm.png"}
    with Watching(tmp_path, *options):
        until(
            lambda: set(last(tmp_path).values()) == {"kept"}, "both are known by name"
        )
