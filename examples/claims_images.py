"""Prepare the images for the paper's claims: small, and with an artificial colour."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk  # noqa: N813
import torch
from numpy.typing import NDArray
from torch.nn import functional

from cxr_sr import read
from cxr_sr.errors import InputError, SettingsError
from cxr_sr.superres.intensity import Scaling
from cxr_sr.texts import write_rows
from cxr_sr.training.data.images import list_images

SIDE_PX = 240
"""Side of the images: a multiple of 24 near the paper's 256, and large enough for all
levels of MS-SSIM."""
TINT = (0.8, 1.0, 1.25)
"""Exponents that make red, green and blue from gray values of 0 to 1. Radiographs have
no colour, so the claim about colour needs an artificial one."""
LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in luminance (ITU-R BT.601)."""

Pixels = Literal["gray", "rgb", "luminance"]


def prepare(data: Path, folder: Path, wanted: Mapping[str, int | None]) -> None:
    """Write the images in each form that an arm needs, with an index for each form.

    Parameters
    ----------
    data : an index (CSV) or a folder of radiographs
    folder : the output; it gets a subfolder for each form
    wanted : number of images of each split; None: all

    Raises
    ------
    SettingsError
        If no image can be used.
    """
    taken: Counter[str] = Counter()
    rows: list[dict[str, str]] = []
    for entry in list_images(data):
        most = wanted.get(entry.split, 0)
        if most is not None and taken[entry.split] >= most:
            continue
        try:
            gray = reduced(entry.path)
        except InputError as error:
            print(f"{entry.name} is left out: {error}", file=sys.stderr)
            continue
        taken[entry.split] += 1
        name = f"{len(rows)}.png"
        for form, pixels in forms(gray).items():
            (folder / form).mkdir(parents=True, exist_ok=True)
            vector = pixels.ndim == 3
            image = sitk.GetImageFromArray(pixels, isVector=vector)
            sitk.WriteImage(image, folder / form / name)
        rows.append({"file": name, "split": entry.split, "patient": entry.patient})
    if not rows:
        raise SettingsError("no image of the data can be used; give radiographs")
    for form in ("gray", "rgb", "luminance"):
        with (folder / form / "index.csv").open("w", newline="") as file:
            write_rows(file, list(rows[0]), rows)


def reduced(path: Path) -> NDArray[np.uint8]:
    """Return the central square (SIDE_PX, SIDE_PX) of a radiograph, antialiased."""
    radiograph = read(path)
    unit = Scaling.of(radiograph).normalise(radiograph.pixels).astype(np.float32)
    gray = torch.from_numpy(unit if unit.ndim == 2 else unit.mean(axis=2))
    size = [max(SIDE_PX, round(n * SIDE_PX / min(gray.shape))) for n in gray.shape]
    small = functional.interpolate(
        gray[None, None], size=size, mode="bicubic", antialias=True
    )[0, 0]
    top, left = ((n - SIDE_PX) // 2 for n in size)
    small = small[top : top + SIDE_PX, left : left + SIDE_PX]
    return codes(small.numpy())


def forms(gray: NDArray[np.integer[Any]]) -> dict[Pixels, NDArray[np.uint8]]:
    """Return an image (H, W) in gray, as tinted RGB (H, W, 3), and the luminance."""
    rgb = codes(np.stack([(gray / 255) ** power for power in TINT], axis=2))
    return {
        "gray": codes(gray / 255),
        "rgb": rgb,
        "luminance": codes(rgb / 255 @ np.array(LUMA)),
    }


def codes(unit: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Return units as stored values of 8 bits."""
    stored: NDArray[np.uint8] = np.rint(255 * unit.clip(0, 1)).astype(np.uint8)
    return stored
