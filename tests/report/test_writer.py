"""The report is complete, and survives a kill."""

from pathlib import Path

import pytest

from cxr_sr.errors import ReportError
from cxr_sr.report.outcome import Outcome
from cxr_sr.report.writer import Report
from tests.report.builders import a_run, done, lines, written


def test_a_report_is_a_run_a_line_a_file_and_a_summary(report, job):
    failed = Outcome(job, "failed", reason="found nothing", trace="Traceback ...")
    written(report, done(job), failed)
    run, first, second, summary = lines(report)
    assert (run["type"], run["version"]) == ("run", 1)
    assert (first["file"], first["status"]) == ("a.dcm", "done")
    assert (second["status"], second["reason"]) == ("failed", "found nothing")
    assert summary == {
        "type": "summary",
        "finished": True,
        "done": 1,
        "kept": 0,
        "skipped": 0,
        "failed": 1,
    }


def test_neither_a_traceback_nor_a_path_of_the_machine_is_reported(report, job):
    written(report, Outcome(job, "failed", reason="r", trace="File /home/x.py"))
    assert "Traceback" not in report.read_text()
    assert str(job.source.parent) not in report.read_text()


def test_a_line_is_on_its_way_to_the_disk_before_the_next_file_begins(report, job):
    with Report(report) as writing:
        writing.begin(a_run())
        writing.add(done(job))
        assert [line["type"] for line in lines(report)] == ["run", "file"]


def test_an_interrupted_run_still_gets_its_summary(report, job):
    def interrupted():
        with Report(report) as writing:
            writing.add(done(job))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert lines(report)[-1]["finished"] is False
    assert lines(report)[-1]["done"] == 1


def test_a_later_run_only_appends(report, job):
    written(report, done(job))
    before = report.read_text()
    written(report, done(job))
    assert report.read_text().startswith(before)
    assert len(lines(report)) == 6


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_disk_that_is_full_ends_the_run_with_one_sentence(job):
    with (
        pytest.raises(ReportError, match=r"No space left on device; .* --resume"),
        Report(Path("/dev/full")) as full,
    ):
        full.add(Outcome(job, "done"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_does_not_hide_that_the_user_broke_the_run_off(job):
    with pytest.raises(KeyboardInterrupt), Report(Path("/dev/full")):
        raise KeyboardInterrupt
