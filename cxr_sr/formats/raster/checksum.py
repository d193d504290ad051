"""Check the checksums of the strips and tiles of a TIFF file; libtiff ignores them.

libtiff stops when it has all samples. The checksum of a zlib or LZMA stream comes after
the samples, so a damaged stream would become wrong pixels. The other compressions of
TIFF have no checksum.
"""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.raster.tiff import Directory, first_directory

_OFFSETS_AND_COUNTS = ((273, 279), (324, 325))
"""Tags of strips, and of tiles."""
_COMPRESSION, _FILL_ORDER = 259, 266
_NEW: dict[int, Callable[[], Any]] = {
    8: zlib.decompressobj,
    32946: zlib.decompressobj,
    34925: lzma.LZMADecompressor,
}
_CHUNK_BYTES = 2**20
_MIRRORED = bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))
"""Each byte with its bits in the opposite order."""


def check_streams(data: bytes) -> None:
    """Refuse a TIFF file whose compressed data fail a checksum; use little memory.

    Parameters
    ----------
    data : the whole file

    Raises
    ------
    UnreadableError
        If a strip or tile of the first page is damaged or ends early.
    EOFError
        If the file ends in its directory.
    """
    page = first_directory(io.BytesIO(data))
    new = _NEW.get(page.number(_COMPRESSION, 1))
    if new is None:
        return
    mirrored = page.number(_FILL_ORDER, 1) == 2
    for start, count in _places(page):
        stream = data[start : start + count]
        _check(new(), stream.translate(_MIRRORED) if mirrored else stream)


def _places(page: Directory) -> list[tuple[int, int]]:
    """Return start and size in bytes of each strip or tile that is not empty."""
    found: list[tuple[int, int]] = []
    for offsets, counts in _OFFSETS_AND_COUNTS:
        found += zip(page.numbers(offsets), page.numbers(counts), strict=False)
    return [place for place in found if any(place)]


def _check(decompressor: Any, stream: bytes) -> None:  # noqa: ANN401 - zlib's or lzma's
    try:
        decompressor.decompress(stream, _CHUNK_BYTES)
        while not decompressor.eof:
            rest = getattr(decompressor, "unconsumed_tail", b"")
            if not decompressor.decompress(rest, _CHUNK_BYTES) and not rest:
                break
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise _damaged("are damaged") from error
    if not decompressor.eof:
        raise _damaged("end early")


def _damaged(what: str) -> UnreadableError:
    return UnreadableError(
        f"the compressed samples of the TIFF file {what}; copy or export it anew"
    )
