"""Draw markers and shutters into training crops.

Markers cover a hundredth of a radiograph, but cause up to nine tenths of the error of
its enlargement. A few hundred radiographs have too few markers to learn from. This
module draws the text of consoles (with or without a shadow), lead letters (turned,
mirrored, translucent, or cut out of a plate), and the edges of shutters.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

Plane = NDArray[np.floating[Any]]

WORDS = (
    *("L", "R") * 3,
    *("AP", "PA", "LATERAL", "ERECT", "UPRIGHT", "SEMI-ERECT", "SUPINE"),
    *("PORTABLE", "MOBILE"),
)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansDisplay", "DejaVuSansMono"),
    *("DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold"),
    *("STIXGeneral", "STIXGeneralBol"),
)
"""Fonts that come with Matplotlib."""
SYMBOLS = re.compile("symbol|dingbat|emoji|icon|D050000L", re.IGNORECASE)
"""Names of fonts whose letters are pictures."""
OVERSAMPLING = 3
"""Letters are drawn finer by this factor and then binned; this smooths their edges."""
VIEW_PX = (64, 256)
"""Least and largest side of the region for one marker, px."""
CROP_PX = 256
"""A crop gets one marker, and one more for every `CROP_PX` of its side."""
HEIGHT_PX = (10.0, 64.0)
"""Least and largest height of letters in px, drawn log-uniformly."""
BURNED, LEAD = 0.5, 0.35
"""Shares of burned-in text and of lead; the rest are shutters."""


def draw_markers(
    unit: Plane, span: tuple[float, float], random: np.random.Generator
) -> Plane:
    """Return a copy of a crop with markers.

    Parameters
    ----------
    unit : (C, H, W) in units
    span : the least and the largest value that the image can store, in units
    random : the source of all random numbers
    """
    marked = unit.copy()
    for _ in range(1 + min(unit.shape[1:]) // CROP_PX):
        side = min(*unit.shape[1:], int(random.integers(*VIEW_PX, endpoint=True)))
        room = [n - side + 1 for n in unit.shape[1:]]
        row, column = random.integers(room).tolist()
        view = marked[:, row : row + side, column : column + side]
        view[:] = _marked(view, span, random).clip(*span)
    return marked


def _marked(
    view: Plane, span: tuple[float, float], random: np.random.Generator
) -> Plane:
    side = view.shape[-1]
    kind = random.random()
    # Consoles write at full scale; films and windows have less.
    brighter = float(view.max()) + random.uniform(0, 0.3)
    white = span[1] if random.random() < 0.7 else min(span[1], brighter)
    if kind < BURNED:
        cover = _reduced(_text(side, random, turned=False), 0.0)
        return _mix(_ground(view, cover, span[0], random), white, cover)
    if kind < BURNED + LEAD:
        page = _text(side, random, turned=True)
        cover = _plate(_reduced(page, random.uniform(0, 1.5)), random)
        if random.random() < 0.3:
            return _mix(view, white, cover)
        absorbed: Plane = view + cover * random.uniform(0.2, 1.2)
        return absorbed.clip(None, white)
    cover = _reduced(_shutter(side, random), random.uniform(0, 1))
    return _mix(view, span[0] if random.random() < 0.7 else span[1], cover)


def _mix(view: Plane, level: float, cover: Plane) -> Plane:
    cover = cover.astype(view.dtype)
    mixed: Plane = view * (1 - cover) + view.dtype.type(level) * cover
    return mixed


def _ground(
    view: Plane, cover: Plane, black: float, random: np.random.Generator
) -> Plane:
    """Return the background of text: the image, a shadow in it, or a black field."""
    drawn = random.random()
    if drawn < 0.5:
        by = int(random.integers(1, 4))
        shadow = np.zeros_like(cover)
        shadow[by:, by:] = cover[:-by, :-by]
        return _mix(view, black, shadow)
    return np.full_like(view, black) if drawn < 0.6 else view


def _plate(cover: Plane, random: np.random.Generator) -> Plane:
    """Return letters, or sometimes a plate with cut-out letters."""
    if random.random() < 0.8:
        return cover
    margin = len(cover) * 3 // 20
    inside = (slice(margin, -margin),) * 2
    plate = np.zeros_like(cover)
    plate[inside] = 1 - cover[inside]
    return plate


def _text(side: int, random: np.random.Generator, *, turned: bool) -> Image.Image:
    """Return a black page of the oversampled view with white letters anywhere."""
    low, high = HEIGHT_PX
    height = low * (high / low) ** random.random()
    word = _word(random)
    # Of a word as large as the view, only some strokes would be visible.
    word = word[0] if height > 0.4 * side else word
    glyphs = _glyphs(word, _font(int(random.integers(len(_paths()))), round(height)))
    if random.random() < 0.15:
        frame = (1, 1, glyphs.width - 2, glyphs.height - 2)
        stroke = max(1, glyphs.height // 12)
        ImageDraw.Draw(glyphs).ellipse(frame, outline=255, width=stroke)
    if turned:
        if random.random() < 0.3:
            glyphs = glyphs.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        angle = random.uniform(-180, 180)
        glyphs = glyphs.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    page = Image.new("L", (side * OVERSAMPLING,) * 2)
    limits = [max(-n // 2 + 1, page.width - n // 2) for n in glyphs.size]
    column, row = (
        int(random.integers(-n // 2, limit))
        for n, limit in zip(glyphs.size, limits, strict=True)
    )
    page.paste(glyphs, (column, row))
    return page


def _word(random: np.random.Generator) -> str:
    if random.random() < 0.6:
        return WORDS[random.integers(len(WORDS))]
    drawn = random.integers(len(LETTERS), size=random.integers(1, 7))
    return "".join(LETTERS[i] for i in drawn)


def _glyphs(word: str, font: FreeTypeFont) -> Image.Image:
    left, top, right, bottom = (round(x) for x in font.getbbox(word))
    glyphs = Image.new("L", (right - left + 8, bottom - top + 8))
    ImageDraw.Draw(glyphs).text((4 - left, 4 - top), word, fill=255, font=font)
    return glyphs


def _shutter(side: int, random: np.random.Generator) -> Image.Image:
    """Return a page of the oversampled view that is white on one side of an edge."""
    end = side * OVERSAMPLING
    edge = int(random.integers(end // 8, end * 7 // 8))
    slant = int(random.integers(-end // 8, end // 8)) if random.random() < 0.5 else 0
    page = Image.new("L", (end, end))
    corners = [(0, 0), (edge, 0), (edge + slant, end), (0, end)]
    ImageDraw.Draw(page).polygon(corners, fill=255)
    for turn in (Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_180):
        page = page.transpose(turn) if random.random() < 0.5 else page
    return page


def _reduced(page: Image.Image, blur_px: float) -> Plane:
    """Blur a page, and return the covered share of each pixel of the view."""
    side = page.width // OVERSAMPLING
    blurred = page.filter(ImageFilter.GaussianBlur(blur_px * OVERSAMPLING))
    cover = blurred.resize((side, side), Image.Resampling.BOX)
    return np.asarray(cover, np.float32) / 255


@cache
def _paths() -> list[Path]:
    """Return Matplotlib's fonts, and those of the system that have Latin letters."""
    import matplotlib as mpl
    from matplotlib.font_manager import findSystemFonts

    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    found = sorted(Path(name) for name in findSystemFonts())
    return [folder / f"{name}.ttf" for name in FONTS] + [f for f in found if _latin(f)]


def _latin(path: Path) -> bool:
    try:
        font = ImageFont.truetype(path, 24)
        shapes = {bytes(font.getmask(letter)) for letter in LETTERS}
    except (OSError, ValueError):
        return False
    # A font draws the same box for all letters that it lacks.
    return len(shapes) == len(LETTERS) and not SYMBOLS.search(path.stem)


@lru_cache(maxsize=512)
def _font(index: int, height_px: int) -> FreeTypeFont:
    return ImageFont.truetype(_paths()[index], height_px * OVERSAMPLING)
