"""The report is complete, survives a kill, and says what need not be done again."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cxr_sr.errors import ReportError
from cxr_sr.report.outcome import Job, Outcome
from cxr_sr.report.writer import History, Report, fingerprint
from cxr_sr.superres.models.zoo import sha256_of

CLOCK = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SAME = "a" * 64


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def report(tmp_path):
    return tmp_path / "out" / "report.jsonl"


@pytest.fixture
def job(tmp_path):
    """A job whose input and output both exist."""
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "a.dcm").write_bytes(folder.encode())
    return Job("a.dcm", tmp_path / "in/a.dcm", "a.dcm", tmp_path / "out/a.dcm")


def done(job, settings_sha256=SAME) -> Outcome:
    facts = {
        "settings_sha256": settings_sha256,
        "input_sha256": sha256_of(job.source),
        "output_sha256": sha256_of(job.target),
    }
    return Outcome(job, "done", facts)


def a_run(settings_sha256=SAME):
    return {"clock": CLOCK.isoformat(), "settings_sha256": settings_sha256}


def written(report, *outcomes, settings_sha256=SAME):
    with Report(report) as writing:
        writing.begin(a_run(settings_sha256))
        for outcome in outcomes:
            writing.add(outcome)


def sifted(report, job, settings_sha256=SAME):
    kept: list[Outcome] = []
    todo = list(History.read(report, settings_sha256).sift([job], kept.append))
    return todo, kept


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


def test_a_line_torn_by_a_kill_costs_only_itself(report, job):
    written(report, done(job))
    with report.open("a") as file:
        file.write('{"type": "file", "file": "b')
    written(report)
    todo, kept = sifted(report, job)
    assert (len(todo), len(kept)) == (0, 1)


def test_what_was_written_of_the_same_input_is_kept_with_its_facts(report, job):
    written(report, done(job))
    todo, (kept,) = sifted(report, job)
    assert todo == []
    assert kept.status == "kept"
    assert kept.facts["output_sha256"] == sha256_of(job.target)


def test_what_was_kept_once_is_kept_again(report, job):
    written(report, done(job))
    for _ in range(2):
        _, (kept,) = sifted(report, job)
        written(report, kept)
    assert [x["status"] for x in lines(report) if x["type"] == "file"] == [
        "done",
        "kept",
        "kept",
    ]


def change_input(job):
    job.source.write_bytes(b"another exposure")


def change_output(job):
    job.target.write_bytes(b"half of it")


def lose_output(job):
    job.target.unlink()


@pytest.mark.parametrize("spoil", [change_input, change_output, lose_output])
def test_what_changed_since_is_done_again(report, job, spoil):
    written(report, done(job))
    spoil(job)
    todo, kept = sifted(report, job)
    assert (todo, kept) == ([job], [])


def test_what_other_settings_or_weights_made_is_done_again(report, job):
    written(report, done(job))
    todo, _ = sifted(report, job, settings_sha256="b" * 64)
    assert todo == [job]


def test_what_failed_is_tried_again(report, job):
    written(report, Outcome(job, "failed", {"settings_sha256": SAME}, "disk full"))
    todo, _ = sifted(report, job)
    assert todo == [job]


def test_an_output_that_no_report_vouches_for_is_done_again(report, job):
    todo, _ = sifted(report, job)
    assert todo == [job]


def test_a_report_that_is_no_report_is_merely_no_history(report, job):
    report.parent.mkdir(exist_ok=True)
    report.write_bytes(b"\xff\xfe[1, 2]\n[1, 2]\n")
    assert sifted(report, job)[0] == [job]


def test_a_resumed_run_goes_by_the_clock_of_the_run_it_resumes(report):
    written(report)
    assert History.read(report, SAME).clock == CLOCK
    assert History.read(report, "b" * 64).clock is None


def test_the_fingerprint_knows_settings_apart_but_not_their_order():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"a": 1, "b": 3})


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
