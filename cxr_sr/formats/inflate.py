"""Decompress deflated data (zlib, gzip), up to a limit."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from cxr_sr.errors import UnreadableError

GZIP = zlib.MAX_WBITS | 16
"""Form with the header and trailer of gzip, RFC 1952."""
RAW = -zlib.MAX_WBITS
"""Form without header and trailer, as in a deflated DICOM file (PS3.5 A.5)."""
GZIP_MAGIC = b"\x1f\x8b\x08"
MAX_INFLATED_BYTES = 2**29 + 2**26
"""Largest decompressed size: the pixels of the largest image at 16 bits, and a large
header."""

_CHUNK_BYTES = 2**20


def inflate(data: bytes, wbits: int, what: str) -> BinaryIO:
    """Return the decompressed bytes as a stream at its start.

    Parameters
    ----------
    wbits : GZIP or RAW; a gzip file may have several members
    what : the subject of messages, such as "the gzip file"

    Raises
    ------
    UnreadableError
        If the data are damaged, end early, or give more than `MAX_INFLATED_BYTES`.
    """
    inflated, file = io.BytesIO(), io.BytesIO(data)
    while True:
        after = _inflate_one(file, inflated, wbits, what)
        file.seek(after)
        if wbits != GZIP or file.read(len(GZIP_MAGIC)) != GZIP_MAGIC:
            break
        file.seek(after)
    inflated.seek(0)
    return inflated


def inflated_head(data: bytes, count: int) -> bytes:
    """Return the first bytes of the content of a gzip file.

    Parameters
    ----------
    data : the beginning of the gzip file
    count : largest number of bytes to return; damaged data give fewer
    """
    try:
        return zlib.decompressobj(GZIP).decompress(data, count)
    except zlib.error:
        return b""


def _inflate_one(file: BinaryIO, inflated: BinaryIO, wbits: int, what: str) -> int:
    """Decompress one stream; return the offset in the file after the stream."""
    inflater = zlib.decompressobj(wbits)
    for chunk in _chunks(inflater, file, what):
        if inflated.tell() + len(chunk) > MAX_INFLATED_BYTES:
            raise UnreadableError(
                f"{what} is larger than {MAX_INFLATED_BYTES >> 20} MiB, more than any "
                "radiograph; the file is damaged or hostile"
            )
        inflated.write(chunk)
    if not inflater.eof:
        raise UnreadableError(
            f"{what} ends early: the file is truncated; copy or export it again"
        )
    return file.tell() - len(inflater.unused_data)


def _chunks(inflater: zlib._Decompress, file: BinaryIO, what: str) -> Iterator[bytes]:
    """Decompress in chunks; otherwise zlib would hold all data twice."""
    while not inflater.eof and (piece := file.read(_CHUNK_BYTES)):
        while not inflater.eof:
            try:
                chunk = inflater.decompress(piece, _CHUNK_BYTES)
            except zlib.error as error:
                raise UnreadableError(
                    f"{what} is damaged; copy or export the file again"
                ) from error
            yield chunk
            piece = inflater.unconsumed_tail
            # After a full chunk, output may be left, even without more input.
            if not piece and len(chunk) < _CHUNK_BYTES:
                break
