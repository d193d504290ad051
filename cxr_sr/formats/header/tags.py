"""Attributes that a user states for an image without a header, such as the patient.

::

    {"PatientID": "17", "StudyDate": "2020-01-31", "Modality": "DX"}
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from pydicom import config
from pydicom.datadict import (
    dictionary_is_retired,
    dictionary_VR,
    keyword_dict,
    tag_for_keyword,
)
from pydicom.tag import Tag
from pydicom.uid import generate_uid
from pydicom.valuerep import validate_value

from cxr_sr.errors import SettingsError
from cxr_sr.formats.header.change import keep
from cxr_sr.formats.header.rules import RULES
from cxr_sr.hints import did_you_mean

STATED = {
    "StudyInstanceUID",
    "SeriesDescription",
    "SeriesDate",
    "SeriesTime",
    "ContentDate",
    "ContentTime",
}
"""Attributes that a rule changes and that may be stated of the image before."""
NOT_STATED = {
    "SOPClassUID",
    "PresentationIntentType",
    "ConversionType",
    "SpecificCharacterSet",
    "FrameOfReferenceUID",
}
"""Attributes that follow from the kind of file that is written."""
TEXT_VR = {
    *("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT"),
    *("PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"),
}
EXAMPLES = {
    "AS": "062Y",
    "CS": "CHEST (16 capitals, digits, spaces or underscores at most)",
    "DA": "2020-01-31",
    "DS": "70.5",
    "DT": "20200131235900",
    "IS": "3",
    "LO": "text of 64 characters at most",
    "PN": "Doe^Jane",
    "SH": "text of 16 characters at most",
    "TM": "23:59:00",
    "UI": "1.2.840.1",
}
STUDY = ("StudyID", "AccessionNumber", "StudyDate", "StudyTime")
"""Attributes that distinguish the studies of a patient if StudyInstanceUID is not
stated."""


def keyword_of(column: str) -> str:
    """Return the attribute that a column names: PatientID, also as "patient_id".

    Raises
    ------
    SettingsError
        If there is none of that name, or it may not be stated.
    """
    keyword = _keywords().get(_plain(column))
    if keyword is None:
        hint = did_you_mean(column, _keywords().values())
        raise SettingsError(
            f"{column!r} is no attribute of DICOM;{hint} expected keywords of PS3.6, "
            "such as PatientID, StudyInstanceUID, StudyDate, Modality"
        )
    if not _may_be_stated(keyword):
        raise SettingsError(
            f"{keyword} cannot be stated: it follows from the image and from what is "
            "done to it; leave it out"
        )
    return keyword


def value_of(keyword: str, given: str) -> str:
    """Return a value as DICOM writes it; dates and times may be in ISO 8601.

    Raises
    ------
    SettingsError
        If it is invalid; the message does not repeat it, because it may identify.
    """
    vr = dictionary_VR(tag_for_keyword(keyword) or keyword)
    value = _rewritten(vr, given.strip())
    try:
        for part in value.split("\\"):
            validate_value(vr, part, config.RAISE)
    except ValueError as error:
        example = f", as {EXAMPLES[vr]}" if vr in EXAMPLES else ""
        raise SettingsError(
            f"the value of {keyword} is no {vr} (PS3.5 6.2); expected one{example}"
        ) from error
    return value


def checked_tags(given: Mapping[str, str]) -> dict[str, str]:
    """Return tags by their keywords, with values as DICOM writes them.

    Raises
    ------
    SettingsError
        If one is no attribute, may not be stated, or has an invalid value.
    """
    pairs = ((keyword_of(name), value) for name, value in given.items())
    return {k: value_of(k, value) for k, value in pairs if value.strip()}


def study_uid(tags: Mapping[str, str]) -> str:
    """Return the UID of the study that the tags name, the same for all its images.

    Returns
    -------
    "" where they name no study
    """
    if uid := tags.get("StudyInstanceUID"):
        return uid
    told = [tags.get(keyword, "") for keyword in STUDY]
    if not any(told):
        return ""
    patient = [tags.get(k, "") for k in ("PatientID", "IssuerOfPatientID")]
    return generate_uid(entropy_srcs=["\0".join(["tags", *patient, *told])])


def _rewritten(vr: str, value: str) -> str:
    """Return ISO dates and times without their marks, codes in capitals, ages in AS."""
    match vr:
        case "DA" if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return value.replace("-", "")
        case "TM" if re.fullmatch(r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?", value):
            return value.replace(":", "")
        case "CS":
            return value.upper()
        case "AS" if re.fullmatch(r"\d{1,3}", value):
            return f"{int(value):03d}Y"
        case _:
            return value


def _may_be_stated(keyword: str) -> bool:
    tag = Tag(tag_for_keyword(keyword) or 0)
    if keyword in STATED:
        return True
    ruled = any(r.action is not keep and keyword in r.attributes for r in RULES)
    # Of group 0028, what does not describe the pixels: (0028,03xx) and (0028,21xx).
    pixels = tag.group == 0x0028 and tag.element >> 8 not in {0x03, 0x21}
    foreign = tag.group in {0x0002, 0x0004, 0x7FE0} or tag.group >> 8 in {0x50, 0x60}
    text = dictionary_VR(tag) in TEXT_VR
    return text and not (ruled or pixels or foreign or keyword in NOT_STATED)


@functools.cache
def _keywords() -> dict[str, str]:
    """Return all keywords that are not retired, by their plain spelling."""
    return {
        _plain(keyword): keyword
        for keyword, tag in keyword_dict.items()
        if not dictionary_is_retired(tag)
    }


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
