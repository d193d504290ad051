"""Enlarge a part of a noisy radiograph by several models, and draw them side by side.

Without a file it takes the 15-bit chest radiograph that the package pydicom-data
carries, with its quantum noise:

    python examples/noisy_radiograph.py [FILE] [--model NAME]... [--output PICTURE.png]

It prints the grain of each, the noise between neighbouring pixels of the input, in
stored codes. Sharpened noise has more of it than the bicubic image. The models are on
their own (`--consistency off`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name its own documentation uses
from numpy.typing import NDArray
from pydicom.data import get_testdata_file

import cxr_sr
from cxr_sr.superres.settings import Settings

MODELS = ["bicubic", "fine-bicubic", "fine"]
SCALE = 4
PART_PX = 96
"""Side of the square of the input that is enlarged."""
PLACE = (0.4, 0.28)
"""Its centre as a share of rows and columns: in a chest, a lung."""
GAP_PX = 8
ALONE = Settings(consistency="off")
"""The projection would put the measured pixels back, their noise included."""


def main() -> None:
    """Enlarge, tell, draw."""
    options = parse()
    part = middle(cxr_sr.read(options.file))
    window = np.percentile(part.pixels, (1, 99))
    panels = []
    for name in options.model or MODELS:
        model = cxr_sr.load_model(name)
        finer = cxr_sr.upscale(part, model, SCALE, ALONE).pixels
        print(f"{name:14} grain {grain(finer):6.1f} stored codes")
        panels += [gray(finer, window), np.full((len(finer), GAP_PX), 255, np.uint8)]
    picture = sitk.GetImageFromArray(np.hstack(panels[:-1]))
    sitk.WriteImage(picture, str(options.output))
    print(f"look at {options.output}: the models from left to right")


def parse() -> argparse.Namespace:
    """Read the command line; the sample stands in for a file."""
    sample = get_testdata_file("RG1_UNCR.dcm", download=False)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?", default=sample)
    parser.add_argument("--model", action="append")
    parser.add_argument("--output", type=Path, default=Path("noisy_radiograph.png"))
    options = parser.parse_args()
    if options.file is None:
        parser.error("the sample is missing; give a file, or: pip install pydicom-data")
    return options


def middle(radiograph: cxr_sr.Radiograph) -> cxr_sr.Radiograph:
    """Return the square around `PLACE`."""
    side = min(PART_PX, *radiograph.shape)
    rows, columns = (
        slice(start, start + side)
        for place, n in zip(PLACE, radiograph.shape, strict=True)
        for start in [min(max(round(place * n) - side // 2, 0), n - side)]
    )
    return radiograph.replace(pixels=radiograph.pixels[rows, columns])


def grain(stored: NDArray[np.integer]) -> float:
    """Return the deviation, in codes, of mixed differences over an input pixel.

    Shading and straight edges along rows or columns have none; half the root of the
    sum of four squares, it is the noise of one pixel where noise is white.
    """
    down = stored[SCALE:].astype(np.float64) - stored[:-SCALE]
    mixed = down[:, SCALE:] - down[:, :-SCALE]
    return float(mixed.std() / 2)


def gray(stored: NDArray[np.integer], window: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return stored values as 8-bit gray, the window's first value black."""
    shades = np.interp(stored, window, (0, 255))
    rounded: NDArray[np.uint8] = np.rint(shades).astype(np.uint8)
    return rounded


if __name__ == "__main__":
    main()
