"""A DICOM header from scratch, for pixels that came without one.

Of a PNG nobody knows the patient, the study or the machine: what the standard lets be
unknown is empty, and nothing is invented.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from cxr_sr.formats.header.change import TOOL, Change, tool_version
from cxr_sr.formats.header.elements import put
from cxr_sr.formats.header.rules import RULES
from cxr_sr.radiograph import Derivation, Geometry, PixelFormat

UNKNOWN = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "Laterality",
    "PatientOrientation",
)
"""Type 2: to be there, and empty where unknown (PS3.5 7.4.3)."""

SAID_OF_A_RESULT = {
    "ImageType",
    "SeriesDescription",
    "DerivationDescription",
    "DerivationCodeSequence",
    "CodingSchemeIdentificationSequence",
    "ContributingEquipmentSequence",
    "ContentQualification",
    "SyntheticData",
}
"""The rules of a derived header that need no DICOM source."""


def secondary_capture(
    pixel_format: PixelFormat,
    shape: tuple[int, ...],
    geometry: Geometry,
    now: datetime,
    pixel_sha256: str,
    derivation: Derivation | None = None,
) -> Dataset:
    """Return a Secondary Capture header for pixels from a raster format.

    Parameters
    ----------
    shape : (rows, columns) or (rows, columns, 3)
    pixel_sha256 : of the stored samples, in hexadecimal; the UIDs come from it alone,
        so that the same pixels are the same instance
    derivation : how the pixels were made, if `upscale` made them

    Returns
    -------
    A data set without file meta information and without pixel data.

    References
    ----------
    DICOM PS3.3 A.8.1, C.8.6
    """
    header = Dataset()
    for keyword in UNKNOWN:
        put(header, keyword, "")
    for keyword, value in {
        **_identity(now, pixel_sha256),
        **_pixels(pixel_format, shape),
    }.items():
        put(header, keyword, value)
    if geometry.spacing_mm is not None:
        spacing = [format_number_as_ds(float(mm)) for mm in geometry.spacing_mm]
        put(header, "PixelSpacing", spacing)
    if derivation is not None:
        _say_how(header, Change(header[:], derivation, (shape[0], shape[1]), now))
    return header


def _identity(now: datetime, pixel_sha256: str) -> dict[str, Any]:
    date, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S.%f")
    return {
        "SOPClassUID": SecondaryCaptureImageStorage,
        "SOPInstanceUID": generate_uid(entropy_srcs=["capture", pixel_sha256]),
        "SeriesInstanceUID": generate_uid(entropy_srcs=["series", pixel_sha256]),
        "StudyInstanceUID": generate_uid(entropy_srcs=["study", pixel_sha256]),
        "Modality": "OT",
        "ConversionType": "WSD",  # workstation
        "ImageType": ["DERIVED", "SECONDARY"],
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "SeriesDate": date,
        "SeriesTime": time,
        "ContentDate": date,
        "ContentTime": time,
        "InstanceCreationDate": date,
        "InstanceCreationTime": time,
        "Manufacturer": TOOL,
        "SoftwareVersions": f"{TOOL} {tool_version()}",
    }


def _pixels(pixel_format: PixelFormat, shape: tuple[int, ...]) -> dict[str, Any]:
    colour = pixel_format.photometric == "RGB"
    return {
        "Rows": shape[0],
        "Columns": shape[1],
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": pixel_format.photometric,
        "BitsAllocated": pixel_format.bits_allocated,
        "BitsStored": pixel_format.bits_stored,
        "HighBit": pixel_format.bits_stored - 1,
        "PixelRepresentation": int(pixel_format.signed),
        **({"PlanarConfiguration": 0} if colour else {}),
    }


def _say_how(header: Dataset, change: Change) -> None:
    for rule in RULES:
        if SAID_OF_A_RESULT.issuperset(rule.attributes):
            rule.action(header, rule.attributes, change)
