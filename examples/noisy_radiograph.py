"""Enlarge a part of a noisy radiograph in three ways, and draw them side by side.

Without a file, it uses the 15-bit chest radiograph of the package pydicom-data, which
has quantum noise:

    python examples/noisy_radiograph.py [FILE] [--output PICTURE.png]

From left to right: bicubic interpolation; the weights of `fine` for images without
noise, with exact agreement (`--consistency box`), as an example of a network without
noise estimate; the result of `cxr-sr upscale` without options. It prints the grain of
each: the noise between neighbouring pixels of the input, in stored codes. Sharpened
noise has more grain than the bicubic image.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name in its documentation
from numpy.typing import NDArray
from pydicom.data import get_testdata_file

import cxr_sr
from cxr_sr.superres.settings import Settings

FINE = cxr_sr.load_model("fine")
WAYS: dict[str, tuple[cxr_sr.Model | str, Settings]] = {
    "bicubic": ("bicubic", Settings(consistency="off")),
    "not told": (FINE.clean, Settings(consistency="box")),
    "fine": (FINE, Settings()),
}
"""Models and their settings."""
SCALE = 4
PART_PX, SHOWN_PX = 384, 96
"""Sides of the enlarged square of the input, and of its middle in the picture. The
noise is estimated from the whole square."""
PLACE = (0.4, 0.28)
"""Its centre as a share of rows and columns: in a chest, a lung."""
GAP_PX = 8


def main() -> None:
    """Enlarge, print and draw."""
    options = parse()
    part = middle(cxr_sr.read(options.file))
    window = np.percentile(shown(part.pixels), (1, 99))
    panels = []
    for name, (model, settings) in WAYS.items():
        finer = shown(cxr_sr.upscale(part, model, SCALE, settings).pixels)
        print(f"{name:14} grain {grain(finer):6.1f} stored codes")
        panels += [gray(finer, window), np.full((len(finer), GAP_PX), 255, np.uint8)]
    picture = sitk.GetImageFromArray(np.hstack(panels[:-1]))
    sitk.WriteImage(picture, str(options.output))
    print(f"look at {options.output}: the three from left to right")


def parse() -> argparse.Namespace:
    """Read the command line; without a file, use the sample."""
    sample = get_testdata_file("RG1_UNCR.dcm", download=False)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?", default=sample)
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


def shown(finer: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return the middle of a result."""
    rows, columns = (
        slice(n // 2 - half, n // 2 + half)
        for n in finer.shape
        for half in [min(SHOWN_PX * SCALE, n) // 2]
    )
    return finer[rows, columns]


def grain(stored: NDArray[np.integer]) -> float:
    """Return the deviation, in codes, of mixed differences over an input pixel.

    Shading, and edges along rows or columns, have no mixed differences. Four pixels are
    added and subtracted, so half of the value is the noise of one pixel, if the noise
    is white.
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
