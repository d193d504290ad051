"""The scripts that draw the pictures of the documents."""

import re
import subprocess
import sys
from pathlib import Path

import SimpleITK as sitk  # noqa: N813

from tests.builders import pixel_format, structure, write_png

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script: str, folder: Path) -> str:
    """Run a script on a small radiograph; return its printed text."""
    pixels = (structure((64, 72)) * 65535).astype(pixel_format(16).dtype)
    write_png(folder / "a.png", pixels)
    paths = EXAMPLES / script, folder / "a.png", folder / "picture.png"
    script, image, picture = map(str, paths)
    command = [sys.executable, script, image, "--output", picture]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_restored_radiograph_stands_beside_coarse_bicubic_and_original(tmp_path):
    told = run("restored_radiograph.py", tmp_path)
    found = re.findall(r"^(\w+) +(\w+) +([\d.]+) dB$", told, re.MULTILINE)
    psnr = {(degraded, model): float(db) for degraded, model, db in found}
    assert len(psnr) == 4
    assert psnr["box", "bicubic"] > psnr["detector", "bicubic"]
    assert psnr["box", "fine"] > psnr["detector", "fine"]
    picture = sitk.GetArrayFromImage(sitk.ReadImage(tmp_path / "picture.png"))
    assert picture.shape == (2 * 64 * 2 + 8, 4 * 72 * 2 + 3 * 8)
    upper, lower = picture[:128, -144:], picture[-128:, -144:]
    assert (upper == lower).all()  # the original


def test_three_ways_to_enlarge_noise_are_drawn_and_their_grain_is_told(tmp_path):
    told = run("noisy_radiograph.py", tmp_path)
    grain = dict(re.findall(r"^([\w ]+?) +grain +([\d.]+) ", told, re.MULTILINE))
    assert list(grain) == ["bicubic", "not told", "fine"]
    assert float(grain["not told"]) > float(grain["bicubic"]) > 0
    assert float(grain["not told"]) > float(grain["fine"]) > 0
