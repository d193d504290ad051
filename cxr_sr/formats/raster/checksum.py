"""The lengths and checksums of compressed data, which libtiff and libpng ignore.

Their decoders stop once they have as many samples as they want: just before the
checksum that ends a stream of zlib or LZMA, and however much more a stream holds. In a
TIFF they also fill the rest of a JPEG image that ends early. So each stream is decoded
here once more, and must hold as much as the header states.
"""

from __future__ import annotations

import io
import lzma
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.dicom.coding.jpeg import END, decoded_whole, parse_jpeg
from cxr_sr.formats.raster.tiff import JPEG_TABLES, Directory, first_directory

_OFFSETS_AND_COUNTS = ((273, 279), (324, 325))
"""Tags of strips, and of tiles."""
_COMPRESSION, _FILL_ORDER = 259, 266
_JPEG = 7
_STREAMS: dict[int, Callable[[], Any]] = {
    8: zlib.decompressobj,
    32946: zlib.decompressobj,
    34925: lzma.LZMADecompressor,
}
_BLOCKS = {5: "lzw_decode", 32773: "packbits_decode", 50000: "zstd_decode"}
"""Functions of imagecodecs."""
CODECS = ("jpeg8_decode", *_BLOCKS.values())
"""The functions that a check may need."""
_CHUNK_BYTES = 2**20
_MIRRORED = bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))
"""Each byte with its bits in the opposite order."""


@dataclass(frozen=True)
class _Piece:
    """A strip or a tile."""

    stream: bytes
    shape: tuple[int, int]
    """(rows, columns)."""
    most_rows: int
    """More than its rows in the last strip of an image, which may be filled up."""
    row_bytes: int

    def check(self, found: int) -> None:
        """Compare the number of decoded bytes; less than a row too many is padding."""
        rows = self.shape[0]
        if not 0 <= found - rows * self.row_bytes < self._spare_bytes:
            raise _damaged(
                f"have {found} bytes in a strip or tile of {rows} rows of "
                f"{self.row_bytes} bytes"
            )

    @property
    def _spare_bytes(self) -> int:
        return (self.most_rows - self.shape[0]) * self.row_bytes + max(
            2, self.row_bytes
        )


def check_tiff(data: bytes, codecs: Any) -> None:  # noqa: ANN401 - it has no types
    """Refuse a TIFF file whose strips or tiles are not whole, or fail a checksum.

    Parameters
    ----------
    data : the whole file
    codecs : imagecodecs

    Raises
    ------
    UnreadableError
        If a strip or tile of the first page is damaged, or has fewer or more samples
        than the header states.
    EOFError
        If the file ends in its directory.
    """
    page = first_directory(io.BytesIO(data))
    compression = page.number(_COMPRESSION, 1)
    tables = page.bytes_of(JPEG_TABLES, 2**16)
    for piece in _pieces(page, data):
        if compression == _JPEG:
            _check_jpeg(piece, tables, codecs)
        elif compression in _STREAMS:
            piece.check(_length(_STREAMS[compression](), piece.stream))
        elif compression in _BLOCKS:
            decode = getattr(codecs, _BLOCKS[compression])
            piece.check(len(decode(piece.stream)))
        elif compression == 1:
            piece.check(len(piece.stream))


def _check_jpeg(piece: _Piece, tables: bytes, codecs: Any) -> None:  # noqa: ANN401
    """Decode one JPEG; the decoder prints that it made up the end."""
    stream = piece.stream
    if tables:
        stream = tables.removesuffix(END) + stream[2:]
    jpeg = parse_jpeg(stream)
    rows, columns = piece.shape
    if jpeg.columns != columns or not rows <= jpeg.rows <= piece.most_rows:
        raise _damaged(
            f"are JPEG of {jpeg.rows} x {jpeg.columns} pixels in a strip or tile of "
            f"{rows} x {columns}"
        )
    decoded_whole(stream, jpeg, codecs.jpeg8_decode)


def _pieces(page: Directory, data: bytes) -> Iterator[_Piece]:
    """Yield the strips or tiles of a page; those without data are left out."""
    rows, columns = page.size
    planar = page.number(284, 1) == 2
    bits = page.number(258, 1) * (1 if planar else page.channels)
    is_tiled = 324 in page
    width = page.number(322, columns) if is_tiled else columns
    most = page.number(323, rows) if is_tiled else min(page.number(278, rows), rows)
    down = math.ceil(rows / max(most, 1))
    mirrored = page.number(_FILL_ORDER, 1) == 2
    for n, (start, count) in enumerate(_places(page)):
        stream = data[start : start + count]
        left = most if is_tiled else min(most, rows - n % down * most)
        yield _Piece(
            stream.translate(_MIRRORED) if mirrored else stream,
            (left, width),
            most,
            math.ceil(width * bits / 8),
        )


def _places(page: Directory) -> list[tuple[int, int]]:
    """Return where each strip or tile begins, and its size."""
    offsets, counts = _OFFSETS_AND_COUNTS[324 in page]
    return list(zip(page.numbers(offsets), page.numbers(counts), strict=False))


def check_png(data: bytes) -> None:
    """Refuse a PNG whose image data hold fewer or more samples than its header states.

    Raises
    ------
    UnreadableError
        If they do, or are damaged.

    References
    ----------
    W3C PNG 7.2, 8.1 and 9
    """
    columns, rows = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    bits = data[24] * _PNG_SAMPLES.get(data[25], 1)
    sizes = [(rows, columns)]
    if data[28]:
        sizes = [
            (-(-(rows - y) // down), -(-(columns - x) // across))
            for x, y, across, down in _ADAM7
        ]
    expected = sum(h * (1 + math.ceil(w * bits / 8)) for h, w in sizes if w > 0 < h)
    found = _length(zlib.decompressobj(), b"".join(_png_data(data)))
    if found != expected:
        raise _damaged(f"have {found} bytes instead of {expected}", "PNG")


_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Stored samples of a pixel by the colour type."""
_ADAM7 = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
"""First column, first row, and the distances between columns and rows of a pass."""


def _png_data(data: bytes) -> Iterator[bytes]:
    at = 8
    while len(head := data[at : at + 8]) == 8:
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"IDAT":
            yield data[at + 8 : at + 8 + length]
        at += length + 12


def _length(decompressor: Any, stream: bytes) -> int:  # noqa: ANN401 - zlib's or lzma's
    """Return the number of bytes in a stream; never allocate much.

    Raises
    ------
    UnreadableError
        If the stream is damaged or ends early.
    """
    count = 0
    try:
        while not decompressor.eof:
            some = decompressor.decompress(stream, _CHUNK_BYTES)
            stream = getattr(decompressor, "unconsumed_tail", b"")
            count += len(some)
            if not some and not stream:
                break
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise _damaged("are damaged") from error
    if not decompressor.eof:
        raise _damaged("end early")
    return count


def _damaged(what: str, kind: str = "TIFF") -> UnreadableError:
    return UnreadableError(
        f"the compressed samples of the {kind} file {what}; copy or export it again"
    )
