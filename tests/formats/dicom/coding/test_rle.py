"""RLE streams are taken at their word only as far as that is safe."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.pixels.encoders.native import _encode_row

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.dicom.coding.rle import decode_rle


def rle(*segments: bytes, offsets: list[int] | None = None) -> bytes:
    """A frame of these segments, packed already."""
    places = offsets or [64 + sum(map(len, segments[:n])) for n in range(len(segments))]
    header = [len(segments), *places]
    start = struct.pack("<16L", *header, *[0] * (16 - len(header)))
    return start + b"".join(segments)


@given(values=st.lists(st.integers(0, 65535), min_size=1, max_size=300))
def test_what_pydicom_packs_is_unpacked(values: list[int]):
    samples = np.array(values, "<u2")
    halves = samples.view(np.uint8).reshape(-1, 2)
    packed = [bytes(_encode_row(halves[:, n].tobytes())) for n in (1, 0)]
    found = decode_rle(rle(*packed), len(values), 2)
    np.testing.assert_array_equal(found.view("<u2").ravel(), samples)


def test_literals_runs_and_nothing_are_told_apart():
    packed = bytes([2, 7, 8, 9, 128, 254, 5, 0, 1])  # 7 8 9, nothing, 5 5 5, 1
    assert decode_rle(rle(packed), 7, 1).ravel().tolist() == [7, 8, 9, 5, 5, 5, 1]


def test_a_byte_of_padding_is_no_pixel():
    assert decode_rle(rle(bytes([0, 7, 0])), 1, 1).ravel().tolist() == [7]


def test_more_than_the_image_needs_is_not_unpacked():
    bomb = bytes([129, 1]) * 1_000_000
    with pytest.raises(UnreadableError, match="a segment of 256 bytes where 10"):
        decode_rle(rle(bomb), 10, 1)


BROKEN_RLE = {
    "no header": (b"\1\0\0\0", "has 4 bytes, less than its header"),
    "too many segments": (
        rle(b"\0\1", b"\0\1"),
        "has 2 segments where 1 were expected",
    ),
    "a count beyond reason": (
        struct.pack("<16L", 10**9, *[0] * 15),
        "segments where 1",
    ),
    "a segment before the header's end": (
        rle(b"\0\1", offsets=[10]),
        "impossible places",
    ),
    "a segment beyond the frame": (rle(b"\0\1", offsets=[9999]), "impossible places"),
    "too few pixels": (rle(b"\0\1"), "a segment of 1 bytes where 10 were expected"),
    "a literal cut short": (rle(b"\x09\1\2\3"), "a segment of 3 bytes where 10"),
    "a run without a value": (rle(b"\xf7"), "a segment of 0 bytes where 10"),
}


@pytest.mark.parametrize(("stream", "message"), BROKEN_RLE.values(), ids=BROKEN_RLE)
def test_a_broken_rle_frame_is_refused(stream: bytes, message: str):
    with pytest.raises(UnreadableError, match=message):
        decode_rle(stream, 10, 1)


@given(st.binary(max_size=200))
def test_no_bytes_make_rle_fail_otherwise(data: bytes):
    try:
        decoded = decode_rle(rle(data), 50, 1)
    except UnreadableError:
        return
    assert np.size(decoded) == 50
