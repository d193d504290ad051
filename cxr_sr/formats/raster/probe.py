"""Read the facts about the pixels of a raster file from its header.

Decoders convert palettes and single bits to bytes, and do not report that zero is
white. So this module reads the header itself.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from typing import IO, Any

from cxr_sr.formats.dicom.coding.jpeg import (
    JpegStream,
    coding_error,
    exif_of,
    parse_jpeg,
)
from cxr_sr.formats.gray import CHANNELS, ENLARGED
from cxr_sr.formats.guard import PARSER_ERRORS, readable
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster.facts import MOST_CHANNELS, RasterFacts
from cxr_sr.formats.raster.meta_image import read_meta_image
from cxr_sr.formats.raster.nifti import read_nifti
from cxr_sr.formats.raster.nrrd import read_nrrd
from cxr_sr.formats.raster.orient import UPRIGHT
from cxr_sr.formats.raster.scale import grid_of_png, grid_of_tiff
from cxr_sr.formats.raster.tiff import (
    JPEG_TABLES,
    PALETTE,
    REDUCED,
    Directory,
    directories,
    first_directory,
)
from cxr_sr.formats.raster.volume import Volume

JPEG_METHOD = "ISO_10918_1"
"""Defined term of LossyImageCompressionMethod, PS3.3 C.7.6.1.1.5.1."""
LOSSY = f"It is JPEG, compressed with loss. {ENLARGED}"
PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
"""Number of samples of a pixel by colour type, with the palette applied: W3C PNG
11.2.2."""
_INDEXED = 3


def probe(file: IO[bytes], kind: Kind) -> RasterFacts:
    """Read the header of a raster file; `file` is at its start.

    Raises
    ------
    UnreadableError
        If the header is damaged.
    """
    with readable(f"the {kind.value} header"):
        if kind in VOLUMES:
            return _facts(VOLUMES[kind](file))
        return _PROBES[kind](file)


def _probe_png(file: IO[bytes]) -> RasterFacts:
    """Read the chunks before the image data; W3C PNG 11.2.2, 11.3."""
    head = file.read(33)
    columns, rows = (int.from_bytes(head[i : i + 4], "big") for i in (16, 20))
    bits, colour = head[24], head[25]
    chunks = dict(_png_chunks(file))
    said = []
    if b"sBIT" in chunks:
        said.append(
            f"sBIT says that {max(chunks[b'sBIT'], default=0)} bits of a sample are "
            "significant; the stored values stay as they are."
        )
    return RasterFacts(
        rows,
        columns,
        8 if colour == _INDEXED else bits,
        PNG_CHANNELS.get(colour, 0) + (b"tRNS" in chunks),
        grid=grid_of_png(chunks.get(b"sCAL", b"")),
        findings=(*said, *_channel_findings(PNG_CHANNELS.get(colour, 0))),
    )


def _png_chunks(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
        length = int.from_bytes(head[:4], "big")
        if head[4:] in {b"tRNS", b"sBIT", b"sCAL"}:
            yield head[4:], file.read(min(length, 2**16))
            file.seek(length - min(length, 2**16) + 4, 1)
        else:
            file.seek(length + 4, 1)


def _channel_findings(channels: int) -> tuple[str, ...]:
    return (CHANNELS,) if channels > 1 else ()


def _probe_tiff(file: IO[bytes]) -> RasterFacts:
    """Read the directories; TIFF 6.0 sections 2 and 8."""
    page = first_directory(file)
    pages = list(directories(file))
    frames = 1 + sum(not _is_thumbnail(other, page) for other in pages[1:])
    palette = page.number(262, 1) == PALETTE
    channels = 3 if palette else page.channels
    grid, scanned = grid_of_tiff(page)
    found = _channel_findings(channels)
    if len(pages) > frames:
        found += (f"Of {len(pages)} pages the first is read; others are thumbnails.",)
    if page.orientation != UPRIGHT:
        found += (_turned(page.orientation),)
    if page.is_lossy:
        found += (LOSSY,)
    return RasterFacts(
        *page.size,
        bits=page.number(258, 1),
        channels=channels,
        frames=frames,
        signed=page.number(339, 1) == 2,
        white_is_zero=page.number(262, 1) == 0,
        oddity=page.oddity,
        grid=grid,
        scanned=scanned,
        orientation=page.orientation,
        lossy=page.is_lossy,
        coding_error=coding_error(page.bytes_of(JPEG_TABLES, 2**16)),
        palette=palette,
        planar=page.number(284, 1) == 2,
        findings=found,
    )


def _is_thumbnail(other: Directory, page: Directory) -> bool:
    """Tell whether a later page is a smaller version of the first page."""
    smaller = math.prod(other.size) < math.prod(page.size)
    return smaller and not page.number(254, 0) & REDUCED


def _turned(orientation: int) -> str:
    return (
        f"Its orientation is {orientation}: the image is turned or mirrored to make "
        "the result upright."
    )


def _probe_jpeg(file: IO[bytes]) -> RasterFacts:
    """Read the frame header, and the orientation by EXIF 2.3 4.5.4."""
    stream = file.read()
    jpeg = parse_jpeg(stream)
    orientation = _exif_orientation(stream)
    found = (LOSSY, *_channel_findings(jpeg.components))
    if orientation != UPRIGHT:
        found += (_turned(orientation),)
    if not jpeg.is_ended(stream):
        found += ("Its end-of-image marker is missing; the image may be incomplete.",)
    return RasterFacts(
        jpeg.rows,
        jpeg.columns,
        jpeg.precision,
        jpeg.components,
        oddity=_jpeg_oddity(jpeg),
        orientation=orientation,
        lossy=True,
        coding_error=coding_error(stream),
        findings=found,
    )


def _jpeg_oddity(jpeg: JpegStream) -> str:
    if jpeg.components == MOST_CHANNELS:
        return "the four inks of CMYK"
    if jpeg.precision != 8:
        return f"{jpeg.precision}-bit JPEG samples"
    if jpeg.components not in {1, 3}:
        return f"{jpeg.components} JPEG components"
    return "" if jpeg.is_dct else "a lossless or arithmetic JPEG coding"


def _exif_orientation(stream: bytes) -> int:
    """Return the orientation; upright if EXIF is missing or damaged."""
    try:
        return first_directory(io.BytesIO(exif_of(stream))).orientation
    except (*PARSER_ERRORS, OSError):
        return UPRIGHT


def _facts(volume: Volume) -> RasterFacts:
    """Return the facts from the header of a MetaImage, NRRD or NIfTI file."""
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
        grid=volume.grid,
        findings=_channel_findings(volume.channels),
    )


VOLUMES = {
    Kind.META_IMAGE: read_meta_image,
    Kind.NRRD: read_nrrd,
    Kind.NIFTI: read_nifti,
}
"""Readers of headers; `volume` decodes the samples after such a header."""
_PROBES: dict[Kind, Callable[[Any], RasterFacts]] = {
    Kind.PNG: _probe_png,
    Kind.JPEG: _probe_jpeg,
    Kind.TIFF: _probe_tiff,
}
