"""Make a DICOM header for pixels without a header.

A PNG does not name its patient. Unknown attributes are empty if the standard allows an
empty value. No value is invented.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

from cxr_sr.formats.header.change import TOOL, Change, HeaderOptions, tool_version
from cxr_sr.formats.header.dates import ChosenDates
from cxr_sr.formats.header.derive import DEFAULT_OPTIONS
from cxr_sr.formats.header.elements import put
from cxr_sr.formats.header.identity import treatment
from cxr_sr.formats.header.rules import RULES
from cxr_sr.formats.header.tags import checked_tags, study_uid
from cxr_sr.radiograph import Radiograph

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
"""Attributes of type 2: present, and empty if unknown (PS3.5 7.4.3)."""

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


@dataclass(frozen=True)
class Said:
    """The facts that a source without a DICOM header states besides its pixels."""

    spacing: str = "PixelSpacing"
    """The DICOM attribute for the spacing of this source."""
    lossy_method: str = ""
    """LossyImageCompressionMethod, PS3.3 C.7.6.1.1.5; "" without lossy compression."""
    lossy_ratio: float = 1.0
    description: str = ""
    """A phrase about the change of the pixels by the reader."""


NOTHING_SAID = Said()


def secondary_capture(
    radiograph: Radiograph,
    now: datetime,
    options: HeaderOptions = DEFAULT_OPTIONS,
    said: Said = NOTHING_SAID,
) -> Dataset:
    """Return a Secondary Capture header for pixels that came without a header.

    The UIDs are made from pixels and options, so the same file is the same instance.
    For a result of `upscale`, the header describes how it was made.

    Parameters
    ----------
    now : time of the run
    options : only `dates`, `series_number`, `synthetic` and `tags` are used
    said : other facts about the source

    Returns
    -------
    A data set without file meta information and without pixel data.

    Raises
    ------
    SettingsError
        If a tag is no attribute, is forbidden, or has an invalid value.

    References
    ----------
    DICOM PS3.3 A.8.1, C.8.6
    """
    tags = checked_tags(options.tags)
    header = Dataset()
    if not all(value.isascii() for value in tags.values()):
        put(header, "SpecificCharacterSet", "ISO_IR 192")
    known = _kind(options) | _pixels(radiograph) | tags
    for keyword, value in (dict.fromkeys(UNKNOWN, "") | known).items():
        put(header, keyword, _values(value))
    for keyword, value in _uids(radiograph, options, tags).items():
        put(header, keyword, value)
    _say(header, radiograph, said)
    if ChosenDates.by(header, options.dates).which == "now":
        _date(header, now)
    if radiograph.derivation is not None:
        how, shape = radiograph.derivation, radiograph.shape
        _say_how(header, Change(header[:], how, shape, now, options))
    return header


def _say(header: Dataset, radiograph: Radiograph, said: Said) -> None:
    """Write the facts about the source: spacing, lossy compression, and conversion."""
    if radiograph.geometry.spacing_mm is not None:
        spacing = [format_number_as_ds(mm) for mm in radiograph.geometry.spacing_mm]
        put(header, said.spacing, spacing)
    if said.lossy_method:
        put(header, "LossyImageCompression", "01")
        put(header, "LossyImageCompressionRatio", f"{said.lossy_ratio:.5g}")
        put(header, "LossyImageCompressionMethod", said.lossy_method)
    if said.description:
        put(header, "DerivationDescription", said.description)


def _values(value: Any) -> Any:  # noqa: ANN401 - whatever an element holds
    """Return the parts of a text with several values."""
    several = isinstance(value, str) and "\\" in value
    return value.split("\\") if several else value


def _kind(options: HeaderOptions) -> dict[str, Any]:
    number = options.series_number
    return {
        "SOPClassUID": SecondaryCaptureImageStorage,
        "Modality": "OT",
        "ConversionType": "WSD",  # workstation
        "ImageType": ["DERIVED", "SECONDARY"],
        "SeriesNumber": 1 if number is None else number,
        "InstanceNumber": 1,
        "Manufacturer": TOOL,
        "SoftwareVersions": f"{TOOL} {tool_version()}",
    }


def _uids(
    radiograph: Radiograph, options: HeaderOptions, tags: Mapping[str, str]
) -> dict[str, str]:
    """Return the UIDs; images of one study with the same settings share a series."""
    pixels = np.ascontiguousarray(radiograph.pixels)
    digest, chosen = hashlib.sha256(pixels.data).hexdigest(), repr(options)
    study = study_uid(tags)
    series = digest
    if study:
        how = radiograph.derivation
        treated = treatment(how) if how else []
        kind = [tags.get(k, "") for k in ("Modality", "SeriesDescription")]
        series = "\0".join([study, *kind, *treated])
        chosen = repr(dataclasses.replace(options, tags={}))
    instance = generate_uid(entropy_srcs=["capture", digest, repr(options)])
    return {
        "SOPInstanceUID": instance,
        "SeriesInstanceUID": generate_uid(entropy_srcs=["series", series, chosen]),
        "StudyInstanceUID": study or generate_uid(entropy_srcs=["study", digest]),
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
