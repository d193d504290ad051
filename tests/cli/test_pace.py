"""The remaining time counts the pixels of the files that need work."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from cxr_sr.cli import output, pace
from cxr_sr.cli.pace import Pace, duration, pixel_counts
from tests.files import a_dicom, a_png

SMALL, LARGE, KEPT = Path("small"), Path("large"), Path("kept")
PIXELS = {SMALL: 1e6, LARGE: 9e6, KEPT: 90e6}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_pixels_decide_how_long_the_rest_takes(clock):
    """One of two files is done, but only a tenth of the pixels is."""
    run = Pace(2, {SMALL: 1e6, LARGE: 9e6}, clock)
    clock.now = 10
    run.finish(SMALL, worked=True)
    assert run.remaining_s == pytest.approx(90)
    assert run.text == "0.1 MP/s, 2 min left"


def test_kept_files_count_neither_in_the_pace_nor_in_the_rest(clock):
    """Thousands of kept files a second say nothing about the others."""
    run = Pace(3, PIXELS, clock)
    clock.now = 0.001
    run.finish(KEPT, worked=False)
    assert (run.text, run.files) == ("", 1)
    clock.now = 10.001
    run.finish(SMALL, worked=True)
    assert run.rate == pytest.approx(1e5)
    assert run.remaining_s == pytest.approx(90)


def test_time_spent_on_kept_files_is_no_work(clock):
    """Their hashes are verified, which takes time."""
    run = Pace(3, PIXELS, clock)
    clock.now = 500
    run.finish(KEPT, worked=False)
    clock.now = 510
    run.finish(SMALL, worked=True)
    assert run.rate == pytest.approx(1e5)


def test_nothing_is_estimated_from_an_instant(clock):
    run = Pace(2, {SMALL: 1e6, LARGE: 9e6}, clock)
    clock.now = 0.0001
    run.finish(SMALL, worked=True)
    assert (run.rate, run.remaining_s, run.text) == (None, None, "")


@pytest.mark.parametrize(("seconds", "told"), [(0.9, False), (1.1, True)])
def test_there_is_an_estimate_after_a_second_of_work(clock, seconds, told):
    run = Pace(2, {SMALL: 1e6, LARGE: 9e6}, clock)
    clock.now = seconds
    run.finish(SMALL, worked=True)
    assert bool(run.text) == told


def test_at_the_end_nothing_is_left(clock):
    run = Pace(1, {SMALL: 1e6}, clock)
    clock.now = 2
    run.finish(SMALL, worked=True)
    assert run.remaining_s == 0
    run.finish(None, worked=True)
    assert run.remaining_s == 0


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (9000, "2.5 h")],
)
def test_durations_are_rounded(seconds, told):
    assert duration(seconds) == told


class TestSurvey:
    def test_headers_state_the_pixels(self, tmp_path):
        files = [a_dicom(tmp_path / "a.dcm"), a_png(tmp_path / "b.png", shape=(30, 40))]
        assert list(pixel_counts(files).values()) == [320, 1200]

    def test_what_states_nothing_is_estimated_from_its_bytes(self, tmp_path):
        known = a_dicom(tmp_path / "a.dcm")
        unknown = tmp_path / "unknown"
        unknown.write_bytes(bytes(2 * known.stat().st_size))
        gone = tmp_path / "gone"
        assert pixel_counts([known, unknown, gone]) == {
            known: 320,
            unknown: 640,
            gone: 0,
        }

    def test_headers_are_read_for_two_seconds(self, tmp_path, monkeypatch, clock):
        asked = []

        def stated(path):
            asked.append(path)
            clock.now += 0.6
            return 1.0

        monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=clock))
        monkeypatch.setattr(pace, "_stated", stated)
        pixel_counts([tmp_path / str(number) for number in range(9)])
        assert len(asked) == 4

    def test_it_takes_no_longer_than_it_may(self, tmp_path, monkeypatch):
        monkeypatch.setattr(pace, "SURVEY_SECONDS", -1.0)
        known = a_dicom(tmp_path / "a.dcm")
        assert pixel_counts([known]) == {known: known.stat().st_size}


def test_a_log_is_told_the_pace(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(output, "PLAIN_SECONDS", 0.0)
    clock = Clock()
    monkeypatch.setattr(output, "Pace", partial(Pace, clock=clock))
    files = [a_dicom(tmp_path / f"{n}.dcm") for n in "ab"]
    with output.progress(2, quiet=False, plain=True, sources=files) as tick:
        clock.now = 4.0
        tick(0, files[0])
    assert capsys.readouterr().err == "1 of 2 files, 0 failed, 8e-05 MP/s, 4 s left\n"
