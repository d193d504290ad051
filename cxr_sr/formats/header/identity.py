"""Give the result its identity: UIDs, numbers, dates and ImageType."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.uid import (
    DigitalIntraOralXRayImageStorageForPresentation,
    DigitalIntraOralXRayImageStorageForProcessing,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)
from pydicom.valuerep import STR_VR

from cxr_sr.formats.header.change import Action, Change, each, tool_version
from cxr_sr.formats.header.elements import (
    INTEGER_STRING,
    numbers,
    put,
    remove,
    text,
    uid,
)
from cxr_sr.formats.header.words import scale_label
from cxr_sr.radiograph import Derivation

DX_IMAGE = {
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    DigitalIntraOralXRayImageStorageForPresentation,
    DigitalIntraOralXRayImageStorageForProcessing,
}
"""SOP classes whose ImageType has an empty third value, PS3.3 C.8.11.3.1.1. (In
mammography the third value has a meaning, C.8.11.7.1.4, and stays.)"""

CAPTURES = {
    SecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
}
"""SOP classes of secondary captures, gray or colour, PS3.4 B.5."""

GRAY_AS_STORED = {
    "RescaleIntercept": "0",
    "RescaleSlope": "1",
    "RescaleType": "US",
    "PresentationLUTShape": "IDENTITY",
}
"""Attributes that a multi-frame gray image needs, PS3.3 A.8.3.4, C.8.6.3."""

MOSTLY_UID = re.compile(r"[0-9.]{1,64}")
"""Form of a UID that archives accept, even if it breaks a rule of PS3.5 9.1."""


def always(make: Callable[[Change], Any]) -> Action:
    """Set every attribute to `make(change)`, whether the source has it or not."""

    @each
    def action(result: Dataset, keyword: str, change: Change) -> None:
        put(result, keyword, make(change))

    return action


def instance_uid(change: Change) -> str:
    """Return a UID that is the same for the same source, settings and version.

    Every setting that can change a pixel or an element changes the UID, because an
    archive that knows a UID keeps its old pixels. The source's pixels also change the
    UID, because many files of a cohort may have the same UID, or none. The machine and
    the time have no influence.
    """
    derivation = change.derivation
    factors = [repr(float(factor)) for factor in derivation.factors]
    extremes = f"{int(derivation.minimum)} {int(derivation.maximum)}"
    source = [
        text(change.source, "SOPInstanceUID") or _fingerprint(change.source) + extremes,
        derivation.pixels_sha256,
    ]
    settings = [*_settings(derivation), *factors, repr(change.options)]
    return _uid("instance", *source, *settings)


def series_uid(change: Change) -> str:
    """Return a UID that all images of one source series share after one treatment.

    The options are part of the treatment, because some change facts of a whole series
    (its number, dates and equipment). The factors are rounded as in the label: images
    of slightly different sizes that get the same spacing differ only by rounding, and
    belong together.

    References
    ----------
    DICOM PS3.3 C.8.11.1.1.1: FOR PRESENTATION and FOR PROCESSING never share a series
    """
    stated = text(change.source, "SeriesInstanceUID")
    # Every file of a cohort may have the same invalid text instead of a UID.
    source = uid(change.source, "SeriesInstanceUID") or "\0".join(
        [stated, *_whose(change)]
    )
    kind = [text(change.source, k) for k in ("SOPClassUID", "PresentationIntentType")]
    treated = [*treatment(change.derivation), repr(change.options)]
    return _uid("series", source, *kind, *treated)


@each
def complete_study(result: Dataset, keyword: str, change: Change) -> None:
    """Make a study UID if the source has none, because every archive needs this UID.

    Without a named patient, the image becomes its own study, so that no patient is
    guessed. An empty element was emptied on purpose, and stays empty.
    """
    stated = text(change.source, keyword)
    if not MOSTLY_UID.fullmatch(stated) and (stated or keyword not in change.source):
        put(result, keyword, _uid("study", stated, *_whose(change)))


def _whose(change: Change) -> list[str]:
    """Return the attributes that distinguish studies without UIDs."""
    header = change.source
    if not text(header, "PatientID"):
        derivation = change.derivation
        extremes = f"{int(derivation.minimum)} {int(derivation.maximum)}"
        return [_fingerprint(header), derivation.pixels_sha256 or extremes]
    names = ("PatientID", "IssuerOfPatientID", "StudyID", "AccessionNumber")
    return [text(header, k) for k in (*names, "StudyDate", "StudyTime")]


def weights_uid(derivation: Derivation) -> str:
    """Return the DeviceUID of a model; each training gives another UID."""
    return _uid("model", derivation.model, derivation.weights_sha256)


def series_number(change: Change) -> int:
    """Return the requested number, or the source's number plus the offset."""
    if change.options.series_number is not None:
        return change.options.series_number
    source = numbers(change.source, "SeriesNumber") or (0,)
    number = int(source[0]) + change.options.series_offset
    return number if number in INTEGER_STRING else change.options.series_offset


def local_time(header: Dataset, now: datetime) -> datetime:
    """Return `now` in the header's time zone; unchanged if either has no time zone.

    References
    ----------
    DICOM PS3.3 C.12.1: TimezoneOffsetFromUTC applies to all DA and TM of the object
    """
    offset = re.fullmatch(
        r"([+-])(\d\d)([0-5]\d)", text(header, "TimezoneOffsetFromUTC")
    )
    if offset is None or now.tzinfo is None:
        return now
    minutes = int(offset[2]) * 60 + int(offset[3])
    if minutes >= 24 * 60:
        return now
    return now.astimezone(timezone(timedelta(minutes=int(f"{offset[1]}{minutes}"))))


@each
def stamp(result: Dataset, keyword: str, change: Change) -> None:
    """Set a DA or a TM to now, keep it, or remove it, according to the options."""
    if change.dates.which == "none":
        remove(result, keyword)
    if change.dates.which != "now":
        return
    layout = "%Y%m%d" if keyword.endswith("Date") else "%H%M%S.%f"
    put(result, keyword, change.now.strftime(layout))


@each
def gray_class(result: Dataset, keyword: str, change: Change) -> None:
    """Replace the SOP class of multi-frame true colour, because results are gray.

    References
    ----------
    DICOM PS3.3 A.8.3, A.8.4 and A.8.5
    """
    if text(change.source, keyword) != MultiFrameTrueColorSecondaryCaptureImageStorage:
        return
    wide = numbers(change.source, "BitsAllocated") == (16.0,)
    put(
        result,
        keyword,
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage
        if wide
        else MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    )
    for needed, value in GRAY_AS_STORED.items():
        put(result, needed, value)


def image_type(change: Change) -> list[str]:
    """Return DERIVED, then the source's values in their places, then RESAMPLED.

    The place of a value decides its meaning, so no value is inserted before another.
    The standard defines the first three places; RESAMPLED comes after them.

    References
    ----------
    DICOM PS3.3 C.7.6.1.1.2, C.8.11.3.1.1
    """
    sop_class = text(change.source, "SOPClassUID")
    stated = text(change.source, "ImageType").rstrip("\\ ")
    values = [value.strip() for value in stated.split("\\")]
    _, second, third, *rest = [*values, "", ""][: max(3, len(values))]
    if not second:
        second = "SECONDARY" if sop_class in CAPTURES else "PRIMARY"
    if sop_class in DX_IMAGE:
        third = ""
    appended = [] if "RESAMPLED" in rest else ["RESAMPLED"]
    return ["DERIVED", second, third, *rest, *appended]


def treatment(derivation: Derivation) -> list[str]:
    """Return the part of the derivation that all images of a series share."""
    return [scale_label(derivation.factors), *_settings(derivation)]


def _settings(derivation: Derivation) -> list[str]:
    """Return the settings; leave out measurements, which differ by image."""
    return [
        derivation.model,
        derivation.weights_sha256,
        derivation.engine,
        derivation.precision,
        derivation.consistency,
        "" if derivation.grain_asked is None else str(derivation.grain_asked),
        derivation.value_range,
        tool_version(),
    ]


def _fingerprint(header: Dataset) -> str:
    """Return a replacement for a missing UID: the SHA-256 of all text in the header.

    Only text, without spaces, is the same before and after decoding.
    """
    digest = hashlib.sha256()
    for tag in sorted(header.keys()):
        if dictionary_has_tag(tag) and dictionary_VR(tag) in STR_VR:
            words = "".join(text(header, tag).split())
            digest.update(f"{tag}{words}".encode(errors="replace"))
    return digest.hexdigest()


def _uid(*entropy: str) -> str:
    return generate_uid(entropy_srcs=["\0".join(entropy)])
