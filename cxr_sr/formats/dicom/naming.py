"""Name attributes, UIDs and terms in messages without repeating private text."""

from __future__ import annotations

import re

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID

from cxr_sr.formats.header.elements import text

KNOWN_TERMS = {
    *("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "HSV", "ARGB"),
    *("YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"),
    *("CMYK", "XYB", "AR", "ASMT", "AU", "BDUS", "BI", "BMD", "CFM", "CR", "CT"),
    *("CTPROTOCOL", "DG", "DMS", "DOC", "DR", "DX", "ECG", "EEG", "EMG", "EOG", "EPS"),
    *("ES", "FID", "GM", "HC", "HD", "IO", "IOL", "IVOCT", "IVUS", "KER", "KO", "LEN"),
    *("LS", "M3D", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM", "OPT", "OPTBSV"),
    *("OPTENF", "OPV", "OSS", "OT", "PLAN", "POS", "PR", "PT", "PX", "REG", "RESP"),
    *("RF", "RG", "RTDOSE", "RTIMAGE", "RTPLAN", "RTRECORD", "RTSEGANN", "RTSTRUCT"),
    *("RWV", "SC", "SEG", "SM", "SMR", "SR", "SRF", "STAIN", "TEXTUREMAP", "TG", "US"),
    *("VA", "XA", "XC", "XR"),
}
"""Terms of Modality (PS3.3 C.7.3.1.1.1) and PhotometricInterpretation (C.7.6.3.1.2)."""


def named(keyword: str | int) -> str:
    """Return an attribute's name and tag for a message, such as "Rows (0028,0010)"."""
    tag = Tag(keyword)
    return f"{keyword_for_tag(tag)} ({tag.group:04X},{tag.element:04X})"


def uid_name(uid: str) -> str:
    """Return the standard's name of a UID; "" if there is none.

    A UID attribute may hold anything. So no message repeats a value that the standard
    does not know.
    """
    if not uid:
        return ""
    return UID(uid).name if uid in UID_dictionary else "a UID of no known meaning"


def known(term: str) -> str:
    """Return a term of Modality or PhotometricInterpretation that a message may repeat.

    The attribute may hold anything, even a name. So no message repeats other words.
    """
    return term if term in KNOWN_TERMS else "a term of no known meaning"


def number_stated(header: Dataset, keyword: str) -> str:
    """Return a number as the header states it, or a phrase for a missing number."""
    value = text(header, keyword)
    if not value:
        return "missing or empty"
    return value if re.fullmatch(r"[-+.0-9\\]{1,16}", value) else "no number"
