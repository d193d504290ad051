"""Decode the samples after a header: raw, or compressed by zlib, gzip or bzip2.

This module decodes them in Python, and compares every length and checksum, so that a
damaged file cannot become wrong pixels.
"""

from __future__ import annotations

import bz2
import io
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.dicom.pixels import ALWAYS_DECODED_BYTES, MAX_EXPANSION
from cxr_sr.formats.raster.grid import Grid

Coding = Literal["raw", "zlib", "gzip", "bzip2"]
SAMPLE_TYPES = {
    "i1": "8-bit signed integer",
    "u1": "8-bit unsigned integer",
    "i2": "16-bit signed integer",
    "u2": "16-bit unsigned integer",
    "i4": "32-bit signed integer",
    "u4": "32-bit unsigned integer",
    "i8": "64-bit signed integer",
    "u8": "64-bit unsigned integer",
    "f4": "32-bit float",
    "f8": "64-bit float",
}
"""Names of the types for messages, by their names in numpy."""
_PADDING = b"\0\t\n\r "
_MIB = 2**20


@dataclass(frozen=True)
class Volume:
    """The description of the samples in a MetaImage, NRRD or NIfTI header."""

    size: tuple[int, ...]
    """Number of samples along x, y, and perhaps more axes."""
    dtype: str
    """Name of the stored type in numpy, such as "<u2"."""
    coding: Coding
    start: int | None
    """Place of the first sample, in bytes; None: the samples end the file."""
    grid: Grid | None
    channels: int = 1
    planar: bool = False
    """True if the channels are the slowest axis, False if they are the fastest."""
    oddity: str = ""
    """The reason why the file cannot be read, in a few words; "" if it can."""

    @property
    def sample_type(self) -> str:
        """Name of the type for messages."""
        return SAMPLE_TYPES[self.dtype[1:]]

    @property
    def sample_bytes(self) -> int:
        """Number of bytes of all decoded samples."""
        item = np.dtype(self.dtype).itemsize
        return math.prod(self.size) * self.channels * item


class _Decompressor(Protocol):
    """The common interface of the decompressors of zlib and bz2."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def samples(file: IO[bytes], volume: Volume) -> NDArray[Any]:
    """Return the samples in this machine's byte order: (..., y, x) or (..., y, x, 3).

    Raises
    ------
    UnreadableError
        If the file has fewer or more samples than the header states, or the compressed
        data are damaged.
    """
    start = _start(file, volume)
    file.seek(start)
    data = file.read()
    if volume.coding != "raw":
        data = _inflated(data, _NEW[volume.coding], volume.sample_bytes)
    native = np.dtype(volume.dtype).newbyteorder("=")
    count = volume.sample_bytes // native.itemsize
    stored = np.frombuffer(data, volume.dtype, count)
    axes = volume.size[::-1]
    if volume.planar:
        planes = stored.reshape(volume.channels, *axes)
        return np.ascontiguousarray(np.moveaxis(planes, 0, -1), native)
    channels = () if volume.channels == 1 else (volume.channels,)
    return stored.reshape(axes + channels).astype(native)


def _start(file: IO[bytes], volume: Volume) -> int:
    """Return the place of the samples; refuse a file that cannot hold them."""
    end = file.seek(0, io.SEEK_END)
    expected = volume.sample_bytes
    start = end - expected if volume.start is None else volume.start
    found = end - start
    if volume.coding == "raw":
        # Up to a row of additional bytes is padding; with more, the size is wrong.
        spare = expected // math.prod(volume.size[1:])
        fits = start >= 0 and expected <= found < expected + max(2, spare)
    else:
        largest = found * MAX_EXPANSION + ALWAYS_DECODED_BYTES
        fits = 0 < found <= 2 * expected + _MIB and expected <= largest
    if not fits:
        raise UnreadableError(
            f"the header states {expected} bytes of samples, but the file has "
            f"{max(found, 0)} bytes ({volume.coding}) for them; it is truncated, or "
            "its header is wrong: copy or export it again"
        )
    return start


def _inflated(data: bytes, new: Callable[[], _Decompressor], expected: int) -> bytes:
    """Return `expected` bytes from one stream or several consecutive streams.

    At most one additional byte is decompressed, so a hostile file cannot fill the
    memory.

    Raises
    ------
    UnreadableError
        If a stream is damaged, ends early or fails its checksum, or the number of bytes
        is wrong.
    """
    inflated = io.BytesIO()
    while data and (left := expected + 1 - inflated.tell()) > 0:
        stream = new()
        try:
            inflated.write(stream.decompress(data, left))
        except (zlib.error, OSError, EOFError) as error:
            raise _damaged("are damaged") from error
        if not stream.eof and inflated.tell() <= expected:
            raise _damaged("end early")
        data = stream.unused_data.lstrip(_PADDING)
    if inflated.tell() != expected:
        fewer = inflated.tell() < expected
        raise _damaged(
            f"inflate to {'fewer' if fewer else 'more'} than the {expected} bytes that "
            "the header states"
        )
    return inflated.getvalue()


def _damaged(what: str) -> UnreadableError:
    return UnreadableError(
        f"the compressed samples {what}; the file is damaged or truncated: copy or "
        "export it again"
    )


_NEW: dict[Coding, Callable[[], _Decompressor]] = {
    # MetaImage says zlib and reads gzip, too.
    "zlib": lambda: zlib.decompressobj(zlib.MAX_WBITS | 32),
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "bzip2": bz2.BZ2Decompressor,
}
