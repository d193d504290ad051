"""JPEG streams are taken at their word only as far as that is safe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.dicom.coding.jpeg import JpegStream, parse_jpeg, with_standard_scan
from tests.dicom_files import JPEG_EXTENDED_FRAME, JPEG_LOSSLESS_FRAME


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
