"""DICOM headers for the tests, each with defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
import pytest
from _pytest.mark import ParameterSet
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import DigitalXRayImageStorageForPresentation

from cxr_sr.radiograph import Derivation


def make_derivation(**overrides: Any) -> Derivation:
    """Return the derivation of a network at x2, changed by `overrides`."""
    defaults: dict[str, Any] = {
        "factors": (2.0, 2.0),
        "model": "hydra",
        "weights_sha256": "0123456789abcdef" * 4,
        "engine": "onnx",
        "precision": "fp32",
        "consistency": "box",
        "consistency_max": 0.5,
        "consistency_rms": 0.25,
        "minimum": 3,
        "maximum": 4000,
    }
    return Derivation(**(defaults | overrides))


def make_code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return the item of a code sequence."""
    return make_item(
        CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning
    )


def make_item(**values: Any) -> Dataset:
    """Return a data set of these keywords only."""
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def make_header(**overrides: Any) -> Dataset:
    """Return a valid DX header of 40 x 30 pixels of 12 bits; None leaves one out."""
    chest = make_code("51185008", "SCT", "Chest")
    defaults: dict[str, Any] = {
        "SOPClassUID": DigitalXRayImageStorageForPresentation,
        "SOPInstanceUID": "1.2.3.4",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.5",
        "PatientName": "Doe^Jane",
        "PatientID": "1",
        "PatientBirthDate": "19700101",
        "PatientSex": "F",
        "StudyDate": "20200102",
        "StudyTime": "030405",
        "StudyID": "1",
        "AccessionNumber": "7",
        "ReferringPhysicianName": "",
        "Modality": "DX",
        "PresentationIntentType": "FOR PRESENTATION",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "SeriesDescription": "Chest PA",
        "ContentDate": "20200102",
        "ContentTime": "030405",
        "AcquisitionDate": "20200102",
        "AcquisitionTime": "030400",
        "Manufacturer": "Maker",
        "InstitutionName": "Hospital",
        "StationName": "ROOM1",
        "ManufacturerModelName": "Detector 9",
        "DeviceSerialNumber": "42",
        "SoftwareVersions": ["1.0", "patch 2"],
        "ImageType": ["ORIGINAL", "PRIMARY", ""],
        "PatientOrientation": ["L", "F"],
        "ImageLaterality": "U",
        "AnatomicRegionSequence": [chest],
        "BodyPartExamined": "CHEST",
        "AcquisitionContextSequence": [],
        "BurnedInAnnotation": "NO",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 40,
        "Columns": 30,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "ImagerPixelSpacing": [0.15, 0.1],
        "DetectorType": "DIRECT",
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": 1,
        "RescaleIntercept": 0,
        "RescaleSlope": 1,
        "RescaleType": "US",
        "PresentationLUTShape": "IDENTITY",
        "LossyImageCompression": "00",
        "WindowCenter": 2048,
        "WindowWidth": 4096,
    }
    values = defaults | overrides
    return make_item(**{k: v for k, v in values.items() if v is not None})


def raw_element(keyword: str | int, value: bytes, vr: str = "UN") -> RawDataElement:
    """Return an element as a reader leaves it: bytes that nobody has looked at."""
    return RawDataElement(
        tag=Tag(keyword),
        VR=vr,
        length=len(value),
        value=value,
        value_tell=0,
        is_implicit_VR=False,
        is_little_endian=True,
    )


def undecoded_header(folder: Path, header: Dataset) -> Dataset:
    """Return a header as it comes from a file: nothing in it is decoded yet."""
    path = folder / "header.dcm"
    # The header counts as read, so that pydicom writes raw elements unchanged.
    charset = header._character_set
    header.set_original_encoding(
        is_implicit_vr=False, is_little_endian=True, character_encoding=charset
    )
    header.save_as(path, implicit_vr=False, little_endian=True)
    return pydicom.dcmread(path, force=True)


def add_overlay(header: Dataset, bits: NDArray[Any], group: int = 0x6000) -> None:
    """Lay a plane of bits (rows, columns) on the image, its corner on the image's."""
    packed = np.packbits(bits.astype(bool), axis=None, bitorder="little").tobytes()
    elements = {
        0x0010: ("US", bits.shape[0]),
        0x0011: ("US", bits.shape[1]),
        0x0040: ("CS", "G"),
        0x0050: ("SS", [1, 1]),
        0x0100: ("US", 1),
        0x0102: ("US", 0),
        0x3000: ("OW", packed + b"\0" * (len(packed) % 2)),
    }
    for element, (vr, value) in elements.items():
        header.add_new((group, element), vr, value)


def overlay_bits(header: Dataset, group: int = 0x6000) -> NDArray[np.uint8]:
    """Return a plane as (rows, columns), as any viewer would unpack it."""
    rows, columns = header[group, 0x0010].value, header[group, 0x0011].value
    data = np.frombuffer(header[group, 0x3000].value, np.uint8)
    bits = np.unpackbits(data, bitorder="little")[: rows * columns]
    return bits.reshape(rows, columns)


def real_files() -> list[ParameterSet]:
    """Return every real DICOM radiograph there is, for parametrize; or one skip."""
    shared = Path(__file__).parents[2] / "shared" / "data" / "dicom"
    packaged = (
        pydicom.data.get_testdata_file(name, download=False)
        for name in ("RG1_UNCR.dcm", "RG1_UNCI.dcm", "RG1_J2KR.dcm", "RG3_UNCR.dcm")
    )
    files = [*sorted(shared.glob("*.dcm")), *(Path(f) for f in packaged if f)]
    if not files:
        return [pytest.param(None, marks=pytest.mark.skip(reason="no real files"))]
    return [pytest.param(path, id=path.stem) for path in files]
