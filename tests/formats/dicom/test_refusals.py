"""A file that is no radiograph or contradicts itself is refused, with its name."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import (
    UID,
    BreastTomosynthesisImageStorage,
    CTImageStorage,
    EnhancedXAImageStorage,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    UltrasoundImageStorage,
)

from cxr_sr.errors import InputError, NotARadiographError, UnreadableError
from cxr_sr.formats import inspect, read
from tests.builders import noise, pixel_format
from tests.dicom_files import (
    ENCODED_HERE,
    RAMP,
    described,
    dicom_file,
    frame_for,
    saved,
)

ANOTHER: dict[str, tuple[dict[str, Any], str]] = {
    "CT": ({"SOPClassUID": CTImageStorage}, "SOPClassUID .* is CT Image Storage"),
    "ultrasound": ({"SOPClassUID": UltrasoundImageStorage}, "Ultrasound Image Storage"),
    "segmentation": ({"SOPClassUID": SegmentationStorage}, "Segmentation Storage"),
    "tomosynthesis": (
        {"SOPClassUID": BreastTomosynthesisImageStorage},
        "Breast Tomosynthesis",
    ),
    "enhanced XA": ({"SOPClassUID": EnhancedXAImageStorage}, "Enhanced XA"),
    "no class": (
        {"SOPClassUID": None},
        r"SOPClassUID \(0008,0016\) is a UID of no known",
    ),
    "captured CT": (
        {"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "CT"},
        "CT in a secondary capture",
    ),
    "captured MR": (
        {"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "MR"},
        "MR in a secondary capture",
    ),
    "cine": ({"NumberOfFrames": 12}, r"NumberOfFrames \(0028,0008\) is 12"),
    "partial range": (
        {"PhotometricInterpretation": "YBR_PARTIAL_422", "SamplesPerPixel": 3},
        "YBR_PARTIAL_422",
    ),
    "colour of one sample": (
        {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 1},
        r"SamplesPerPixel \(0028,0002\) is 1 with RGB",
    ),
    "three samples": ({"SamplesPerPixel": 3}, r"SamplesPerPixel \(0028,0002\) is 3"),
    "mask": (
        {"BitsStored": 1, "HighBit": 0},
        r"BitsAllocated \(0028,0100\) is 16 with BitsStored 1",
    ),
    "32 bits": (
        {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31},
        r"BitsAllocated \(0028,0100\) is 32",
    ),
}


@pytest.mark.parametrize(("said", "message"), ANOTHER.values(), ids=ANOTHER)
def test_what_is_no_radiograph_is_refused_by_name(
    tmp_path: Path, said: dict[str, Any], message: str
):
    path = dicom_file(tmp_path / "a.dcm", **said)
    with pytest.raises(NotARadiographError, match=message) as refusal:
        read(path)
    assert str(refusal.value).endswith("leave this file out")


@pytest.mark.parametrize("modality", ["CR", "DX", "OT", "XA", "RG", None])
def test_a_secondary_capture_of_a_radiograph_is_one(
    tmp_path: Path, modality: str | None
):
    path = dicom_file(
        tmp_path / "a.dcm", SOPClassUID=SecondaryCaptureImageStorage, Modality=modality
    )
    assert read(path).shape == (33, 34)


def test_a_report_has_no_pixels(tmp_path: Path):
    header = described(noise(), pixel_format())
    with pytest.raises(NotARadiographError, match="no pixel data"):
        read(saved(tmp_path / "a.dcm", header))


def test_floating_point_pixels_are_refused(tmp_path: Path):
    header = described(noise(), pixel_format())
    header.FloatPixelData = noise().astype("f4").tobytes()
    with pytest.raises(NotARadiographError, match="floating point"):
        read(saved(tmp_path / "a.dcm", header))


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no rows": ({"Rows": None}, r"Rows \(0028,0010\) is missing"),
    "no columns": ({"Columns": 0}, r"Columns \(0028,0011\) is 0"),
    "no sign": ({"PixelRepresentation": None}, "PixelRepresentation .* is missing"),
    "odd sign": ({"PixelRepresentation": 2}, "PixelRepresentation .* is 2"),
    "no polarity": ({"PhotometricInterpretation": None}, "MONOCHROME1 or MONOCHROME2"),
    "more stored than allocated": (
        {"BitsStored": 17, "HighBit": 16},
        "BitsStored 17 with HighBit",
    ),
    "a high bit too low": ({"HighBit": 9}, "HighBit should be 11"),
    "a row too few": ({"Rows": 32}, "2244 bytes, but 2176 were expected"),
    "a row too many": ({"Rows": 34}, "2244 bytes, but 2312 were expected"),
    "absurd": ({"Rows": 65535, "Columns": 65535}, "65535 x 65535"),
}


@pytest.mark.parametrize(
    ("said", "message"), CONTRADICTIONS.values(), ids=CONTRADICTIONS
)
def test_a_header_that_contradicts_its_pixels_is_refused(
    tmp_path: Path, said: dict[str, Any], message: str
):
    with pytest.raises(UnreadableError, match=message):
        read(dicom_file(tmp_path / "a.dcm", **said))


def test_padding_at_the_end_of_the_pixels_is_none_of_them(tmp_path: Path):
    pixels = noise((33, 34))
    path = dicom_file(tmp_path / "a.dcm", pixels, data=pixels.tobytes() + bytes(66))
    np.testing.assert_array_equal(read(path).pixels, pixels)


SYNTAX_LIES: dict[str, tuple[UID, dict[str, Any], str]] = {
    # JPEG XL: pydicom learns its name where highdicom was imported before.
    "unknown": (UID("1.2.840.10008.1.2.4.110"), {}, "which no decoder here reads"),
    "private": (UID("1.2.3.4.5"), {}, "a UID of no known meaning, which no decoder"),
    "video": (UID("1.2.840.10008.1.2.4.100"), {}, "MPEG2.*no decoder here"),
    "native in a coded file": (
        JPEGLSLossless,
        {"data": noise((33, 34)).tobytes()},
        "the pixel data are not encapsulated",
    ),
    "another coding": (
        JPEGLSLossless,
        {"frame": b"\xff\x4f\xff\x51" + bytes(40)},
        "must begin with ffd8, but this one begins with ff4fff51",
    ),
    "another size": (
        JPEGLosslessSV1,
        {"frame": frame_for(JPEGLosslessSV1)},
        "33 x 34 x 1, but the code stream holds 16 x 16 x 1",
    ),
    "another size in JPEG 2000": (
        HTJ2KLossless,
        {"frame": frame_for(HTJ2KLossless)},
        "33 x 34 x 1, but the code stream holds 16 x 16 x 1",
    ),
    "RLE of two channels": (
        RLELossless,
        {"frame": struct.pack("<16L", 4, *range(64, 68), *[0] * 11) + bytes(9)},
        "4 segments where 2 were expected",
    ),
}


@pytest.mark.parametrize(
    ("syntax", "said", "why"), SYNTAX_LIES.values(), ids=SYNTAX_LIES
)
def test_a_transfer_syntax_that_lies_or_is_unknown_is_refused(
    tmp_path: Path, syntax: UID, said: dict[str, Any], why: str
):
    coded = {"frame": frame_for(JPEGLosslessSV1)} | said
    path = dicom_file(tmp_path / "a.dcm", syntax=syntax, **coded)
    with pytest.raises(UnreadableError, match=why):
        read(path)


def test_coded_pixels_in_an_uncoded_file_are_refused(tmp_path: Path):
    path = dicom_file(
        tmp_path / "a.dcm",
        RAMP,
        syntax=JPEGLosslessSV1,
        frame=frame_for(JPEGLosslessSV1),
    )
    lie = path.read_bytes().replace(
        b"1.2.840.10008.1.2.4.70", b"1.2.840.10008.1.2.1\0\0\0"
    )
    path.write_bytes(lie)
    with pytest.raises(UnreadableError, match="pixel data are encapsulated"):
        read(path)


@pytest.mark.parametrize("syntax", ENCODED_HERE, ids=lambda s: s.name)
@pytest.mark.parametrize("left", [0.3, 0.7, 0.95])
def test_half_a_file_is_refused(tmp_path: Path, syntax: UID, left: float):
    path = dicom_file(tmp_path / "a.dcm", syntax=syntax)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * left)])
    with pytest.raises(InputError):
        read(path)


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEG2000Lossless, JPEGLSLossless])
def test_a_code_stream_that_stops_is_not_filled_up_with_gray(
    tmp_path: Path, syntax: UID
):
    pixels: NDArray[Any]
    if syntax == JPEGLosslessSV1:
        frame, pixels = frame_for(syntax), RAMP
    else:
        pixels = noise((33, 34))
        file = pydicom.dcmread(dicom_file(tmp_path / "b.dcm", pixels, syntax=syntax))
        frame = pydicom.encaps.get_frame(file.PixelData, 0, number_of_frames=1)
    cut = frame[: len(frame) // 2]
    path = dicom_file(tmp_path / "c.dcm", pixels, syntax=syntax, frame=cut)
    with pytest.raises(UnreadableError, match=r"no end marker|ends early"):
        read(path)


def test_a_missing_file_is_an_input_error_without_its_path(tmp_path: Path):
    with pytest.raises(UnreadableError, match="No such file") as error:
        read(tmp_path / "nobody.dcm")
    assert "nobody" not in str(error.value)


def test_text_is_no_image(tmp_path: Path):
    path = tmp_path / "a.dcm"
    path.write_text("not a DICOM file, whatever its name says, " * 9)
    with pytest.raises(NotARadiographError, match="neither DICOM nor PNG"):
        read(path)


@pytest.mark.parametrize(
    "keyword",
    ["Modality", "PhotometricInterpretation", "SOPClassUID", "Rows", "BitsStored"],
)
def test_no_message_repeats_what_is_no_known_term(tmp_path, keyword):
    """Anything may be in any attribute, a name too."""
    path = dicom_file(tmp_path / "a.dcm")
    header = pydicom.dcmread(path)
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    header[keyword] = pydicom.DataElement(
        header[keyword].tag, "LO", "MARK^ER", validation_mode=pydicom.config.IGNORE
    )
    header.save_as(path)
    with pytest.raises(InputError) as error:
        read(path)
    assert "MARK" not in str(error.value)
    assert "MARK" not in repr(inspect(path))
