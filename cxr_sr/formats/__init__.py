"""Files <-> radiographs; the only part of the package that opens image files.

::

    read(path)             DICOM, PNG, TIFF, MetaImage, NRRD -> Radiograph
    from_array(pixels)     and from_dataset, to_dataset: data in memory
    write(radiograph, path)    by suffix; a whole file or none
    inspect(path)          what a file is, from its header alone
    discover(paths)        files, folders, DICOMDIRs -> candidates, or why not
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, cast

from pydicom.dataset import Dataset

from cxr_sr.errors import OutputError, OwnResultError, SettingsError
from cxr_sr.formats.arrays import from_array
from cxr_sr.formats.datasets import dicom_header, from_dataset, from_stream, to_dataset
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.dicom.read import read_dicom
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
    "HeaderOptions",
    "Inspection",
    "Skipped",
    "check_storable",
    "discover",
    "from_array",
    "from_dataset",
    "inspect",
    "is_own_result",
    "read",
    "read_original",
    "to_dataset",
    "write",
]

OWN_RESULT = (
    "the image is itself a result of cxr-sr; expected an original, as a network would "
    "otherwise work on what a network has made: give --again to take it all the same"
)
_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


def read(
    source: Path | str | BinaryIO, *, header: HeaderOptions | None = None
) -> Radiograph:
    """Read one radiograph; its content says what it is, not its name.

    Parameters
    ----------
    source : a file's path; or a file, open in binary mode, which is read from where it
        stands to its end
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
    SettingsError
        If `source` is neither a path nor a binary stream.
    """
    if not isinstance(source, str | os.PathLike):
        return _read_stream(source, header)
    path = Path(source)
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


def _read_stream(source: object, header: HeaderOptions | None) -> Radiograph:
    if not hasattr(source, "read"):
        raise SettingsError(
            f"read was given {type(source).__name__}; expected a path or a file open "
            "in binary mode: use io.BytesIO for bytes, cxr_sr.from_array for an array, "
            "cxr_sr.from_dataset for a pydicom Dataset"
        )
    return from_stream(cast("BinaryIO", source), header)


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
    from_dicom = isinstance(radiograph.header, DicomHeader)
    if not from_dicom and suffix.lower() not in _DICOM_SUFFIXES:
        raise OutputError(
            f"no format is known by the suffix {suffix!r}; use .dcm, "
            f"{', '.join(SUFFIXES)}"
        )
    return dicom_header(radiograph)
