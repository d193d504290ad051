"""Make a radiograph coarser, restore it, and draw a part of it beside the original.

Without a file, it uses the 15-bit chest radiograph of the package pydicom-data:

    python examples/restored_radiograph.py [FILE] [--output PICTURE.png]

The upper row begins with the mean of each 4 x 4 pixels, which has little noise. The
lower row begins with a simulated detector of such pixels, with its noise. Each row
shows from left to right: the coarse image; `bicubic`; the result of `cxr-sr upscale
--scale 4`; the original. It prints the PSNR of the whole image.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name in its documentation
from numpy.typing import NDArray
from pydicom.data import get_testdata_file

import cxr_sr
from cxr_sr.evaluation.degradations import DEGRADATIONS, Coding, Draw
from cxr_sr.evaluation.metrics import psnr
from cxr_sr.superres.settings import Settings

DEGRADED = ("box", "detector")
WAYS = {"bicubic": Settings(consistency="off"), "fine": Settings()}
"""Models and their settings."""
SCALE = 4
SHOWN_PX = 176
"""Side of the square of the original that the picture shows."""
PLACE = (0.15, 0.19)
"""Its centre as a share of rows and columns: in a chest, the upper ribs."""
ZOOM = 2
"""Side of an original pixel in the picture."""
GAP_PX = 8


def main() -> None:
    """Degrade, restore, print and draw."""
    options = parse()
    original = divisible(cxr_sr.read(options.file))
    rows = [np.hstack(list(row_of(original, name))) for name in DEGRADED]
    gap = np.full((GAP_PX, rows[0].shape[1]), 255, np.uint8)
    picture = np.vstack([rows[0], gap, rows[1]])[:, :-GAP_PX]
    sitk.WriteImage(sitk.GetImageFromArray(picture), str(options.output))
    print(f"look at {options.output}: coarse, {', '.join(WAYS)}, original")


def parse() -> argparse.Namespace:
    """Read the command line; without a file, use the sample."""
    sample = get_testdata_file("RG1_UNCR.dcm", download=False)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?", default=sample)
    parser.add_argument("--output", type=Path, default=Path("restored_radiograph.png"))
    options = parser.parse_args()
    if options.file is None:
        parser.error("the sample is missing; give a file, or: pip install pydicom-data")
    return options


def divisible(radiograph: cxr_sr.Radiograph) -> cxr_sr.Radiograph:
    """Remove the last rows and columns, so that SCALE divides both sides."""
    rows, columns = (side - side % SCALE for side in radiograph.shape)
    return radiograph.replace(pixels=radiograph.pixels[:rows, :columns])


def row_of(original: cxr_sr.Radiograph, degraded: str) -> Iterator[NDArray[np.uint8]]:
    """Yield the panels of one degradation, each with a gap behind it."""
    coding, draw = Coding.of(original), Draw(np.random.default_rng(0))
    stored = original.pixels.astype(np.float64)
    coarse = DEGRADATIONS[degraded](stored, SCALE, coding, draw)
    input_ = original.replace(pixels=coarse.astype(original.pixels.dtype))
    yield panel(original, coarse.repeat(SCALE, 0).repeat(SCALE, 1))
    for name, settings in WAYS.items():
        finer = cxr_sr.upscale(input_, name, SCALE, settings).pixels
        decibels = psnr(finer.astype(np.float64), stored, coding.data_range)
        print(f"{degraded:9} {name:8} {decibels:6.2f} dB")
        yield panel(original, finer)
    yield panel(original, stored)


def panel(original: cxr_sr.Radiograph, stored: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the part at PLACE as 8-bit gray, in the original's window, and a gap."""
    rows, columns = (
        slice(start, start + SHOWN_PX)
        for place, side in zip(PLACE, original.shape, strict=True)
        for start in [max(round(place * side) - SHOWN_PX // 2, 0)]
    )
    window = np.percentile(original.pixels[rows, columns], (0.5, 99.5))
    shades = np.interp(stored[rows, columns], window, (0, 255))
    if original.format.photometric == "MONOCHROME1":
        shades = 255 - shades
    gray = np.rint(shades).astype(np.uint8).repeat(ZOOM, 0).repeat(ZOOM, 1)
    return np.pad(gray, ((0, 0), (0, GAP_PX)), constant_values=255)


if __name__ == "__main__":
    main()
