"""Draw synthetic training images: dead leaves with bands, wires and letters.

They show edges, lines and letters of every size, contrast and direction; a few hundred
radiographs do not. They need no licence. Because they are no radiographs, they can only
be a part of the training images.

References
----------
R. Achddou, Y. Gousseau, S. Ladjal, "Fully synthetic training for image restoration
tasks", CVIU 233 (2023): networks trained on dead leaves come close to those trained on
photographs. G. Matheron, 1968: the model.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw

from cxr_sr.index.table import IndexEntry
from cxr_sr.superres.intensity import Scaling
from cxr_sr.training.data.degrade import gaussian_blur
from cxr_sr.training.data.images import TrainingImage
from cxr_sr.training.data.markers import draw_markers

SOURCE, LICENCE = "synthetic (dead leaves)", "none needed: made by this program"
SIDE_PX = 768
FINER = 2
"""Shapes are drawn finer by this factor, then binned; this smooths their edges."""
BITS = 14
LEAVES = 900
RADIUS_PX = (3.0, 260.0)
"""Least and largest radius of a leaf in px. The density of the radius is radius^-2:
most leaves are small, and large leaves are visible between them."""
BLUR_PX = (0.0, 1.6)
"""Least and largest sigma of the blur in px; focal spot and scintillator blur a
radiograph, too."""

Plane = NDArray[np.float32]


def synthetic_images(count: int, seed: int) -> list[TrainingImage]:
    """Return `count` images; only `seed` and its number decide an image."""
    return [synthetic_image(seed, number) for number in range(count)]


def synthetic_image(seed: int, number: int) -> TrainingImage:
    """Return one image (768, 768) with 14 bits."""
    random = np.random.default_rng((seed, number))
    unit = _leaves(random)
    unit = _bones(unit, random) if random.random() < 0.7 else unit
    unit = _wires(unit, random) if random.random() < 0.7 else unit
    unit = _blurred(unit, random.uniform(*BLUR_PX))
    for _ in range(int(random.integers(1, 4))):
        unit = draw_markers(unit[None], (0.0, 1.0), random)[0]
    largest = 2**BITS - 1
    stored = (unit.clip(0, 1) * largest).round().astype(np.uint16)
    name = f"synthetic-{number}"
    entry = IndexEntry(Path(name), name, "train", name, SOURCE, LICENCE)
    return TrainingImage(stored, Scaling(0.0, float(largest)), (0, largest), entry)


def _leaves(random: np.random.Generator) -> Plane:
    """Return discs and rectangles that hide one another, each with its own shading."""
    side = SIDE_PX * FINER
    page = np.full((side, side), random.random(), np.float32)
    contrast = random.uniform(0.15, 1.0)
    low, high = (float(r) * FINER for r in RADIUS_PX)
    level = random.uniform(contrast / 2, 1 - contrast / 2)
    for _ in range(LEAVES):
        drawn = random.random()
        radius = 1 / (1 / low - drawn * (1 / low - 1 / high))
        gray = level + contrast * (random.random() - 0.5)
        _leaf(page, random.integers(side, size=2), radius, gray, random)
    return _binned(page) + _shading(random)


def _leaf(
    page: Plane,
    centre: NDArray[Any],
    radius: float,
    gray: float,
    random: np.random.Generator,
) -> None:
    reach = math.ceil(radius) + 1
    rows, columns = (
        slice(max(0, c - reach), min(n, c + reach + 1))
        for c, n in zip(centre, page.shape, strict=True)
    )
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - centre[0]
    x = np.arange(columns.start, columns.stop, dtype=np.float32)[None] - centre[1]
    angle = random.uniform(0, math.pi)
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    flat = random.uniform(0.3, 1)
    if random.random() < 0.75:
        inside = along**2 + (across / flat) ** 2 <= radius**2
    else:
        inside = np.maximum(np.abs(along), np.abs(across / flat)) <= radius * 0.7
    slope = random.uniform(-0.3, 0.3) / max(radius, 24)
    np.copyto(page[rows, columns], gray + slope * along, where=inside)


def _shading(random: np.random.Generator) -> Plane:
    """Return a smooth field between -0.1 and 0.1."""
    coarse = Picture.fromarray(random.uniform(-0.1, 0.1, (5, 5)).astype(np.float32))
    smooth = coarse.resize((SIDE_PX, SIDE_PX), Picture.Resampling.BICUBIC)
    return np.asarray(smooth, np.float32)


def _bones(unit: Plane, random: np.random.Generator) -> Plane:
    """Add curved bands with soft edges, denser at their rims, as ribs are."""
    for _ in range(int(random.integers(2, 9))):
        width = random.uniform(8, 40)
        corner, size = random.uniform(-1, 2, 2), random.uniform(0.3, 2, 2)
        box = [*(corner * SIDE_PX * FINER), *((corner + size) * SIDE_PX * FINER)]
        start = random.uniform(0, 360)
        ends = start, start + random.uniform(60, 300)
        band = _arc(box, ends, width)
        inside = _arc(
            [*(v + 3 * FINER for v in box[:2]), *(v - 3 * FINER for v in box[2:])],
            ends,
            width - 6,
        )
        rim = _blurred(band - 0.6 * inside, random.uniform(0.5, 2))
        unit = unit + random.uniform(-0.15, 0.25) * rim
    return unit


def _arc(box: list[float], ends: tuple[float, float], width: float) -> Plane:
    page = Picture.new("L", (SIDE_PX * FINER,) * 2)
    if box[2] > box[0] and box[3] > box[1]:
        ImageDraw.Draw(page).arc(box, *ends, 255, max(1, round(width * FINER)))
    return _cover(page)


def _wires(unit: Plane, random: np.random.Generator) -> Plane:
    """Add thin lines, dark or bright, straight or curved, half a pixel wide or more."""
    for _ in range(int(random.integers(2, 14))):
        page = Picture.new("L", (SIDE_PX * FINER,) * 2)
        points = random.uniform(0, page.width, (int(random.integers(2, 6)), 2))
        width = max(1, round(FINER * random.uniform(0.5, 4)))
        if random.random() < 0.5:
            points = _curve(points)
        line = [tuple(point) for point in points.tolist()]
        ImageDraw.Draw(page).line(line, 255, width, joint="curve")
        cover = _cover(page)
        unit = unit + random.uniform(0.03, 0.5) * random.choice([-1, 1]) * cover
    return unit.astype(np.float32)


def _curve(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a Bezier curve through the first and the last point."""
    t = np.linspace(0, 1, 64)[:, None]
    order = len(points) - 1
    terms = (
        math.comb(order, k) * t**k * (1 - t) ** (order - k) * point
        for k, point in enumerate(points)
    )
    curve: NDArray[np.float64] = np.sum(list(terms), axis=0)
    return curve


def _cover(page: Picture.Image) -> Plane:
    """Return the share of each pixel that is white on a page."""
    return _binned(np.asarray(page, np.float32) / np.float32(255))


def _binned(page: Plane) -> Plane:
    side = len(page) // FINER
    binned: Plane = page.reshape(side, FINER, side, FINER).mean((1, 3))
    return binned


def _blurred(unit: Plane, sigma_px: float) -> Plane:
    tensor = torch.from_numpy(unit.astype(np.float32))[None, None]
    blurred: Plane = gaussian_blur(tensor, max(sigma_px, 0.1))[0, 0].numpy()
    return blurred
