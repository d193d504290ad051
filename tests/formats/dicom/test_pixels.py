"""Whatever the coding, the values come out that were stored."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from cxr_sr.formats import read
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.radiograph import PixelFormat, Radiograph
from tests.builders import noise, pixel_format
from tests.dicom_files import (
    ENCODED_HERE,
    JPEG_EXTENDED_FRAME,
    RAMP,
    dicom_file,
    frame_for,
)

CLINICAL_FORMATS = st.builds(
    pixel_format,
    bits_stored=st.integers(6, 16),
    signed=st.booleans(),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
)


def dataset(radiograph: Radiograph) -> pydicom.Dataset:
    assert isinstance(radiograph.header, DicomHeader)
    return radiograph.header.dataset


@given(fmt=CLINICAL_FORMATS, syntax=st.sampled_from(ENCODED_HERE), seed=st.integers(0))
@settings(max_examples=120, deadline=None)
def test_every_format_in_every_syntax_gives_the_values_that_were_stored(
    fmt: PixelFormat, syntax: UID, seed: int
):
    pixels = noise((33, 35), fmt, seed % 2**32)
    with tempfile.TemporaryDirectory() as folder:
        found = read(dicom_file(Path(folder, "a.dcm"), pixels, fmt, syntax))
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.pixels.dtype == fmt.dtype
    assert found.format == fmt


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGLSLossless])
def test_eight_bits_may_lie_in_sixteen(tmp_path: Path, bits: int, syntax: UID):
    fmt = pixel_format(bits, bits_allocated=16)
    pixels = noise((20, 21), fmt)
    found = read(dicom_file(tmp_path / "a.dcm", pixels, fmt, syntax))
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.pixels.dtype == np.uint16


@pytest.mark.parametrize(
    "syntax", [HTJ2KLossless, JPEGLosslessSV1], ids=lambda s: s.name
)
def test_lossless_code_streams_of_other_encoders_are_exact(tmp_path: Path, syntax: UID):
    path = dicom_file(tmp_path / "a.dcm", RAMP, syntax=syntax, frame=frame_for(syntax))
    np.testing.assert_array_equal(read(path).pixels, RAMP)


@pytest.mark.parametrize(
    "scan", [b"\x00\x3f\x00", b"\x00\x00\x00"], ids=["standard", "Fuji's"]
)
def test_twelve_bit_extended_jpeg_is_decoded_whatever_its_scan_header_says(
    tmp_path: Path, scan: bytes, capfd: pytest.CaptureFixture[str]
):
    frame = JPEG_EXTENDED_FRAME.replace(
        b"\x01\x01\x00\x00\x3f\x00", b"\x01\x01\x00" + scan
    )
    path = dicom_file(tmp_path / "a.dcm", RAMP, syntax=JPEGExtended12Bit, frame=frame)
    found = read(path).pixels.astype(int)
    assert np.abs(found - RAMP).max() <= 2
    assert capfd.readouterr() == ("", "")


def test_baseline_jpeg_is_decoded_as_pillow_decodes_it(tmp_path: Path):
    image = pytest.importorskip("PIL.Image")
    fmt = pixel_format(8)
    shading = np.add.outer(np.arange(32), np.arange(40)).astype(np.uint8) * 3
    coded = io.BytesIO()
    image.fromarray(shading).save(coded, "JPEG", quality=90)
    path = dicom_file(
        tmp_path / "a.dcm", shading, fmt, JPEGBaseline8Bit, frame=coded.getvalue()
    )
    expected = np.asarray(image.open(coded)).astype(int)
    assert np.abs(read(path).pixels - expected).max() <= 1


def test_nothing_of_the_display_touches_the_values(tmp_path: Path):
    pixels = noise()
    path = dicom_file(
        tmp_path / "a.dcm",
        pixels,
        pixel_format(photometric="MONOCHROME1"),
        RescaleSlope="2.5",
        RescaleIntercept="-1000",
        PresentationLUTShape="INVERSE",
        WindowCenter=100,
        WindowWidth=50,
    )
    found = read(path)
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.format.photometric == "MONOCHROME1"


def test_the_image_may_be_in_several_fragments(tmp_path: Path):
    frame = frame_for(JPEGLosslessSV1)
    data = encapsulate([frame], fragments_per_frame=3)
    path = dicom_file(tmp_path / "a.dcm", RAMP, syntax=JPEGLosslessSV1, data=data)
    np.testing.assert_array_equal(read(path).pixels, RAMP)


def test_eight_bit_words_in_big_endian_are_swapped_back(tmp_path: Path):
    fmt = pixel_format(8)
    pixels = noise((5, 6), fmt)
    path = dicom_file(
        tmp_path / "a.dcm",
        pixels,
        fmt,
        ExplicitVRBigEndian,
        data=pixels.view("u2").byteswap().tobytes(),
    )
    file = pydicom.dcmread(path)
    file["PixelData"].VR = "OW"
    file.save_as(path)
    np.testing.assert_array_equal(read(path).pixels, pixels)


def test_a_value_at_the_top_of_its_sample_is_brought_down(tmp_path: Path):
    pixels = noise()
    path = dicom_file(tmp_path / "a.dcm", pixels << 4, pixel_format(), HighBit=15)
    found = read(path)
    np.testing.assert_array_equal(found.pixels, pixels)
    assert dataset(found).HighBit == 11


@pytest.mark.parametrize("filled", [True, False], ids=["sign-filled", "zero-filled"])
def test_a_sign_is_extended_from_bits_stored(tmp_path: Path, filled: bool):  # noqa: FBT001
    fmt = pixel_format(10, signed=True)
    pixels = noise(fmt=fmt)
    stored = pixels if filled else pixels & 0x3FF
    found = read(dicom_file(tmp_path / "a.dcm", stored, fmt))
    np.testing.assert_array_equal(found.pixels, pixels)
