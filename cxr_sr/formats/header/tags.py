"""Check attributes that a user states for an image without a header.

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
from pydicom.valuerep import STR_VR, validate_value

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
"""Attributes that a user may state although a rule changes them."""
NOT_STATED = {
    "SOPClassUID",
    "PresentationIntentType",
    "ConversionType",
    "SpecificCharacterSet",
    "FrameOfReferenceUID",
}
"""Attributes that the format of the output decides."""
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
    """Return the attribute that a column names: PatientID, or also patient_id.

    Raises
    ------
    SettingsError
        If no attribute has this name, or the user may not state it.
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
            f"{keyword} cannot be stated, because the image and its processing decide "
            "the value; leave the column out"
        )
    return keyword


def value_of(keyword: str, given: str) -> str:
    """Return a value as DICOM writes it; dates and times may be in ISO 8601.

    Raises
    ------
    SettingsError
        If the value is invalid; the message does not repeat it, for privacy.
    """
    vr = dictionary_VR(tag_for_keyword(keyword) or keyword)
    value = _rewritten(vr, given.strip())
    try:
        for part in value.split("\\"):
            validate_value(vr, part, config.RAISE)
    except ValueError as error:
        example = f", as {EXAMPLES[vr]}" if vr in EXAMPLES else ""
        raise SettingsError(
            f"the value of {keyword} is no {vr}; expected a {vr} (PS3.5 6.2){example}"
        ) from error
    return value


def checked_tags(given: Mapping[str, str]) -> dict[str, str]:
    """Return tags by their keywords, with values in the form of DICOM.

    Raises
    ------
    SettingsError
        If a tag is no attribute, is forbidden, or has an invalid value.
    """
    pairs = ((keyword_of(name), value) for name, value in given.items())
    return {k: value_of(k, value) for k, value in pairs if value.strip()}


def study_uid(tags: Mapping[str, str]) -> str:
    """Return the UID of the study that the tags name, the same for all its images.

    Returns
    -------
    "" if they name no study
    """
    if uid := tags.get("StudyInstanceUID"):
        return uid
    told = [tags.get(keyword, "") for keyword in STUDY]
    if not any(told):
        return ""
    patient = [tags.get(k, "") for k in ("PatientID", "IssuerOfPatientID")]
    return generate_uid(entropy_srcs=["\0".join(["tags", *patient, *told])])


def _rewritten(vr: str, value: str) -> str:
    """Return dates and times without separators, codes in capitals, ages as AS."""
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
    # The part of group 0028 that does not describe pixels: (0028,03xx), (0028,21xx).
    pixels = tag.group == 0x0028 and tag.element >> 8 not in {0x03, 0x21}
    foreign = tag.group in {0x0002, 0x0004, 0x7FE0} or tag.group >> 8 in {0x50, 0x60}
    text = dictionary_VR(tag) in STR_VR
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
