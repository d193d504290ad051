"""Read and write radiographs; only this part of the package opens image files.

::

    read(path)             DICOM, PNG, JPEG, TIFF, MetaImage, NRRD, NIfTI -> Radiograph
    from_array(pixels)     and from_dataset, to_dataset: data in memory
    write(radiograph, path)    by suffix; a complete file or none
    inspect(path)          describes a file from its header alone
    discover(paths)        files, folders, DICOMDIRs -> candidates, and refusals
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import BinaryIO

from cxr_sr.errors import InputError, OutputError, OwnResultError, SettingsError
from cxr_sr.formats.arrays import from_array
from cxr_sr.formats.datasets import from_dataset, to_dataset
from cxr_sr.formats.dicom.header import DicomHeader, Uids
from cxr_sr.formats.dicom.parse import parse
from cxr_sr.formats.dicom.write import check_storable
from cxr_sr.formats.discover import Candidate, Skipped, discover
from cxr_sr.formats.guard import readable
from cxr_sr.formats.header.derive import HeaderOptions
from cxr_sr.formats.inspection import Inspection
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster.files import RasterHeader
from cxr_sr.formats.registry import (
    FORMATS,
    format_named,
    format_of,
    opened,
    recognised,
)
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
    "is_lossy",
    "is_own_result",
    "read",
    "read_original",
    "to_dataset",
    "uids_of",
    "write",
]

OWN_RESULT = (
    "the image is itself a result of cxr-sr; expected an original, because a network "
    "should not work on the result of a network: give --again to use it"
)


def read(
    source: Path | str | BinaryIO,
    *,
    header: HeaderOptions | None = None,
    colour: bool = False,
) -> Radiograph:
    """Read one radiograph; the content of the file decides its format, not the name.

    Parameters
    ----------
    source : the path of a file; or a file that is open in binary mode, which is read
        from its position to its end
    header : options for DICOM headers that are made from this file
    colour : True keeps red, green and blue of a colour picture, as pixels (H, W, 3),
        for experiments with colour. False reads a picture as gray if red, green and
        blue are equal everywhere, and refuses true colour.

    Returns
    -------
    The radiograph with the stored values of the file, (H, W) or (H, W, 3): before any
    LUT, window or inversion.

    Raises
    ------
    UnreadableError
        If the file is missing, damaged, or in a coding that no decoder here reads.
    NotARadiographError
        If the file is anything but one projection radiograph, or has true colour.
    SettingsError
        If `source` is neither a path nor a binary stream.
    """
    if not isinstance(source, str | os.PathLike):
        file, kind = _recognised_stream(source)
        return format_of(kind).read(file, kind, header, colour=colour)
    with opened(Path(source)) as (file, kind):
        return format_of(kind).read(file, kind, header, colour=colour)


def read_original(
    path: Path | str,
    *,
    again: bool = False,
    header: HeaderOptions | None = None,
    colour: bool = False,
) -> Radiograph:
    """Read one radiograph like `read`, but refuse a result of this package.

    Parameters
    ----------
    again : do not refuse results
    header, colour : see `read`

    Raises
    ------
    OwnResultError
        If the image was made by `upscale`.
    UnreadableError, NotARadiographError
        For the same reasons as `read`.
    """
    radiograph = read(path, header=header, colour=colour)
    if is_own_result(radiograph) and not again:
        raise OwnResultError(OWN_RESULT)
    return radiograph


def is_own_result(radiograph: Radiograph) -> bool:
    """Tell whether the image is a result of this package."""
    header = radiograph.header
    return isinstance(header, DicomHeader | RasterHeader) and header.own


def is_lossy(radiograph: Radiograph) -> bool:
    """Tell whether the file or its header states lossy compression."""
    header = radiograph.header
    return isinstance(header, DicomHeader | RasterHeader) and header.lossy


def _recognised_stream(source: object) -> tuple[BinaryIO, Kind]:
    if not hasattr(source, "read"):
        raise SettingsError(
            f"read was given {type(source).__name__}; expected a path or a file open "
            "in binary mode: use io.BytesIO for bytes, cxr_sr.from_array for an array, "
            "cxr_sr.from_dataset for a pydicom Dataset"
        )
    with readable("the stream"):
        data = source.read()
    if not isinstance(data, bytes):
        raise SettingsError(
            f"the stream gave {type(data).__name__}; expected bytes: open the file in "
            "binary mode, 'rb'"
        )
    return recognised(io.BytesIO(data))


def inspect(path: Path | str) -> Inspection:
    """Describe a file from its header, without decoding pixels.

    Returns
    -------
    Size, bits, spacing, window, coding and remarks; a refusal if `read` would refuse
    the file.

    Raises
    ------
    UnreadableError
        If the file cannot be opened, or its header is damaged.
    NotARadiographError
        If the content has no known format.
    """
    with opened(Path(path)) as (file, kind):
        return format_of(kind).probe(file, kind)


def uids_of(path: Path) -> Uids:
    """Return the UIDs of a file; None in each field if it is not readable DICOM."""
    try:
        with opened(path) as (file, kind):
            if kind.is_dicom:
                return Uids.of(DicomHeader(parse(file, kind).dataset))
    except InputError:
        pass
    return Uids()


def write(
    radiograph: Radiograph,
    path: Path | str,
    *,
    compression: Compression = "none",
    overwrite: bool = False,
) -> None:
    """Write stored values and header; the file appears complete or not at all.

    Parameters
    ----------
    path : the suffix chooses the format. Without a known suffix, an image from a DICOM
        file is written as DICOM. An image from another format becomes a Secondary
        Capture with the suffix .dcm.
    compression : lossless compression, for DICOM only
    overwrite : replace an existing file

    Raises
    ------
    OutputError
        If the format cannot hold the image, the file exists, or the disk refuses.
    """
    path = Path(path)
    form = format_named(path.suffix)
    if form is None and isinstance(radiograph.header, DicomHeader):
        form = format_of(Kind.DICOM)  # such files often have no suffix
    if form is None or form.write is None:
        raise OutputError(
            f"the suffix {path.suffix!r} names no format for output; use "
            f"{', '.join(f.suffixes[0] for f in FORMATS if f.write)}"
        )
    form.write(radiograph, path, compression=compression, overwrite=overwrite)
