"""What a raster file says its pixels are, before a library turns them into others.

SimpleITK silently expands palettes and single bits to bytes, drops 16-bit tiles to
8-bit colour, and reads WhiteIsZero as if it were not. So the files' own headers are
asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cxr_sr.errors import NotARadiographError, UnreadableError
from cxr_sr.formats.dicom.parse import MAX_PIXELS
from cxr_sr.formats.guard import readable
from cxr_sr.formats.raster.meta_image import read_meta_image
from cxr_sr.formats.raster.nrrd import read_nrrd
from cxr_sr.formats.raster.volume import Volume
from cxr_sr.formats.sniff import Kind
from cxr_sr.radiograph import Photometric, PixelFormat


@dataclass(frozen=True)
class RasterFacts:
    """One image file's own description of its samples."""

    rows: int
    columns: int
    bits: int
    """Of one sample."""
    channels: int = 1
    frames: int = 1
    signed: bool = False
    white_is_zero: bool = False
    oddity: str = ""
    """What else keeps it from being read as it is, in a few words."""

    @property
    def photometric(self) -> Photometric:
        """WhiteIsZero is what DICOM calls MONOCHROME1."""
        if self.channels == 3:
            return "RGB"
        return "MONOCHROME1" if self.white_is_zero else "MONOCHROME2"

    @property
    def format(self) -> PixelFormat:
        """The pixel format; a raster file's samples are stored in all their bits."""
        return PixelFormat(self.bits, self.bits, self.signed, self.photometric)


def probe(path: Path, kind: Kind) -> RasterFacts:
    """Read a raster file's header.

    Raises
    ------
    UnreadableError
        If the header is damaged.
    """
    if kind in VOLUMES:
        return _facts(read_volume(path, kind))
    with readable(f"the {kind.value} header"), path.open("rb") as file:
        return _PROBES[kind](file)


def read_volume(path: Path, kind: Kind) -> Volume:
    """Read a MetaImage's or NRRD's header.

    Raises
    ------
    UnreadableError
        If it is damaged.
    """
    with readable(f"the {kind.value} header"), path.open("rb") as file:
        return VOLUMES[kind](file)


def check_raster(facts: RasterFacts) -> None:
    """Refuse all but one gray or RGB image of 8 or 16 bits.

    Raises
    ------
    NotARadiographError
        Naming what the file is instead.
    UnreadableError
        If it is absurdly large.
    """
    reason = facts.oddity
    if not reason and facts.frames != 1:
        reason = f"{facts.frames} pages or slices"
    if not reason and facts.channels not in {1, 3}:
        reason = f"{facts.channels} channels, so one of them is transparency"
    if not reason and facts.bits not in {8, 16}:
        reason = f"{facts.bits}-bit samples"
    if reason:
        raise NotARadiographError(
            f"the image has {reason}; expected one gray or RGB image with 8 or 16 bits "
            "a sample, of whole numbers: save it in that form"
        )
    if not 0 < facts.rows * facts.columns <= MAX_PIXELS:
        raise UnreadableError(
            f"the image has {facts.rows} x {facts.columns} pixels; 1 to {MAX_PIXELS} "
            "are read: the header is damaged, or this is no radiograph"
        )


def _probe_png(file: IO[bytes]) -> RasterFacts:
    """Read IHDR, and whether tRNS adds a channel; W3C PNG 11.2.2, 11.3.1."""
    head = file.read(33)
    columns, rows = (int.from_bytes(head[i : i + 4], "big") for i in (16, 20))
    bits, colour = head[24], head[25]
    oddity = {3: "a palette", 4: "an alpha channel", 6: "an alpha channel"}.get(colour)
    if oddity is None and _has_transparency(file):
        oddity = "a transparent colour"
    return RasterFacts(
        rows, columns, bits, 3 if colour == 2 else 1, oddity=oddity or ""
    )


def _has_transparency(file: IO[bytes]) -> bool:
    while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
        if head[4:] == b"tRNS":
            return True
        file.seek(int.from_bytes(head[:4], "big") + 4, 1)
    return False


def _probe_tiff(file: IO[bytes]) -> RasterFacts:
    """Read the first directory; TIFF 6.0 sections 2 and 8."""
    tags, another = tiff_directory(file)
    value = {tag: entry[0] for tag, entry in tags.items()}
    photometric = value.get(262, 1)
    sample_format = value.get(339, 1)
    return RasterFacts(
        rows=value[257],
        columns=value[256],
        bits=value.get(258, 1),
        channels=value.get(277, 1),
        frames=2 if another else 1,
        signed=sample_format == 2,
        white_is_zero=photometric == 0,
        oddity=_tiff_oddity(value, photometric, sample_format),
    )


def _tiff_oddity(value: dict[int, int], photometric: int, sample_format: int) -> str:
    oddities = {
        "a palette": photometric == 3,
        "a colour space other than gray or RGB": photometric not in {0, 1, 2, 3},
        "floating point samples": sample_format not in {1, 2},
        "tiles instead of strips": 322 in value,
        "its channels in separate planes": value.get(284, 1) != 1,
        "a rotated or mirrored orientation": value.get(274, 1) != 1,
    }
    return next((name for name, found in oddities.items() if found), "")


def tiff_directory(file: IO[bytes]) -> tuple[dict[int, tuple[int, int]], bool]:
    """Read the first directory of a TIFF or BigTIFF file.

    Returns
    -------
    tags : tag -> (its first value if a whole number, where that is in the file)
    another : whether a second directory follows
    """
    head = file.read(16)
    order = "little" if head[:2] == b"II" else "big"

    def number(data: bytes) -> int:
        return int.from_bytes(data, order)  # type: ignore[arg-type]

    big = number(head[2:4]) == 43
    count_bytes, offset_bytes = (8, 8) if big else (2, 4)
    file.seek(number(head[8:16] if big else head[4:8]))
    tags: dict[int, tuple[int, int]] = {}
    for _ in range(number(file.read(count_bytes))):
        start = file.tell() + 4 + offset_bytes
        entry = file.read(4 + 2 * offset_bytes)
        if len(entry) < 4 + 2 * offset_bytes:
            raise EOFError
        tag, kind = number(entry[:2]), number(entry[2:4])
        width = {1: 1, 3: 2, 4: 4, 16: 8}.get(kind, 0)
        count = number(entry[4 : 4 + offset_bytes])
        if width * count > offset_bytes:  # the values are elsewhere
            start = number(entry[4 + offset_bytes :])
        tags[tag] = _value_at(file, start, width, number), start
    return tags, number(file.read(offset_bytes)) != 0


def _value_at(
    file: IO[bytes], start: int, width: int, number: Callable[[bytes], int]
) -> int:
    here = file.tell()
    file.seek(start)
    value = number(file.read(width))
    file.seek(here)
    return value


def _facts(volume: Volume) -> RasterFacts:
    """Put into the common form what a MetaImage or NRRD header says."""
    columns, rows, *more = volume.size
    bits = int(volume.sample_type.split("-")[0])
    oddity = volume.oddity
    if not oddity and volume.dtype[1] == "f":
        oddity = f"samples of the kind {volume.sample_type}"
    return RasterFacts(
        rows,
        columns,
        bits,
        volume.channels,
        math.prod(more),
        signed=volume.dtype[1] == "i",
        oddity=oddity,
    )


VOLUMES = {Kind.META_IMAGE: read_meta_image, Kind.NRRD: read_nrrd}
_PROBES: dict[Kind, Callable[[Any], RasterFacts]] = {
    Kind.PNG: _probe_png,
    Kind.TIFF: _probe_tiff,
}
