"""Code streams are taken at their word only as far as that is safe."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.pixels.encoders.native import _encode_row

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.dicom.jpeg import JpegStream, parse_jpeg, with_standard_scan
from cxr_sr.formats.dicom.rle import decode_rle
from tests.dicom_files import JPEG_EXTENDED_FRAME, JPEG_LOSSLESS_FRAME


def rle(*segments: bytes, offsets: list[int] | None = None) -> bytes:
    """A frame of these segments, packed already."""
    places = offsets or [64 + sum(map(len, segments[:n])) for n in range(len(segments))]
    header = [len(segments), *places]
    start = struct.pack("<16L", *header, *[0] * (16 - len(header)))
    return start + b"".join(segments)


# ---- RLE -----------------------------------------------------------------------------


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
    assert decode_rle(rle(bytes([0, 7, 0])), 1, 1).tolist() == [[7]]


def test_more_than_the_image_needs_is_not_unpacked():
    bomb = bytes([129, 1]) * 1_000_000
    assert decode_rle(rle(bomb), 10, 1).ravel().tolist() == [1] * 10


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


# ---- JPEG ----------------------------------------------------------------------------


def test_the_frame_header_is_found():
    assert parse_jpeg(JPEG_EXTENDED_FRAME) == JpegStream(
        coding=0xC1,
        precision=12,
        rows=16,
        columns=16,
        components=1,
        scan=JPEG_EXTENDED_FRAME.index(b"\xff\xda") + 10,
    )
    assert parse_jpeg(JPEG_LOSSLESS_FRAME).coding == 0xC3


def test_fill_bytes_and_markers_without_a_length_are_stepped_over():
    padded = JPEG_LOSSLESS_FRAME[:2] + b"\xff\xff\xff\x01" + JPEG_LOSSLESS_FRAME[2:]
    assert parse_jpeg(padded).rows == 16


def test_the_scan_header_of_a_sequential_stream_is_set_right():
    wrong = JPEG_EXTENDED_FRAME.replace(b"\0\x3f\0", b"\0\0\0")
    assert wrong != JPEG_EXTENDED_FRAME
    assert with_standard_scan(wrong, parse_jpeg(wrong)) == JPEG_EXTENDED_FRAME


def test_the_scan_header_of_a_lossless_stream_names_its_predictor():
    jpeg = parse_jpeg(JPEG_LOSSLESS_FRAME)
    assert with_standard_scan(JPEG_LOSSLESS_FRAME, jpeg) == JPEG_LOSSLESS_FRAME


BROKEN_JPEG = {
    "nothing": (b"", "this one does with nothing"),
    "something else": (b"\x89PNG", "this one does with 89504e47"),
    "only a start": (b"\xff\xd8", "ends before its image begins"),
    "no scan": (JPEG_LOSSLESS_FRAME[:30], "ends before its image begins"),
    "no frame": (
        b"\xff\xd8\xff\xda\0\x08\1\1\0\0\x3f\0",
        "ends before its image begins",
    ),
    "no marker": (b"\xff\xd8" + bytes(50), "ends before its image begins"),
}


@pytest.mark.parametrize(("stream", "message"), BROKEN_JPEG.values(), ids=BROKEN_JPEG)
def test_a_broken_jpeg_is_refused(stream: bytes, message: str):
    with pytest.raises(UnreadableError, match=message):
        parse_jpeg(stream)


@given(st.binary(max_size=300))
def test_no_bytes_make_parsing_fail_otherwise(data: bytes):
    try:
        parse_jpeg(b"\xff\xd8" + data)
    except UnreadableError:
        return
