"""Streams that are closed, full or gone, and names that hold control characters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import write_png

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which $CXR is the command."""
    root = str(Path(__file__).parents[2])
    environment = os.environ | {
        "CXR": f"{sys.executable} -m cxr_sr",
        "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")]),
    }
    return subprocess.run(
        ["/bin/bash", "-c", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(3):
        write_png(tmp_path / "in" / f"a{number}.png")
    return tmp_path


UPSCALE = "$CXR upscale in -o out --model bicubic"


def test_closed_standard_error_does_not_end_a_run(folder):
    assert shell(f"{UPSCALE} 2>&-", folder).returncode == 0
    assert len(list((folder / "out").glob("*.png"))) == 3


def test_no_name_splits_a_line_or_moves_the_cursor(folder):
    write_png(folder / "in" / "n\nl.png")
    (folder / "in" / "e\x1b[31m\x9b.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    ran = shell(UPSCALE, folder)
    assert ran.returncode == 4
    assert "out/n\\nl.png" in ran.stdout.splitlines()
    assert "e\\x1b[31m\\x9b.png: " in ran.stderr
    assert not {"\x1b", "\x9b"} & set(ran.stdout + ran.stderr)


def test_a_fifo_is_no_report(folder):
    ran = shell(f"mkfifo f.jsonl; {UPSCALE} --report f.jsonl", folder)
    assert (ran.returncode, "no regular file" in ran.stderr) == (2, True)


def test_a_second_run_in_the_folder_is_told_of_the_first(folder):
    shell(UPSCALE, folder)
    held = f"exec 9>>out/cxr-sr-report.jsonl; flock 9; {UPSCALE} --overwrite"
    ran = shell(held, folder)
    assert (ran.returncode, "another run is writing" in ran.stderr) == (2, True)


@pytest.mark.parametrize(
    ("harm", "codes", "word"),
    [
        ("mv out gone", {4, 5}, "removed or replaced"),
        ("rm out/cxr-sr-report.jsonl", {4}, "was removed during the run"),
    ],
)
def test_what_is_taken_away_during_a_run_ends_it(folder, harm, codes, word):
    """The first line of output is the moment at which it goes."""
    large = "$CXR upscale in -o out --model bicubic --scale 8"
    for number in range(20):
        write_png(folder / "in" / f"b{number}.png")
    gone = f"set -o pipefail; {large} | (read first; {harm}; cat >/dev/null)"
    ran = shell(gone, folder)
    assert ran.returncode in codes
    assert word in ran.stderr
    assert "Traceback" not in ran.stderr


def test_no_absolute_path_is_in_a_report(folder):
    shell(f"{UPSCALE} --on-error continue", folder)
    text = (folder / "out" / "cxr-sr-report.jsonl").read_text()
    assert all(json.loads(line) for line in text.splitlines())
    assert str(folder) not in text
