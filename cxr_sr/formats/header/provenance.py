"""State the origin of the pixels: codes, references and equipment."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from cxr_sr.formats.header.change import TOOL, Change, each, tool_version
from cxr_sr.formats.header.elements import (
    append,
    items,
    new_item,
    put,
    remove,
    text,
    uid,
    undecoded,
)
from cxr_sr.formats.header.identity import weights_uid
from cxr_sr.formats.header.words import derivation_text, model_name

Code = tuple[str, str, str]
"""(CodeValue, CodingSchemeDesignator, CodeMeaning), PS3.3 8.1"""

SPATIAL_RESAMPLING: Code = ("113085", "DCM", "Spatial resampling")  # CID 7203
SOURCE_IMAGE: Code = (  # CID 7202
    "121322",
    "DCM",
    "Source image for image processing operation",
)
ACQUISITION_EQUIPMENT: Code = ("109101", "DCM", "Acquisition Equipment")  # CID 7005
PROCESSING_EQUIPMENT: Code = ("109102", "DCM", "Processing Equipment")

OWN_SCHEME = "99CXRSR"
"""Private coding schemes begin with 99, PS3.3 8.2."""
SUPER_RESOLUTION: Code = (
    "SUPERRES",
    OWN_SCHEME,
    "Super-resolution by a trained network",
)
"""Private code, because CID 7203 is extensible and has no code for super-resolution."""


@each
def add_derivation_codes(result: Dataset, keyword: str, change: Change) -> None:
    """Append codes for the processing, unless the source has them already."""
    learned = (SUPER_RESOLUTION,) if change.derivation.learned else ()
    for code in (SPATIAL_RESAMPLING, *learned):
        if code[:2] not in [
            (text(item, "CodeValue"), text(item, "CodingSchemeDesignator"))
            for item in items(result, keyword) or ()
        ]:
            append(result, keyword, _coded(code))


@each
def identify_coding_scheme(result: Dataset, keyword: str, change: Change) -> None:
    """Name the private coding scheme, so that a reader can look it up."""
    schemes = [text(i, "CodingSchemeDesignator") for i in items(result, keyword) or ()]
    if change.derivation.learned and OWN_SCHEME not in schemes:
        scheme = new_item(
            result,
            CodingSchemeDesignator=OWN_SCHEME,
            CodingSchemeName=f"Codes of {TOOL}",
        )
        append(result, keyword, scheme)


@each
def add_source_image(result: Dataset, keyword: str, change: Change) -> None:
    """Append the source; a viewer must not overlay source and result pixel by pixel."""
    reference = _reference(change.source)
    if reference is None:
        return
    put(reference, "PurposeOfReferenceCodeSequence", [_coded(SOURCE_IMAGE)])
    # The standard's own example for NO is a magnified projection: PS3.3 C.12.4.
    put(reference, "SpatialLocationsPreserved", "NO")
    append(result, keyword, reference)


@each
def add_source_series(result: Dataset, keyword: str, change: Change) -> None:
    """List the source under its series; keep the source's own references."""
    reference = _reference(change.source)
    series = uid(change.source, "SeriesInstanceUID")
    if reference is None or not series:
        return
    for item in items(result, keyword) or ():
        if uid(item, "SeriesInstanceUID") == series:
            append(item, "ReferencedInstanceSequence", reference)
            return
    item = new_item(result, SeriesInstanceUID=series)
    append(item, "ReferencedInstanceSequence", reference)
    append(result, keyword, item)


def move_equipment(
    result: Dataset, attributes: tuple[str, ...], change: Change
) -> None:
    """Move the source's equipment to ContributingEquipmentSequence; write our own.

    References
    ----------
    DICOM PS3.3 C.7.5.1.1 (General Equipment), C.12.1.1.5 (Contributing Equipment)
    """
    if change.options.equipment == "keep":
        return
    # A source that is a result already names its equipment in both places.
    listed = _is_listed(change.source)
    item = new_item(result)
    for tag in map(Tag, attributes):
        element = undecoded(result, tag)
        if element is not None and element.value and not listed:
            item[tag] = element
        remove(result, tag)
    if len(item) > 0:
        if not text(item, "Manufacturer"):
            put(item, "Manufacturer", "UNKNOWN")  # type 1 here, type 2 at the top
        derived = text(change.source, "ImageType").startswith("DERIVED")
        role = PROCESSING_EQUIPMENT if derived else ACQUISITION_EQUIPMENT
        put(item, "PurposeOfReferenceCodeSequence", [_coded(role)])
        append(result, "ContributingEquipmentSequence", item)
    for keyword, value in _own_equipment(change).items():
        put(result, keyword, value)


@each
def add_own_equipment(result: Dataset, keyword: str, change: Change) -> None:
    """Append this tool and its model as processing equipment."""
    item = new_item(
        result,
        **_own_equipment(change),
        ContributionDescription=derivation_text(change.derivation),
    )
    if change.dates.which == "now":
        zone = change.now.strftime("%z")[:5]
        now = change.now.strftime("%Y%m%d%H%M%S.%f") + zone
        put(item, "ContributionDateTime", now)
    put(item, "PurposeOfReferenceCodeSequence", [_coded(PROCESSING_EQUIPMENT)])
    append(result, keyword, item)


@each
def declare_synthetic(result: Dataset, keyword: str, change: Change) -> None:
    """Set YES for a network's pixels; else keep the source's value."""
    if change.derivation.learned and change.options.synthetic:
        put(result, keyword, "YES")


def _is_listed(source: Dataset) -> bool:
    """Tell whether the source also lists its General Equipment as a contribution."""
    names = ("Manufacturer", "ManufacturerModelName", "SoftwareVersions")
    ours = [text(source, name) for name in names]
    listed = items(source, "ContributingEquipmentSequence") or ()
    return ours[0] == TOOL and any(
        [text(item, name) for name in names] == ours for item in listed
    )


def _own_equipment(change: Change) -> dict[str, str]:
    own = {
        "Manufacturer": TOOL,
        "ManufacturerModelName": model_name(change.derivation),
        "SoftwareVersions": f"{TOOL} {tool_version()}",
    }
    if change.derivation.learned:
        own["DeviceUID"] = weights_uid(change.derivation)
    return own


def _reference(source: Dataset) -> Dataset | None:
    """Return a reference to the source; None if the source has no valid UID."""
    pair = {
        "ReferencedSOPClassUID": uid(source, "SOPClassUID"),
        "ReferencedSOPInstanceUID": uid(source, "SOPInstanceUID"),
    }
    return new_item(source, **pair) if all(pair.values()) else None


def _coded(code: Code) -> Dataset:
    item = Dataset()
    for keyword, value in zip(
        ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"), code, strict=True
    ):
        put(item, keyword, value)
    return item
