"""A header in any encoding keeps its values, byte for byte."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from cxr_sr.formats import read
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.header.elements import text
from cxr_sr.radiograph import Radiograph
from tests.builders import noise, pixel_format
from tests.dicom_files import (
    described,
    dicom_file,
    saved,
)
from tests.header_builders import make_item


def dataset(radiograph: Radiograph) -> pydicom.Dataset:
    assert isinstance(radiograph.header, DicomHeader)
    return radiograph.header.dataset


def test_a_file_without_preamble_is_known_by_its_content(tmp_path: Path):
    pixels = noise()
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian):
        path = dicom_file(tmp_path / "IM0001", pixels, syntax=syntax, preamble=False)
        found = read(path)
        np.testing.assert_array_equal(found.pixels, pixels)
        assert text(dataset(found), "PatientName") == "Doe^Jane"


def test_a_transfer_syntax_that_is_missing_is_found(tmp_path: Path):
    pixels = noise()
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian):
        data = dicom_file(
            tmp_path / "bare", pixels, syntax=syntax, preamble=False
        ).read_bytes()
        meta = b"\x02\x00\x12\x00UI\x04\x001.2\0"
        path = tmp_path / "a.dcm"
        path.write_bytes(bytes(128) + b"DICM" + meta + data)
        found = read(path)
        np.testing.assert_array_equal(found.pixels, pixels)


def test_words_of_a_big_endian_header_are_turned_round(tmp_path: Path):
    pixels = noise()
    words = np.arange(8, dtype=">u2").tobytes()
    header = described(pixels, pixel_format())
    header.add_new(0x60003000, "OW", words)
    header.add_new("RedPaletteColorLookupTableData", "OW", words)
    header.add_new("PixelData", "OW", pixels.astype(">u2").tobytes())
    found = dataset(read(saved(tmp_path / "a.dcm", header, ExplicitVRBigEndian)))
    for tag in (0x60003000, "RedPaletteColorLookupTableData"):
        assert np.frombuffer(found[tag].value, "<u2").tolist() == list(range(8))


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda s: s.name,
)
def test_a_header_says_the_same_in_every_encoding(tmp_path: Path, syntax: UID):
    said: dict[str, Any] = {
        "PixelAspectRatio": ["1", "1"],
        "FrameOfReferenceUID": "1.2.3",
        "ReferencedImageSequence": [make_item(ReferencedFrameNumber=[1, 2])],
        "ExposureInuAs": 70000,
        "DistanceSourceToDetector": "1800.0",
        "RegionOfResidence": "Zürich",
        "SpecificCharacterSet": "ISO_IR 100",
        "SmallestImagePixelValue": 3,
    }
    plain = read(dicom_file(tmp_path / "a.dcm", **said))
    other = read(dicom_file(tmp_path / "b.dcm", syntax=syntax, **said))
    assert other.header.transfer_syntax == syntax  # type: ignore[attr-defined]
    assert _elements(dataset(other)) == _elements(dataset(plain))


def _elements(header: pydicom.Dataset) -> dict[Any, Any]:
    """Everything in a header as Python values."""
    return {
        e.tag: (e.VR, [_elements(i) for i in e.value] if e.VR == "SQ" else e.value)
        for e in header
    }


def test_values_that_cannot_be_understood_pass_through_as_bytes(tmp_path: Path):
    path = dicom_file(
        tmp_path / "a.dcm",
        syntax=ImplicitVRLittleEndian,
        ExposureTime="12",
        SpecificCharacterSet="ISO_IR 192",
        PatientName="Jos\u00e9",
    )
    data = path.read_bytes().replace(b"12", b"1.", 0)
    bad_text, bad_number = b"Jos\xe9\xff", b"3."
    at = data.index(b"\x18\x00\x50\x11\x02\x00\x00\x00") + 8
    data = data[:at] + bad_number + data[at + 2 :]
    path.write_bytes(data.replace("Jos\u00e9 ".encode(), bad_text + b" "))
    header = dataset(read(path))
    assert header.get_item("ExposureTime").value == bad_number
    assert header.get_item("PatientName").value.rstrip() == bad_text
    assert header.get_item("PatientName").VR == "PN"


def test_private_elements_behind_the_pixels_are_kept_and_padding_is_not(tmp_path: Path):
    pixels = noise()
    header = described(pixels, pixel_format())
    header.add_new("PixelData", "OW", pixels.tobytes())
    header.add_new(0x7FE10010, "LO", "MAKER")
    header.add_new(0xFFFCFFFC, "OB", bytes(10))
    found = read(saved(tmp_path / "a.dcm", header))
    assert dataset(found)[0x7FE10010].value == "MAKER"
    assert "PixelData" not in dataset(found)
    path = tmp_path / "a.dcm"
    path.write_bytes(path.read_bytes() + b"\x99junk" * 7)
    np.testing.assert_array_equal(read(path).pixels, pixels)


def test_reading_changes_no_warning_filter_even_in_threads(tmp_path: Path):
    path = dicom_file(tmp_path / "a.dcm", SpecificCharacterSet="ISO_IR 100")
    path.write_bytes(path.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 999"))
    before = list(warnings.filters)
    threads = [threading.Thread(target=read, args=(path,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before
