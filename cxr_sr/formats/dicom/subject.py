"""Read patient and view from a header, to group and count images, not to display."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from pydicom.dataset import Dataset

from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.guard import quiet
from cxr_sr.formats.header.elements import items, text
from cxr_sr.radiograph import Header

OLDEST_YEARS = 130
"""Highest age in years; a higher age is an error of the header."""
DAYS_A_UNIT = {"D": 1.0, "W": 7.0, "M": 365.25 / 12, "Y": 365.25}
"""Units of an age string (AS), PS3.5 6.2, in days."""
VIEWS = {
    "399348003": "AP",
    "R-10206": "AP",
    "272479007": "PA",
    "R-10214": "PA",
    "399173006": "LL",
    "R-10236": "LL",
    "399198007": "RL",
    "R-10232": "RL",
    "399067008": "LATERAL",
    "R-102CD": "LATERAL",
}
"""Views of the chest by their codes, SNOMED CT and the older SRT, as the defined terms
of ViewPosition; PS3.16 CID 4010, PS3.3 C.8.7.1."""


@dataclass(frozen=True)
class Subject:
    """Patient and view in a header. They identify the patient: never store them."""

    patient: tuple[str, str] | None = None
    """PatientID (0010,0020) and IssuerOfPatientID (0010,0021), which together name one
    patient (PS3.3 C.7.1.1); None without a PatientID."""
    study: str = ""
    """StudyInstanceUID; a study has only one patient."""
    age_years: int | None = None
    """Age in whole years at the study, as stated or from the dates of birth and
    study."""
    sex: Literal["F", "M", "O", ""] = ""
    view: str = ""
    """ViewPosition, or the same from ViewCodeSequence."""
    body_part: str = ""
    modality: str = ""
    manufacturer: str = ""
    """Manufacturer of the equipment, in printable characters."""

    @classmethod
    def of(cls, header: Header) -> Subject:
        """Return patient and view of a DICOM header; nothing for other formats."""
        if not isinstance(header, DicomHeader):
            return cls()
        with quiet():
            return _subject(header.dataset)


def _subject(header: Dataset) -> Subject:
    identifier = text(header, "PatientID")
    return Subject(
        patient=(identifier, text(header, "IssuerOfPatientID")) if identifier else None,
        study=text(header, "StudyInstanceUID"),
        age_years=_age_years(header),
        sex=sex(text(header, "PatientSex")),
        view=code(text(header, "ViewPosition")) or _coded_view(header),
        body_part=code(text(header, "BodyPartExamined")),
        modality=code(text(header, "Modality")),
        manufacturer=" ".join(
            "".join(c for c in text(header, "Manufacturer") if c.isprintable()).split()
        ),
    )


def code(value: str) -> str:
    """Return a code string in capitals; "" for other text, such as a sentence.

    References
    ----------
    DICOM PS3.5 6.2
    """
    capitals = value.strip().upper()
    return capitals if re.fullmatch(r"[A-Z0-9_ ]{1,16}", capitals) else ""


def sex(value: str) -> Literal["F", "M", "O", ""]:
    """Return F, M or O, the values of PatientSex (PS3.3 C.7.1.1); "" for other text."""
    match value.strip().upper():
        case "F":
            return "F"
        case "M":
            return "M"
        case "O":
            return "O"
        case _:
            return ""


def _coded_view(header: Dataset) -> str:
    for item in items(header, "ViewCodeSequence") or []:
        return VIEWS.get(text(item, "CodeValue"), "")
    return ""


def _age_years(header: Dataset) -> int | None:
    stated = re.fullmatch(r"(\d{1,3})([DWMY])", text(header, "PatientAge").upper())
    if stated:
        # A stated number of years is not reduced by rounding.
        days = int(stated[1]) * DAYS_A_UNIT[stated[2]] + 0.5
        years = int(days / DAYS_A_UNIT["Y"])
    else:
        birth, study = (_date(header, k) for k in ("PatientBirthDate", "StudyDate"))
        if birth is None or study is None:
            return None
        birthday_to_come = (study.month, study.day) < (birth.month, birth.day)
        years = study.year - birth.year - birthday_to_come
    return years if 0 <= years <= OLDEST_YEARS else None


def _date(header: Dataset, keyword: str) -> date | None:
    value = text(header, keyword)
    if not re.fullmatch(r"\d{8}", value):
        return None
    try:
        return datetime.strptime(value, "%Y%m%d").date()  # noqa: DTZ007 - a DA has no zone
    except ValueError:
        return None
