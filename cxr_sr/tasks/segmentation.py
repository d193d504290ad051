"""Write masks as a DICOM Segmentation that refers to its source, or as pictures."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID, SecondaryCaptureImageStorage, generate_uid

from cxr_sr.errors import OutputError
from cxr_sr.files import replacing
from cxr_sr.formats import write
from cxr_sr.formats.dicom.header import DicomHeader, Uids
from cxr_sr.formats.guard import quiet
from cxr_sr.formats.header.elements import INTEGER_STRING, numbers, put, text
from cxr_sr.formats.raster.files import RasterHeader
from cxr_sr.formats.raster.grid import Grid
from cxr_sr.radiograph import PixelFormat, Radiograph
from cxr_sr.tasks.spec import HeadSpec

KEPT = (
    *("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate"),
    *("PatientSex", "PatientIdentityRemoved", "DeidentificationMethod"),
    *("DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription"),
    *("AccessionNumber", "ReferringPhysicianName", "TimezoneOffsetFromUTC"),
    "PatientOrientation",
)
"""Attributes of patient and study that a Segmentation copies from its source."""
NEEDED = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber"),
    *("ReferringPhysicianName", "PatientOrientation"),
)
"""Attributes that must be present, but may be empty: type 2 in PS3.3."""
STAMPS = ("SeriesDate", "SeriesTime", "ContentDate", "ContentTime")
DUMMIES = {"ContentDate": "19000101", "ContentTime": "000000"}
"""Dummy values for the date and the time that a Segmentation must have, if its source
hides them; see PS3.15 E.1, action D."""
SERIES_OFFSET = 9500
"""Number to add to the source's SeriesNumber; viewers then list masks after images."""
WHITE = 255
"""Pixel value in a picture of one class; with more classes, the number of the class."""


def write_masks(
    radiograph: Radiograph,
    masks: NDArray[np.bool_],
    head: HeadSpec,
    path: Path,
    now: datetime,
) -> None:
    """Write the masks of a radiograph; the file appears complete or not at all.

    Parameters
    ----------
    masks : (classes, rows, columns)
    path : suffix .dcm or an unknown suffix: DICOM Segmentation; else a picture
    now : the time of the run

    Raises
    ------
    OutputError
        If a Segmentation is asked for, but the source is no DICOM image or has no valid
        UIDs; or if the file cannot be written.
    """
    if is_segmentation(path):
        made = segmentation(radiograph, masks, head, now)
        with replacing(path, overwrite=True) as temporary, quiet():
            made.save_as(temporary, enforce_file_format=True)
        return
    values = (
        np.full(len(masks), WHITE) if len(masks) == 1 else 1 + np.arange(len(masks))
    )
    labels = np.zeros(radiograph.shape, np.uint8)
    for value, mask in zip(values, masks, strict=True):
        labels[mask] = value
    fmt = PixelFormat(8, 8, signed=False, photometric="MONOCHROME2")
    geometry = radiograph.geometry
    picture = Radiograph(labels, fmt, geometry, RasterHeader(Grid.of(geometry)))
    write(picture, path, overwrite=True)


def is_segmentation(path: Path) -> bool:
    """Tell whether a path means a DICOM Segmentation; else it means a picture."""
    from cxr_sr.formats.registry import format_named

    form = format_named(path.suffix)
    return form is None or (form.kind is not None and form.kind.is_dicom)


def why_not(radiograph: Radiograph) -> str:
    """Return the reason why a DICOM Segmentation cannot refer to an image; else ""."""
    header = radiograph.header
    if not isinstance(header, DicomHeader):
        return "a DICOM Segmentation refers to a DICOM image, and this is a picture"
    if not Uids.of(header).is_valid or not text(header.dataset, "StudyInstanceUID"):
        return "the image has no valid UIDs that a DICOM Segmentation could refer to"
    return ""


def segmentation(
    radiograph: Radiograph, masks: NDArray[np.bool_], head: HeadSpec, now: datetime
) -> Dataset:
    """Return a DICOM Segmentation of a DICOM radiograph.

    The UIDs are made from the source's UIDs, its pixels and the head, so a second run
    makes the same instance.

    Raises
    ------
    OutputError
        If the source is no DICOM image, or has no valid UIDs.

    References
    ----------
    DICOM PS3.3 A.51 (Segmentation IOD), C.8.20
    """
    header = radiograph.header
    reason = why_not(radiograph)
    if reason or not isinstance(header, DicomHeader):
        raise OutputError(f"{reason}; use --format png")
    with warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore")
        made = _made(header.dataset, masks, head, radiograph.pixels_sha256)
        _keep(header.dataset, made)
        _stamp(header, made, now)
        _name_dimensions(made)
    return made


def _made(
    source: Dataset, masks: NDArray[np.bool_], head: HeadSpec, pixels_sha256: str
) -> Dataset:
    import highdicom as hd

    from cxr_sr import __version__

    treatment = (head.name, head.sha256)
    of_instance = text(source, "SOPInstanceUID"), pixels_sha256
    of_series = text(source, "SeriesInstanceUID"), text(source, "StudyInstanceUID")
    number = int((numbers(source, "SeriesNumber") or (0,))[0]) + SERIES_OFFSET
    if number not in INTEGER_STRING:
        number = SERIES_OFFSET
    made: Dataset = hd.seg.Segmentation(
        source_images=[_outline(source)],
        pixel_array=masks.transpose(1, 2, 0)[None],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=list(_segments(head)),
        series_instance_uid=_uid("masks", *of_series, *treatment),
        series_number=max(1, number),
        sop_instance_uid=_uid("mask", *of_instance, *treatment),
        instance_number=1,
        manufacturer="cxr-sr",
        manufacturer_model_name=head.name,
        software_versions=__version__,
        device_serial_number=head.sha256[:16],
        content_label="MASKS",
        content_description=f"cxr-sr: {head.name}"[:64],
        omit_empty_frames=False,
    )
    _name_class(made, text(source, "SOPClassUID"))
    made.SeriesDescription = f"cxr-sr: {', '.join(head.classes)}"[:64]
    return made


def _uid(*parts: str) -> UID:
    return generate_uid(entropy_srcs=["\0".join(parts)])


def _outline(source: Dataset) -> Dataset:
    """Return the valid values in the source's header that a Segmentation needs.

    The outline has the SOP class of an image with one frame; `_name_class` then states
    the true class. For a class with several frames, such as X-Ray Angiographic,
    highdicom expects functional groups in each image, and most such images have none.
    """
    outline = Dataset()
    outline.SOPClassUID = SecondaryCaptureImageStorage
    for keyword in ("SOPInstanceUID", "StudyInstanceUID"):
        put(outline, keyword, text(source, keyword))
    series = text(source, "SeriesInstanceUID") or _uid(text(source, "SOPInstanceUID"))
    outline.SeriesInstanceUID = series
    for keyword in NEEDED:
        put(outline, keyword, None)
    outline.Modality = text(source, "Modality") or "OT"
    outline.Rows, outline.Columns = (
        int(numbers(source, keyword)[0]) for keyword in ("Rows", "Columns")
    )
    return outline


def _name_class(made: Dataset, sop_class: str) -> None:
    """State the SOP class of the source in all references to it."""
    for element in made.iterall():
        if element.keyword == "ReferencedSOPClassUID":
            element.value = UID(sop_class)


def _segments(head: HeadSpec) -> Iterable[Any]:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    from cxr_sr import __version__

    known = {"lung": codes.SCT.Lung, "heart": codes.SCT.Heart}
    for number, name in enumerate(head.classes, start=1):
        kind = known.get(name.lower().removesuffix("s"), codes.SCT.AnatomicalStructure)
        algorithm = hd.AlgorithmIdentificationSequence(
            name=f"cxr-sr {head.name}"[:64],
            family=codes.DCM.ArtificialIntelligence,
            version=f"{__version__} {head.sha256[:12]}",
        )
        yield hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=kind,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )


def _keep(source: Dataset, made: Dataset) -> None:
    """Copy patient and study from the source to a mask, byte for byte.

    The object also takes the source's character set, if there is one, so that names
    keep their characters. All other text is ASCII, which every character set has.
    """
    charset = "SpecificCharacterSet"
    if text(source, charset):
        put(made, charset, source[charset].value)
    for keyword in KEPT:
        if keyword in source:
            with suppress(ValueError, TypeError, KeyError, AttributeError):
                made[keyword] = copy.deepcopy(source[keyword])
    for keyword in NEEDED:
        if keyword not in made:
            put(made, keyword, None)


def _stamp(header: DicomHeader, made: Dataset, now: datetime) -> None:
    """Date a mask like a result of `upscale`: now, the source's date, or a dummy."""
    which = header.dates.which
    for keyword in STAMPS:
        is_date = keyword.endswith("Date")
        told = now.strftime("%Y%m%d" if is_date else "%H%M%S")
        if which != "now":
            said = text(header.dataset, "StudyDate" if is_date else "StudyTime")
            told = said if which == "source" else ""
        put(made, keyword, told or DUMMIES.get(keyword))
    for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
        if keyword in made:
            del made[keyword]
    for equipment in made.get("ContributingEquipmentSequence", ()):
        # highdicom states the true time, which the source's dates may have to hide.
        if which == "now":
            equipment.ContributionDateTime = now.strftime("%Y%m%d%H%M%S")
        elif "ContributionDateTime" in equipment:
            del equipment.ContributionDateTime


def _name_dimensions(made: Dataset) -> None:
    """Give the dimensions a UID that is the same in every run."""
    own = _uid("dimensions", made.SOPInstanceUID)
    for keyword in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in made.get(keyword, ()):
            item.DimensionOrganizationUID = own
