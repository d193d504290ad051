"""Convert radiographs from and to pydicom data sets.

::

    from_dataset(dataset)      pydicom Dataset -> Radiograph, as from its file
    to_dataset(radiograph)     -> pydicom Dataset, as `write` would store it
"""

from __future__ import annotations

import copy
import io
from datetime import datetime

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from cxr_sr.errors import SettingsError, UnreadableError
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.dicom.limits import check_sequences
from cxr_sr.formats.dicom.read import read_dicom
from cxr_sr.formats.dicom.secondary_capture import secondary_capture
from cxr_sr.formats.dicom.write import as_dataset
from cxr_sr.formats.guard import quiet, readable
from cxr_sr.formats.header.derive import HeaderOptions
from cxr_sr.formats.header.elements import PIXEL_DATA
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster.files import RasterHeader
from cxr_sr.radiograph import Radiograph


def from_dataset(
    dataset: Dataset, *, header: HeaderOptions | None = None
) -> Radiograph:
    """Return the radiograph in a pydicom data set, the same as from its file.

    Parameters
    ----------
    dataset : a data set with pixel data, from `pydicom.dcmread` or from a network.
        Compressed pixels need `dataset.file_meta.TransferSyntaxUID`. Without it, the
        encoding is the one that pydicom read, or Explicit VR Little Endian. The data
        set is not changed.
    header : options for DICOM headers that are made from this header

    Returns
    -------
    The radiograph with stored values (H, W).

    Raises
    ------
    SettingsError
        If `dataset` is no Dataset.
    UnreadableError
        If the data set is damaged, or in a coding that no decoder here reads.
    NotARadiographError
        If the data set is anything but one projection radiograph.
    """
    if not isinstance(dataset, Dataset):
        raise SettingsError(
            f"from_dataset was given {type(dataset).__name__}; expected a "
            "pydicom.Dataset: for a path or an open file, use cxr_sr.read"
        )
    with readable("the data set"), quiet():
        check_sequences(dataset)
        encoded = _encoded(dataset)
    return read_dicom(encoded, Kind.DICOM, header)


def to_dataset(radiograph: Radiograph) -> Dataset:
    """Return the data set that `write` would store: complete, ready to save or send.

    The data set has pixels (Explicit VR Little Endian, uncompressed) and file meta
    information. An image from another format or from an array becomes a Secondary
    Capture.

    Raises
    ------
    OutputError
        If DICOM cannot hold the image.
    """
    return as_dataset(radiograph, dicom_header(radiograph))


def dicom_header(radiograph: Radiograph) -> Dataset:
    """Return the DICOM header of any radiograph, without pixel data."""
    header = radiograph.header
    if isinstance(header, DicomHeader):
        return header.dataset
    if not isinstance(header, RasterHeader):
        return secondary_capture(radiograph, datetime.now().astimezone())
    now = header.made or datetime.now().astimezone()
    return secondary_capture(radiograph, now, header.options, header.said)


def _encoded(dataset: Dataset) -> io.BytesIO:
    """Return the data set as a DICOM file, in its own transfer syntax."""
    meta = copy.deepcopy(getattr(dataset, "file_meta", None)) or FileMetaDataset()
    syntax = UID(meta.get("TransferSyntaxUID") or _own_syntax(dataset))
    if syntax == DeflatedExplicitVRLittleEndian:
        syntax = ExplicitVRLittleEndian  # pydicom has inflated the data set
    meta.TransferSyntaxUID = syntax
    stream = DicomBytesIO()
    stream.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(stream, meta, enforce_standard=False)
    stream.is_little_endian = syntax != ExplicitVRBigEndian
    stream.is_implicit_VR = syntax == ImplicitVRLittleEndian
    # Group 0000 belongs to network messages.
    write_dataset(stream, dataset[0x00080000:PIXEL_DATA])
    _write_pixels(stream, dataset, syntax)
    write_dataset(stream, dataset[PIXEL_DATA + 1 :])
    return io.BytesIO(stream.getvalue())


def _write_pixels(stream: DicomBytesIO, dataset: Dataset, syntax: UID) -> None:
    if PIXEL_DATA in dataset and syntax.is_transfer_syntax and syntax.is_compressed:
        # pydicom would pad the fragments to an even length, and so damage odd ones.
        stream.write(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff")
        stream.write(dataset[PIXEL_DATA].value)
        stream.write(b"\xfe\xff\xdd\xe0\0\0\0\0")  # sequence delimiter, PS3.5 A.4
    else:
        write_dataset(stream, dataset[PIXEL_DATA : PIXEL_DATA + 1])


def _own_syntax(dataset: Dataset) -> UID:
    """Return the encoding of a data set that came without file meta information."""
    if PIXEL_DATA in dataset and dataset[PIXEL_DATA].is_undefined_length:
        raise UnreadableError(
            "the data set's pixels are compressed, but the transfer syntax is missing; "
            "set dataset.file_meta.TransferSyntaxUID"
        )
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if little is False else ExplicitVRLittleEndian
