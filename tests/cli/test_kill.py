"""`cxr-sr upscale` as a process: interrupted, killed, or with nobody listening."""

import contextlib
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from tests.files import COMMAND, NOTICE, a_png, an_export, json_lines, report_of

MANY = 16


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A little export, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return an_export(tmp_path / "in")


@pytest.fixture
def many(tmp_path: Path, monkeypatch) -> Path:
    """Enough work for a run to be broken off in its middle."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for n in range(MANY):
        a_png(tmp_path / "in" / f"{n:02}.png", seed=n, shape=(250, 200))
    return tmp_path / "in"


def started(*arguments: str) -> subprocess.Popen[str]:
    words = [str(COMMAND), "upscale", *arguments, "--model", "bicubic", "--scale", "8"]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def images(folder: str) -> dict[str, bytes]:
    """All files of a run but its report, those left behind by a kill excepted."""
    paths = Path(folder).rglob("[!.]*.*")
    return {p.name: p.read_bytes() for p in paths if p.suffix != ".jsonl"}


def unfinished(folder="out") -> list[Path]:
    """Files that are there under their own name, but not whole."""
    images = Path(folder).rglob("[0-9]*.png")
    return [path for path in images if sitk.ReadImage(path).GetSize() != (1600, 2000)]


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
    assert report_of()[-1]["finished"] is False
    assert 1 <= report_of()[-1]["done"] < MANY
    assert unfinished() == []
    assert not list(Path("out").rglob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_killed_at_any_moment_a_resumed_run_ends_as_an_undisturbed_one(
    many, monkeypatch, jobs
):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    started("in", "-o", "calm").communicate(timeout=120)
    random = np.random.default_rng(int(jobs))
    for moment in [*random.uniform(0.3, 2.5, 6), None]:
        process = started("in", "-o", "out", "--resume", "--jobs", jobs)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=moment)
        process.kill()
        process.communicate()
        assert unfinished() == []
    assert report_of()[-1]["finished"] is True
    assert report_of()[-1]["done"] + report_of()[-1]["kept"] == MANY
    assert images("out") == images("calm")


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
    assert len(json_lines(done.stdout)) == 4
    assert done.stderr.startswith(NOTICE)
