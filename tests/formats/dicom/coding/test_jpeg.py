"""JPEG streams are taken at their word only as far as that is safe."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from pydicom.uid import JPEGLossless

from cxr_sr.errors import UnreadableError
from cxr_sr.formats import read
from cxr_sr.formats.dicom.coding.jpeg import (
    JpegStream,
    coding_error,
    parse_jpeg,
    with_standard_scan,
)
from tests.dicom_files import JPEG_EXTENDED_FRAME, JPEG_LOSSLESS_FRAME, dicom_file


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
    "nothing": (b"", "this one begins with nothing"),
    "something else": (b"\x89PNG", "this one begins with 89504e47"),
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


def lossless(pixels: NDArray[np.uint16], wrap: int, predictor: int) -> bytes:
    """A 12-bit lossless JPEG whose differences are modulo 2**wrap, T.81 annex H."""
    bits = []
    for (y, x), value in np.ndenumerate(pixels.astype(int)):
        left, above = pixels[y, x - 1], pixels[y - 1, x]
        corner = pixels[y - 1, x - 1]
        a, b, c = int(left), int(above), int(corner)
        inner = {1: a, 2: b, 4: a + b - c, 7: (a + b) >> 1}[predictor]
        expected = {(True, True): 2048, (True, False): a, (False, True): b}.get(
            (y == 0, x == 0), inner
        )
        half = 1 << (wrap - 1)
        difference = (int(value) - expected + half) % (2 * half) - half
        size = abs(difference).bit_length()
        bits.append(f"{size:05b}")
        if size:
            coded = difference if difference > 0 else difference + (1 << size) - 1
            bits.append(f"{coded:0{size}b}")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    data = bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))
    rows, columns = (n.to_bytes(2, "big") for n in pixels.shape)
    counts = bytes([0, 0, 0, 0, 17, *[0] * 11])
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xC3, b"\x0c" + rows + columns + b"\1\1\x11\0"),
            segment(0xC4, b"\0" + counts + bytes(range(17))),
            segment(0xDA, bytes([1, 1, 0, predictor, 0, 0])),
            data.replace(b"\xff", b"\xff\0"),
            b"\xff\xd9",
        ]
    )


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2, "big") + data


EDGES = np.random.default_rng(0).choice([0, 4095], (16, 16)).astype(np.uint16)


@pytest.mark.parametrize("wrap", [12, 16])
@pytest.mark.parametrize("predictor", [1, 2, 4])
def test_differences_of_a_lossless_jpeg_may_wrap(
    tmp_path: Path, wrap: int, predictor: int
):
    frame = lossless(EDGES, wrap, predictor)
    path = dicom_file(tmp_path / "a.dcm", EDGES, syntax=JPEGLossless, frame=frame)
    np.testing.assert_array_equal(read(path).pixels, EDGES)


def test_a_wrap_that_a_halving_predictor_cannot_undo_is_refused(tmp_path: Path):
    path = tmp_path / "a.dcm"
    dicom_file(path, EDGES, syntax=JPEGLossless, frame=lossless(EDGES, 16, 7))
    np.testing.assert_array_equal(read(path).pixels, EDGES)
    dicom_file(path, EDGES, syntax=JPEGLossless, frame=lossless(EDGES, 12, 7))
    with pytest.raises(UnreadableError, match="wrap at 12 bits under predictor 7"):
        read(path)


PIL = pytest.importorskip("PIL.Image")


def compressed(quality: int, **options: object) -> tuple[bytes, float]:
    """A JPEG file of a radiograph-like image, and the error that it has, in codes."""
    rows, columns = np.mgrid[:256, :256]
    shading = 120 + 60 * np.sin(rows / 31) * np.cos(columns / 23)
    noise = np.random.default_rng(3).normal(size=(258, 258))
    grain = sliding_window_view(noise, (3, 3)).mean((2, 3))
    image = np.rint(shading + 10 * grain).clip(0, 255).astype(np.uint8)
    stream = io.BytesIO()
    PIL.fromarray(image).save(stream, "JPEG", quality=quality, **options)
    error = np.asarray(PIL.open(stream), float) - image
    return stream.getvalue(), float(error.std())


@pytest.mark.parametrize("quality", [50, 60, 75, 85, 90, 95])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
def test_the_tables_of_a_jpeg_tell_its_error(quality: int, options: dict[str, object]):
    stream, error = compressed(quality, **options)
    assert 0.7 * error < coding_error(stream) < 1.7 * error


def test_a_jpeg_that_rounds_to_integers_has_no_error_to_tell():
    assert coding_error(compressed(100)[0]) == 0


@pytest.mark.parametrize("stream", [JPEG_LOSSLESS_FRAME, b"", b"\xff\xd8", bytes(999)])
def test_other_streams_have_none(stream: bytes):
    assert coding_error(stream) == 0


def test_steps_of_16_bits_count_in_the_codes_of_the_image():
    """A table of 12-bit JPEG, T.81 B.2.4.1: sixteen times the 8-bit table."""
    stream, _ = compressed(75)
    table = stream.index(b"\xff\xdb")
    length = int.from_bytes(stream[table + 2 : table + 4], "big")
    steps = stream[table + 5 : table + 69]
    wide = b"".join((16 * step).to_bytes(2, "big") for step in steps)
    frame = stream.index(b"\xff\xc0", table)
    twelve = (
        stream[:table]
        + segment(0xDB, b"\x10" + wide)
        + stream[table + 2 + length : frame]
        + b"\xff\xc1"
        + stream[frame + 2 : frame + 4]
        + b"\x0c"
        + stream[frame + 5 :]
    )
    assert coding_error(twelve) == pytest.approx(16 * coding_error(stream))
    assert coding_error(twelve, 10) < coding_error(twelve, 12) == coding_error(twelve)


@pytest.mark.parametrize("data", [b"\xff\xdb\0\3\0", b"\xff\xdb\0\x10\0" + bytes(9)])
def test_a_short_table_is_no_table(data: bytes):
    assert coding_error(b"\xff\xd8" + data) == 0


def test_of_a_real_radiograph_the_tables_tell_the_error(shared_dicom: Path):
    """A hip in 10 of the 12 bits of extended JPEG, beside the same without loss."""
    lossy, whole = (
        read(shared_dicom / f"hip_fuji_rg2_{code}.dcm") for code in ("jply", "jpll")
    )
    error = float((lossy.pixels.astype(float) - whole.pixels).std())
    assert lossy.coding_error == pytest.approx(error, rel=0.3)
    assert whole.coding_error == 0
