"""Super-resolve a radiograph, print the changes, and draw a before/after picture.

Without arguments, it uses the 15-bit chest radiograph of the package pydicom-data. With
arguments, it uses your own files:

    python examples/first_radiograph.py [FILE...]

Everything is written to the folder `first-radiograph`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813 - the name in its documentation
from numpy.typing import NDArray
from pydicom.data import get_testdata_file
from pydicom.datadict import keyword_for_tag
from pydicom.tag import BaseTag, Tag

import cxr_sr

FOLDER = Path("first-radiograph")
SCALE = 2
PIXEL_DATA = Tag("PixelData")
CROP_PX = 160
"""Side of the square of the input that the picture shows."""
PLACE = (0.4, 0.28)
"""Centre of that square as a share of rows and columns: in a chest, a lung."""
ZOOM = 4
"""Side of an input pixel in the picture."""


def main(files: list[str]) -> None:
    """Super-resolve every file, or the sample if no file is named."""
    print("For research only; not a medical device.")
    FOLDER.mkdir(exist_ok=True)
    for file in files or [sample()]:
        treat(Path(file))


def sample() -> str:
    """Return the path of a real chest CR (RG1 of the WG04 compression samples)."""
    path = get_testdata_file("RG1_UNCR.dcm", download=False)
    if path is None:
        raise SystemExit("the sample is missing; run: pip install pydicom-data")
    return str(path)


def treat(source: Path) -> None:
    """Read, upscale and write; then print the changes."""
    target = FOLDER / f"{source.stem}_x{SCALE}.dcm"
    begun = time.perf_counter()
    radiograph = cxr_sr.read(source)
    print(f"\n{source.name}: {size(radiograph)}; this takes a while", flush=True)
    finer = cxr_sr.upscale(radiograph, cxr_sr.load_model("fine"), SCALE)
    cxr_sr.write(finer, target, overwrite=True)
    seconds = time.perf_counter() - begun
    print(f"wrote {target}: {size(finer)}, in {seconds:.1f} s")
    tell_agreement(finer)
    tell_header(pydicom.dcmread(source, force=True), pydicom.dcmread(target))
    picture = FOLDER / f"{source.stem}_x{SCALE}.png"
    draw(radiograph, finer, picture)
    print(f"look at {picture}: before on the left, after on the right")


def size(radiograph: cxr_sr.Radiograph) -> str:
    """Return the size of an image as text."""
    rows, columns = radiograph.shape
    return f"{columns} x {rows} px of {radiograph.format.bits_stored} bit"


def tell_agreement(finer: cxr_sr.Radiograph) -> None:
    """Print the largest difference between the averaged result and the input."""
    derivation = finer.derivation
    if derivation is not None:
        print(
            "averaged back to the input's pixels, it differs from the input by at most "
            f"{derivation.consistency_max:.2f} stored codes"
        )


def tell_header(before: pydicom.Dataset, after: pydicom.Dataset) -> None:
    """Print the attributes that have changed, except pixel data."""
    print("changes in the header (nothing else has changed):")
    tags = {*before.keys(), *after.keys()} - {PIXEL_DATA}
    for tag in sorted(tag for tag in tags if not tag.is_private):
        old, new = shown(before, tag), shown(after, tag)
        if old != new:
            name = keyword_for_tag(tag) or str(tag)
            print(f"  {name:32} {old:>36} -> {new}")
    if private := sum(tag.is_private for tag in tags - {*after.keys()}):
        print(f"  {private} private attributes removed")


def shown(header: pydicom.Dataset, tag: BaseTag, width: int = 36) -> str:
    """Return an element's value as one short line."""
    if tag not in header:
        return "-"
    element = header[tag]
    if element.VR == "SQ":
        return f"{len(element.value)} item(s)"
    text = str(element.value)
    return text if len(text) <= width else f"{text[: width - 3]}..."


def draw(before: cxr_sr.Radiograph, after: cxr_sr.Radiograph, path: Path) -> None:
    """Save a part of both images side by side; every pixel is drawn as a square."""
    measured, finer = crop(before, 1), crop(after, SCALE)
    window = np.percentile(measured, (1, 99))
    if before.format.photometric == "MONOCHROME1":
        window = window[::-1]
    left = enlarged(gray(measured, window), ZOOM)
    right = enlarged(gray(finer, window), ZOOM // SCALE)
    gap = np.full((len(left), 8), 255, np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(np.hstack([left, gap, right])), str(path))


def crop(radiograph: cxr_sr.Radiograph, scale: int) -> NDArray[np.float64]:
    """Return the stored values around `PLACE`; for RGB, the green channel."""
    stored = radiograph.pixels.reshape(*radiograph.shape, -1)
    sides = [side // scale for side in radiograph.shape]
    part = min(CROP_PX, *sides)
    starts = [
        min(max(round(place * side) - part // 2, 0), side - part) * scale
        for place, side in zip(PLACE, sides, strict=True)
    ]
    rows, columns = (slice(start, start + part * scale) for start in starts)
    return stored[rows, columns, stored.shape[2] // 2].astype(np.float64)


def enlarged(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Repeat every pixel `factor` times in both directions."""
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def gray(stored: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return stored values as 8-bit gray: the window's first value black."""
    black, white = window
    share = (stored - black) / ((white - black) or 1.0)
    shades: NDArray[np.uint8] = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
    return shades


if __name__ == "__main__":
    main(sys.argv[1:])
