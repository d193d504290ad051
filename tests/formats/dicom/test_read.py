"""A DICOM header gives a radiograph, or a reason why it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import (
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


def dataset(radiograph: Radiograph) -> pydicom.Dataset:
    assert isinstance(radiograph.header, DicomHeader)
    return radiograph.header.dataset


PADDINGS: dict[str, tuple[dict[str, Any], tuple[int, int] | None]] = {
    "none": ({}, None),
    "value": ({"PixelPaddingValue": 7}, (7, 7)),
    "range": ({"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 30}, (0, 30)),
    "range downward": (
        {"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 4000},
        (4000, 4095),
    ),
    "more than a pixel can hold": ({"PixelPaddingValue": 5000}, None),
}


@pytest.mark.parametrize(("said", "padding"), PADDINGS.values(), ids=PADDINGS)
def test_padding_is_a_range_of_stored_values(
    tmp_path: Path, said: dict[str, Any], padding: tuple[int, int] | None
):
    path = dicom_file(tmp_path / "a.dcm", syntax=ImplicitVRLittleEndian, **said)
    assert read(path).padding == padding


@pytest.mark.parametrize(
    ("signed", "vr", "written", "meant"),
    [(True, "US", 0x10000 - 2000, -2000), (False, "SS", -25536, 40000)],
)
def test_padding_of_the_wrong_sign_is_taken_by_its_bits(
    tmp_path: Path,
    signed: bool,  # noqa: FBT001
    vr: str,
    written: int,
    meant: int,
):
    fmt = pixel_format(16, signed=signed)
    header = described(noise(fmt=fmt), fmt)
    header.add_new("PixelPaddingValue", vr, written)
    header.add_new("PixelData", "OW", noise(fmt=fmt).tobytes())
    found = read(saved(tmp_path / "a.dcm", header))
    assert found.padding == (meant, meant)


SPACINGS: dict[str, tuple[dict[str, Any], tuple[float, float] | None]] = {
    "at the detector": ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
    "calibrated first": (
        {"ImagerPixelSpacing": [0.2, 0.1], "PixelSpacing": [0.15, 0.15]},
        (0.15, 0.15),
    ),
    "scanned film": (
        {"ImagerPixelSpacing": None, "NominalScannedPixelSpacing": [0.3, 0.4]},
        (0.3, 0.4),
    ),
    "zero is none": (
        {"ImagerPixelSpacing": None, "PixelSpacing": [0, 0]},
        None,
    ),
    "zero makes way": (
        {"ImagerPixelSpacing": [0.2, 0.1], "PixelSpacing": [0, 0]},
        (0.2, 0.1),
    ),
    "one number is none": ({"ImagerPixelSpacing": 0.2}, None),
    "absent": ({"ImagerPixelSpacing": None}, None),
}


@pytest.mark.parametrize(("said", "spacing"), SPACINGS.values(), ids=SPACINGS)
def test_the_spacing_is_the_one_that_the_standard_has_believed(
    tmp_path: Path, said: dict[str, Any], spacing: tuple[float, float] | None
):
    assert read(dicom_file(tmp_path / "a.dcm", **said)).geometry.spacing_mm == spacing


def test_text_in_a_number_does_not_cost_the_image(tmp_path: Path):
    path = dicom_file(tmp_path / "a.dcm", ImagerPixelSpacing=[0.25, 0.25])
    path.write_bytes(path.read_bytes().replace(b"0.25\\0.25", b"abcd\\efgh"))
    found = read(path)
    assert found.geometry.spacing_mm is None
    assert text(dataset(found), "ImagerPixelSpacing") == "abcd\\efgh"
