"""Decode the RLE of DICOM within bounds.

The decoder of pylibjpeg-rle panics on damaged streams, and Python cannot catch a panic.
This loop decodes one run at a time, and is fast enough.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import UnreadableError

_HEADER_BYTES = 64
_MOST_PADDING = 128
"""Largest number of extra bytes in a segment: some writers end it with a whole run."""


def decode_rle(
    stream: bytes, pixels: int, sample_bytes: int, channels: int = 1
) -> NDArray[np.uint8]:
    """Return the bytes of one frame.

    Parameters
    ----------
    pixels : expected number of pixels
    sample_bytes : 1 or 2; each byte of the samples has a segment, the high one first
    channels : samples of a pixel; the segments of red come first

    Returns
    -------
    (channels, pixels, sample_bytes), little endian

    Raises
    ------
    UnreadableError
        If the image needs another number of segments, or longer segments.

    References
    ----------
    DICOM PS3.5 G.3 to G.5
    """
    if len(stream) < _HEADER_BYTES:
        raise _damaged(f"has {len(stream)} bytes, less than its header of 64")
    count, *offsets = struct.unpack(f"<{_HEADER_BYTES // 4}L", stream[:_HEADER_BYTES])
    if count != sample_bytes * channels:
        expected = sample_bytes * channels
        raise _damaged(f"has {count} segments where {expected} were expected")
    bounds = [*offsets[:count], len(stream)]
    if bounds[0] != _HEADER_BYTES or sorted(bounds) != bounds:
        raise _damaged("has segments in impossible places")
    image = np.empty((channels, pixels, sample_bytes), np.uint8)
    for n in range(count):
        segment = _unpacked(stream[bounds[n] : bounds[n + 1]], pixels + _MOST_PADDING)
        if not pixels <= len(segment) < pixels + _MOST_PADDING:
            raise _damaged(
                f"has a segment of {len(segment)} bytes where {pixels} were expected"
            )
        channel, byte = divmod(n, sample_bytes)
        plane = np.frombuffer(segment, np.uint8, pixels)
        image[channel, :, sample_bytes - 1 - byte] = plane
    return image


def _unpacked(segment: bytes, wanted: int) -> bytearray:
    """Undo PackBits; a segment may have a byte of padding at its end."""
    unpacked = bytearray()
    at, end = 0, len(segment)
    while at + 1 < end and len(unpacked) < wanted:
        control = segment[at]
        if control < 128:
            unpacked += segment[at + 1 : at + 2 + control]
            at += 2 + control
        elif control > 128:
            unpacked += segment[at + 1 : at + 2] * (257 - control)
            at += 2
        else:  # 128: no operation
            at += 1
    return unpacked


def _damaged(what: str) -> UnreadableError:
    return UnreadableError(
        f"the RLE frame {what}; the file is damaged or truncated: export it again"
    )
