"""The RLE of DICOM, decoded within bounds.

The decoder of pylibjpeg-rle panics on damaged streams, past what Python catches as an
error. Decoding is a short loop, and fast enough: a run at a time.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import UnreadableError

_HEADER_BYTES = 64


def decode_rle(stream: bytes, samples: int, sample_bytes: int) -> NDArray[np.uint8]:
    """Return the bytes of one frame of single-channel samples.

    Parameters
    ----------
    samples : pixels expected
    sample_bytes : 1 or 2; each byte of the samples has a segment, the high one first

    Returns
    -------
    (samples, sample_bytes), little endian

    Raises
    ------
    UnreadableError
        If the segments are not as many, or not as long, as the image needs.

    References
    ----------
    DICOM PS3.5 G.3 to G.5
    """
    if len(stream) < _HEADER_BYTES:
        raise _damaged(f"has {len(stream)} bytes, less than its header of 64")
    count, *offsets = struct.unpack(f"<{_HEADER_BYTES // 4}L", stream[:_HEADER_BYTES])
    if count != sample_bytes:
        raise _damaged(f"has {count} segments where {sample_bytes} were expected")
    bounds = [*offsets[:count], len(stream)]
    if bounds[0] != _HEADER_BYTES or sorted(bounds) != bounds:
        raise _damaged("has segments in impossible places")
    image = np.empty((samples, sample_bytes), np.uint8)
    for n in range(count):
        segment = _unpacked(stream[bounds[n] : bounds[n + 1]], samples)
        if len(segment) < samples:
            raise _damaged(
                f"has a segment of {len(segment)} bytes where {samples} were expected"
            )
        image[:, count - 1 - n] = np.frombuffer(segment, np.uint8, samples)
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
        else:  # 128 means nothing
            at += 1
    return unpacked


def _damaged(what: str) -> UnreadableError:
    return UnreadableError(
        f"the RLE frame {what}; the file is damaged or truncated: export it anew"
    )
