"""A DICOM header from scratch, for pixels that came without one.

Of a PNG nobody knows the patient, the study or the machine: what the standard lets be
unknown is empty, and nothing is invented.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from cxr_sr.formats.header.change import TOOL, Change, HeaderOptions, tool_version
from cxr_sr.formats.header.dates import ChosenDates
from cxr_sr.formats.header.elements import put
from cxr_sr.formats.header.rules import RULES
from cxr_sr.radiograph import Radiograph

DEFAULT_OPTIONS = HeaderOptions()

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
    radiograph: Radiograph,
    now: datetime,
    options: HeaderOptions = DEFAULT_OPTIONS,
) -> Dataset:
    """Return a Secondary Capture header for pixels that came without a header.

    The UIDs come from pixels and options, so that the same file is the same instance.
    If `upscale` made the image, the header says how.

    Parameters
    ----------
    now : when the file is made
    options : of these, `dates`, `series_number` and `synthetic` apply

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
    for keyword, value in (
        _identity(radiograph.pixels, options) | _pixels(radiograph)
    ).items():
        put(header, keyword, value)
    if radiograph.geometry.spacing_mm is not None:
        spacing = [format_number_as_ds(mm) for mm in radiograph.geometry.spacing_mm]
        put(header, "PixelSpacing", spacing)
    if ChosenDates.by(header, options.dates).which == "now":
        _date(header, now)
    if radiograph.derivation is not None:
        how, shape = radiograph.derivation, radiograph.shape
        _say_how(header, Change(header[:], how, shape, now, options))
    return header


def _identity(
    pixels: NDArray[np.integer[Any]], options: HeaderOptions
) -> dict[str, Any]:
    digest = hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()
    number, chosen = options.series_number, repr(options)
    return {
        "SOPClassUID": SecondaryCaptureImageStorage,
        "SOPInstanceUID": generate_uid(entropy_srcs=["capture", digest, chosen]),
        "SeriesInstanceUID": generate_uid(entropy_srcs=["series", digest, chosen]),
        "StudyInstanceUID": generate_uid(entropy_srcs=["study", digest]),
        "Modality": "OT",
        "ConversionType": "WSD",  # workstation
        "ImageType": ["DERIVED", "SECONDARY"],
        "SeriesNumber": 1 if number is None else number,
        "InstanceNumber": 1,
        "Manufacturer": TOOL,
        "SoftwareVersions": f"{TOOL} {tool_version()}",
    }


def _date(header: Dataset, now: datetime) -> None:
    for what in ("Series", "Content", "InstanceCreation"):
        put(header, f"{what}Date", now.strftime("%Y%m%d"))
        put(header, f"{what}Time", now.strftime("%H%M%S.%f"))


def _pixels(radiograph: Radiograph) -> dict[str, Any]:
    pixel_format, (rows, columns) = radiograph.format, radiograph.shape
    colour = pixel_format.photometric == "RGB"
    return {
        "Rows": rows,
        "Columns": columns,
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
