"""Collect the facts about one image for an index; they do not identify its patient."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cxr_sr.formats import is_lossy, is_own_result, read
from cxr_sr.formats.dicom.subject import Subject
from cxr_sr.formats.header.change import TOOL
from cxr_sr.index import terms
from cxr_sr.index.split import Salt

OLDEST_TOLD = 90
"""Higher ages, in years, become "90+", because a very high age may identify a
patient."""

SPACING_DIGITS = 6
"""Number of decimals of a spacing in mm; a decimal string of DICOM can hold them."""

LeftOutKind = Literal[
    "duplicate", "no image", "no radiograph", "not wanted", "own result", "unreadable"
]
"""The kind of the reason to leave a file out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """The facts in an index about one image; unknown: "" for text, else None."""

    patient: str
    """Salted hash of PatientID and IssuerOfPatientID. In an index, an image without a
    patient has the hash of its study, folder or file."""
    view: str
    """View, modality and body part are terms in `terms`, or OTHER."""
    age: str
    """Whole years, or 90+."""
    sex: str
    modality: str
    body_part: str
    manufacturer: str
    """The text of the header: the standard has no list of manufacturers."""
    bits: int
    """BitsStored."""
    photometric: str
    rows: int
    columns: int
    row_spacing_mm: float | None
    """Distance between the centres of neighbouring rows, in mm."""
    column_spacing_mm: float | None
    pixel_hash: str
    """Salted hash of the decoded stored values; the same for every coding."""
    lossy: str = "no"
    """yes or no: compressed with loss at some time, so a network would learn the
    artefacts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(ImageFacts):
    """The facts about one radiograph; an index has only the fields of `ImageFacts`."""

    study: str
    """Salted hash of StudyInstanceUID; groups images that name no patient."""
    result_of: str = ""
    """"cxr-sr" if the image is a result of this package."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The facts about a file, or the reason why it is left out."""

    file: str
    """Path below the data's folder, with forward slashes."""
    facts: Facts | None = None
    kind: LeftOutKind | Literal[""] = ""
    """The kind of the reason to leave the file out; "" for a radiograph."""
    reason: str = ""
    """The reason in a sentence without paths."""


def examine(path: Path, salt: Salt) -> Facts:
    """Read a file with `cxr_sr.read`, and return its facts.

    Raises
    ------
    InputError
        If the file is damaged or no radiograph.
    """
    radiograph = read(path)
    subject = Subject.of(radiograph.header)
    rows, columns = radiograph.shape
    spacing_mm = radiograph.geometry.spacing_mm
    row_mm, column_mm = (
        (round(mm, SPACING_DIGITS) for mm in spacing_mm) if spacing_mm else (None, None)
    )
    return Facts(
        patient=salt.name("patient", *subject.patient) if subject.patient else "",
        study=salt.name("study", subject.study) if subject.study else "",
        view=terms.view(subject.view),
        age=age("" if subject.age_years is None else str(subject.age_years)),
        sex=subject.sex,
        modality=terms.modality(subject.modality),
        body_part=terms.body_part(subject.body_part),
        manufacturer=subject.manufacturer,
        bits=radiograph.format.bits_stored,
        photometric=radiograph.format.photometric,
        rows=rows,
        columns=columns,
        row_spacing_mm=row_mm,
        column_spacing_mm=column_mm,
        pixel_hash=salt.name_pixels(radiograph.pixels),
        lossy="yes" if is_lossy(radiograph) else "no",
        result_of=TOOL if is_own_result(radiograph) else "",
    )


def age(years: str) -> str:
    """Return an age in whole years, or 90+; "" if there is none.

    References
    ----------
    45 CFR 164.514(b)(2)(i)(C); de-identification profiles use the same limit
    """
    found = re.fullmatch(r"(\d{1,3})(?:\.\d*)?Y?", years.strip())
    if not found:
        return ""
    whole = int(found[1])
    return str(whole) if whole < OLDEST_TOLD else f"{OLDEST_TOLD}+"
