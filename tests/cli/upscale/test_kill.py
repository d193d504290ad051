"""`cxr-sr upscale` as a process: interrupted, killed, or with nobody listening."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from tests.builders import noise
from tests.dicom_files import dicom_file
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
    for moment in [*random.uniform(0.3, 2.5, 4), None]:
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


HARMS = [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT, signal.SIGBUS]


def harm(parent: subprocess.Popen[str], random: np.random.Generator) -> list[str]:
    """Send signals to processes that a run has started; return the signals' names."""
    sent = []
    for _ in range(random.integers(1, 4)):
        with contextlib.suppress(psutil.Error, IndexError):
            children = psutil.Process(parent.pid).children(recursive=True)
            decoders = [c for c in children if "sandbox_child" in " ".join(c.cmdline())]
            child = random.permutation(decoders or children)[0]
            signal_sent = HARMS[random.integers(len(HARMS))]
            child.send_signal(signal_sent)
            sent.append(signal_sent.name)
        time.sleep(random.uniform(0, 0.3))
    return sent


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("seed", range(2))
def test_a_process_of_the_pool_or_a_decoder_that_is_killed_costs_its_file_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
):
    """At any moment; the message names the signal, and --resume does the rest."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(seed)
    Path("in").mkdir()
    for n in range(MANY):
        syntax = [JPEG2000Lossless, RLELossless, ExplicitVRLittleEndian][n % 3]
        pixels = noise((250, 200), seed=n)
        path = tmp_path / "in" / f"{n:02}.dcm"
        dicom_file(path, pixels, syntax=syntax, SOPInstanceUID=f"1.2.{n}")
    process = started("in", "-o", "out", "--jobs", "2")
    time.sleep(random.uniform(0.2, 4))
    sent = harm(process, random)
    _, talk = process.communicate(timeout=120)
    assert "Traceback" not in talk
    ended = {entry["file"]: entry for entry in report_of() if "file" in entry}
    assert len(ended) == MANY
    reasons = [e["reason"] for e in ended.values() if e["status"] == "failed"]
    assert process.returncode == (4 if reasons else 0), talk
    assert len(reasons) <= len(sent)
    assert all(any(name in reason for name in sent) for reason in reasons)
    assert not list(Path("out").rglob(".cxr-sr-*"))
    again = started("in", "-o", "out", "--jobs", "2", "--resume")
    _, talk = again.communicate(timeout=120)
    assert again.returncode == 0, talk
    assert len(images("out")) == MANY
