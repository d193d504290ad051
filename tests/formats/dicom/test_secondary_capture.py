"""Pixels without a header get one that claims nothing it does not know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from highdicom._standard_utils import check_required_attributes, get_iod_module_map
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from cxr_sr.errors import SettingsError
from cxr_sr.formats.dicom.secondary_capture import secondary_capture
from cxr_sr.formats.header.change import HeaderOptions
from cxr_sr.radiograph import Geometry, PixelFormat
from tests.builders import radiograph
from tests.header_builders import make_derivation

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GRAY12 = PixelFormat(16, 12, signed=False, photometric="MONOCHROME2")


def capture(
    fmt: PixelFormat = GRAY12,
    shape: tuple[int, ...] = (8, 10),
    now: datetime = NOW,
    options: HeaderOptions = HeaderOptions(),  # noqa: B008 - frozen
    **changes: Any,
) -> Dataset:
    pixels = np.full(shape, changes.pop("value", 7), fmt.dtype)
    image = radiograph(pixels, fmt, **({"geometry": Geometry()} | changes))
    return secondary_capture(image, now, options)


FORMATS = {
    "8 bits": (PixelFormat(8, 8, signed=False, photometric="MONOCHROME2"), (8, 10)),
    "12 bits": (GRAY12, (8, 10)),
    "inverted": (PixelFormat(16, 16, signed=False, photometric="MONOCHROME1"), (8, 10)),
    "signed": (PixelFormat(16, 16, signed=True, photometric="MONOCHROME2"), (8, 10)),
    "colour": (PixelFormat(8, 8, signed=False, photometric="RGB"), (8, 10, 3)),
}


@pytest.mark.parametrize(("fmt", "shape"), FORMATS.values(), ids=FORMATS)
def test_the_pixels_are_described(fmt: PixelFormat, shape: tuple[int, ...]) -> None:
    header = capture(fmt, shape)
    assert (header.Rows, header.Columns) == shape[:2]
    assert header.SamplesPerPixel == (3 if len(shape) == 3 else 1)
    assert header.PhotometricInterpretation == fmt.photometric
    assert header.BitsAllocated == fmt.bits_allocated
    assert header.BitsStored == fmt.bits_stored
    assert header.HighBit == fmt.bits_stored - 1
    assert header.PixelRepresentation == int(fmt.signed)
    assert ("PlanarConfiguration" in header) is (len(shape) == 3)
    assert "PixelData" not in header


def test_it_is_a_secondary_capture_of_nobody() -> None:
    header = capture()
    assert header.SOPClassUID == SecondaryCaptureImageStorage
    assert (header.Modality, header.ConversionType) == ("OT", "WSD")
    for keyword in ("PatientName", "PatientID", "StudyDate", "AccessionNumber"):
        assert header[keyword].is_empty


@pytest.mark.parametrize("derivation", [None, make_derivation()])
def test_all_required_attributes_are_there(derivation: Any) -> None:
    header = capture(derivation=derivation, geometry=Geometry((0.1, 0.2)))
    for module in get_iod_module_map()["secondary-capture-image"]:
        if module["usage"] == "M":
            check_required_attributes(header, module["key"])


def test_uids_come_from_the_pixels_and_not_from_the_clock() -> None:
    keywords = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    later = capture(now=datetime(2027, 1, 1, tzinfo=UTC))
    other = capture(value=8)
    for keyword in keywords:
        assert capture()[keyword].value.is_valid
        assert capture()[keyword].value == later[keyword].value
        assert capture()[keyword].value != other[keyword].value
    assert len({capture()[k].value for k in keywords}) == 3


def test_a_spacing_is_stated_where_there_is_one() -> None:
    assert "PixelSpacing" not in capture()
    stated = capture(geometry=Geometry((0.1, 0.1 / 3)))["PixelSpacing"].value
    assert list(stated) == pytest.approx([0.1, 0.1 / 3], rel=1e-12)
    assert all(len(v.original_string) <= 16 for v in stated)


def test_a_conversion_claims_no_processing() -> None:
    header = capture()
    for keyword in ("DerivationDescription", "SyntheticData", "SeriesDescription"):
        assert keyword not in header


def test_a_super_resolved_one_says_how_it_was_made() -> None:
    header = capture(derivation=make_derivation())
    assert list(header.ImageType) == ["DERIVED", "SECONDARY", "", "RESAMPLED"]
    assert "super-resolved x2 by hydra" in header.DerivationDescription
    assert header.ContentQualification == "RESEARCH"
    assert header.SyntheticData == "YES"
    assert header.SeriesDescription.startswith("RESEARCH ONLY")
    assert len(header.DerivationCodeSequence) == 2
    assert len(header.ContributingEquipmentSequence) == 1


def test_a_super_resolved_one_refers_to_no_instance_that_does_not_exist() -> None:
    header = capture(derivation=make_derivation())
    assert "SourceImageSequence" not in header
    assert "ReferencedSeriesSequence" not in header


def test_an_interpolated_one_is_not_synthetic() -> None:
    bicubic = make_derivation(model="bicubic", weights_sha256="")
    assert "SyntheticData" not in capture(derivation=bicubic)


def test_dates_are_the_callers() -> None:
    header = capture()
    assert (header.ContentDate, header.ContentTime) == ("20260102", "030405.000000")
    assert header.StudyDate == ""


@pytest.mark.parametrize("dates", ["source", "none"])
def test_dates_can_be_left_out(dates: Any) -> None:
    """A picture has no dates of its own to keep."""
    header = capture(options=HeaderOptions(dates=dates), derivation=make_derivation())
    assert not [e.tag for e in header.iterall() if e.VR in {"DA", "DT"} and e.value]


STATED = {"PatientID": "17", "StudyID": "S", "Modality": "DX", "ViewPosition": "PA"}


@pytest.mark.parametrize("derivation", [None, make_derivation()])
def test_what_is_stated_of_a_picture_is_in_its_header(derivation: Any) -> None:
    header = capture(options=HeaderOptions(tags=STATED), derivation=derivation)
    for keyword, value in STATED.items():
        assert header[keyword].value == value
    assert "SpecificCharacterSet" not in header
    for module in get_iod_module_map()["secondary-capture-image"]:
        if module["usage"] == "M":
            check_required_attributes(header, module["key"])


def test_what_is_stated_amiss_is_refused() -> None:
    with pytest.raises(SettingsError, match="Rows cannot be stated"):
        capture(options=HeaderOptions(tags={"Rows": "7"}))


def test_the_options_apply_to_a_picture_too() -> None:
    options = HeaderOptions(series_number=77, synthetic=False)
    header = capture(options=options, derivation=make_derivation())
    assert header.SeriesNumber == 77
    assert "SyntheticData" not in header
    plain = capture(derivation=make_derivation())
    assert header.SOPInstanceUID != plain.SOPInstanceUID
    assert header.StudyInstanceUID == plain.StudyInstanceUID
