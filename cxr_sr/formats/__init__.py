"""Files <-> radiographs; the only part of the package that opens image files.

::

    read(path)             DICOM, PNG, TIFF, MetaImage, NRRD -> Radiograph
    write(radiograph, path)    by suffix; a whole file or none
    inspect(path)          what a file is, from its header alone
    discover(paths)        files, folders, DICOMDIRs -> candidates, or why not
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydicom.dataset import Dataset

from cxr_sr.errors import OutputError, OwnResultError
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.dicom.read import read_dicom
from cxr_sr.formats.dicom.secondary_capture import secondary_capture
from cxr_sr.formats.dicom.write import check_storable, write_dicom
from cxr_sr.formats.discover import Candidate, Skipped, discover
from cxr_sr.formats.header.derive import HeaderOptions
from cxr_sr.formats.inspection import Inspection, inspect
from cxr_sr.formats.raster.files import (
    SUFFIXES,
    RasterHeader,
    read_raster,
    write_raster,
)
from cxr_sr.formats.sniff import recognise
from cxr_sr.names import Compression
from cxr_sr.radiograph import Radiograph

__all__ = [
    "Candidate",
    "Inspection",
    "Skipped",
    "check_storable",
    "discover",
    "inspect",
    "is_own_result",
    "read",
    "read_original",
    "write",
]

OWN_RESULT = (
    "the image is itself a result of cxr-sr; expected an original, as a network would "
    "otherwise work on what a network has made: give --again to take it all the same"
)
_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


def read(path: Path | str, *, header: HeaderOptions | None = None) -> Radiograph:
    """Read one radiograph; its content says what it is, not its name.

    Parameters
    ----------
    header : what DICOM headers made from this file should say

    Returns
    -------
    Stored values as they are in the file: before any LUT, window or inversion.

    Raises
    ------
    UnreadableError
        If the file is missing, damaged, or in a coding that no decoder here reads.
    NotARadiographError
        If it is anything but one projection radiograph.
    """
    path = Path(path)
    kind = recognise(path)
    if kind.is_dicom:
        return read_dicom(path, kind, header)
    return read_raster(path, kind, header)


def read_original(
    path: Path | str, *, again: bool = False, header: HeaderOptions | None = None
) -> Radiograph:
    """Read one radiograph to work on, as `read` does, but no result of this package.

    Parameters
    ----------
    again : take results all the same

    Raises
    ------
    OwnResultError
        If the image was made by `upscale`.
    UnreadableError, NotARadiographError
        As `read` does.
    """
    radiograph = read(path, header=header)
    if is_own_result(radiograph) and not again:
        raise OwnResultError(OWN_RESULT)
    return radiograph


def is_own_result(radiograph: Radiograph) -> bool:
    """Return whether this package made the image finer already."""
    header = radiograph.header
    return isinstance(header, DicomHeader | RasterHeader) and header.own


def write(
    radiograph: Radiograph,
    path: Path | str,
    *,
    compression: Compression = "none",
    overwrite: bool = False,
) -> None:
    """Write stored values and header; the file appears whole or not at all.

    Parameters
    ----------
    path : its suffix names the format; one that names none is DICOM's if the image
        came from a DICOM file. An image from another format becomes a Secondary
        Capture as .dcm.
    compression : lossless, for DICOM only

    Raises
    ------
    OutputError
        If the format cannot hold the image, the file exists, or the disk refuses.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        dataset = _dicom_header(radiograph, path.suffix)
        write_dicom(
            radiograph, dataset, path, compression=compression, overwrite=overwrite
        )
    elif compression != "none":
        raise OutputError(
            f"compression {compression} is for DICOM, not for {path.suffix}; leave it "
            "out"
        )
    else:
        write_raster(radiograph, path, overwrite=overwrite)


def _dicom_header(radiograph: Radiograph, suffix: str) -> Dataset:
    header = radiograph.header
    if isinstance(header, DicomHeader):
        return header.dataset
    if suffix.lower() not in _DICOM_SUFFIXES:
        raise OutputError(
            f"no format is known by the suffix {suffix!r}; use .dcm, "
            f"{', '.join(SUFFIXES)}"
        )
    made, options = None, HeaderOptions()
    if isinstance(header, RasterHeader):
        made, options = header.made, header.options
    return secondary_capture(radiograph, made or datetime.now().astimezone(), options)
