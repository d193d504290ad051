"""`--max-memory` is compared with the memory that the system counts."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cxr_sr.cli.main import app
from cxr_sr.superres.budget import tiles_of
from cxr_sr.superres.canvas import return_memory
from cxr_sr.superres.chain import Chain
from cxr_sr.superres.engines import PACKAGES
from cxr_sr.superres.models.zoo import load_model
from cxr_sr.superres.settings import Settings
from tests.builders import build_model
from tests.files import COMMAND, a_png

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="others do not count in KiB"
)

SHAPE = (420, 380)
IMAGE_MB = 5 * SHAPE[0] * SHAPE[1] / 1e6
"""Input and output at x2, of one byte a pixel."""
TOLERANCE = 1.1
"""A margin for other library versions, and for threads of other machines."""


MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Start it from a small process: a child's peak begins at its parent's memory."""


def peak_mb(*words: str) -> float:
    """Run `cxr-sr upscale` as a process; return the most memory that it had."""
    command = [str(COMMAND), "upscale", *words, "-o", "out", "--quiet", "--overwrite"]
    measured = [sys.executable, "-c", MEASURE, *command]
    done = subprocess.run(measured, check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1]) * 1024 / 1e6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image, and a network far wider than ours that does next to nothing."""
    folder = tmp_path_factory.mktemp("memory")
    a_png(folder / "a.png", shape=SHAPE)
    build_model(folder / "wide", width=200, depth=2)
    build_model(folder / "heavy", width=512, depth=2)
    build_model(folder / "deep", width=64, depth=40)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "engine", "max_mb", "threads"),
    [
        ("bicubic", "auto", 300, 16),
        ("fine", "openvino", 400, 2),
        ("fine", "openvino", 380, 16),
        ("fast", "onnx", 320, 2),
        ("wide", "onnx", 520, 2),
        ("wide", "openvino", 450, 8),
        ("wide", "torch", 600, 2),
    ],
)
def test_the_peak_is_what_was_promised(
    folder, monkeypatch, model, engine, max_mb, threads
):
    pytest.importorskip("torch")  # it makes the wide network
    if engine in PACKAGES:
        pytest.importorskip(PACKAGES[engine])
    monkeypatch.chdir(folder)
    given = ["a.png", "--model", model, "--engine", engine, "--threads", str(threads)]
    peak = peak_mb(*given, "--max-memory", str(max_mb))
    assert peak <= TOLERANCE * max_mb + IMAGE_MB


def test_three_planes_get_smaller_tiles():
    """The chain holds all planes of a tile."""
    chain = Chain.open(load_model("bicubic"), 4, "box", "auto")
    settings = Settings(threads=2, max_memory_mb=300)
    gray, colour = (
        max(tile.core[0].stop - tile.core[0].start for tile in tiles)
        for tiles in (
            tiles_of((3000, 3000), chain, settings),
            tiles_of((3000, 3000, 3), chain, settings),
        )
    )
    assert 0.5 < colour / gray < 0.65  # a third of the area


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--tile", "32"], ["--tile", "2000"]])
def test_a_network_that_cannot_fit_is_refused(folder, monkeypatch, more):
    """One sentence refuses it before any work; with enough memory it runs."""
    pytest.importorskip("torch")
    monkeypatch.chdir(folder)
    words = ["upscale", "a.png", "-o", "new", "--model", "heavy", "--engine", "onnx"]
    done = CliRunner().invoke(app, [*words, "--max-memory", "400", *more])
    assert done.exit_code == 2
    assert "needs 5" in done.stderr
    assert "expected at most 400 MB" in done.stderr
    assert done.stderr.count("\n") <= 2
    assert not Path("new").exists()


@pytest.mark.slow
def test_layers_that_cannot_fit_fail_the_file(folder, monkeypatch):
    """Its weights fit, but no tile does."""
    pytest.importorskip("torch")
    monkeypatch.chdir(folder)
    words = ["upscale", "a.png", "-o", "newer", "--model", "deep", "--engine", "onnx"]
    done = CliRunner().invoke(app, [*words, "--max-memory", "340"])
    assert done.exit_code == 5, done.stderr
    assert "a.png: model 'deep' needs" in done.stderr
    assert "with the smallest tiles; expected at most 340 MB" in done.stderr
    assert not list(Path("newer").glob("*.png"))


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_goes_back_to_the_system():
    """One piece at the end is in use; glibc then keeps all freed pieces before it."""
    count, size = 3000, 60_000
    pieces = [bytes([1]) * size for _ in range(count)]
    last = pieces.pop()
    del pieces
    before = resident_bytes()
    return_memory()
    assert before - resident_bytes() > 0.5 * count * size
    assert len(last) == size
