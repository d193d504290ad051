"""Write a radiograph as a DICOM file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import dcmread
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from cxr_sr.errors import OutputError
from cxr_sr.files import replacing
from cxr_sr.formats.dicom.encoding import holds_encapsulated
from cxr_sr.formats.guard import PARSER_ERRORS, quiet
from cxr_sr.formats.header.change import tool_version
from cxr_sr.formats.header.elements import PIXEL_DATA, numbers, put, remove_tags, text
from cxr_sr.names import Compression
from cxr_sr.radiograph import PixelFormat, Radiograph

SYNTAXES: dict[Compression, UID] = {
    "none": ExplicitVRLittleEndian,
    "jpegls": JPEGLSLossless,
    "j2k": JPEG2000Lossless,
    "rle": RLELossless,
}

IMPLEMENTATION_CLASS_UID = UID("2.25.144965259570509083239074465216268761633")
"""UID of this writer for the file meta information, PS3.10 7.1."""

MAX_SIDE = 0xFFFF
"""Rows and Columns are US."""
MAX_PIXEL_BYTES = 0xFFFFFFFE
"""The longest native PixelData: its length is an even 32-bit number, PS3.5 7.1."""
BLOCK_BYTES = 2**22
"""Bytes of the image to copy at a time."""


def check_storable(shape: tuple[int, ...], fmt: PixelFormat) -> None:
    """Refuse an image that is too large for a DICOM file; call this before any work.

    Parameters
    ----------
    shape : (rows, columns) or (rows, columns, 3)

    Raises
    ------
    OutputError
        If a side or the pixel data are too long.
    """
    rows, columns, *rest = shape
    if max(rows, columns) > MAX_SIDE:
        raise OutputError(
            f"the result would have {rows} x {columns} pixels; DICOM holds at most "
            f"{MAX_SIDE} a side: choose a smaller scale"
        )
    size = rows * columns * (rest[0] if rest else 1) * fmt.dtype.itemsize
    if size > MAX_PIXEL_BYTES:
        raise OutputError(
            f"the result would have {size} bytes of pixels; DICOM holds at most "
            f"{MAX_PIXEL_BYTES}: choose a smaller scale"
        )


def write_dicom(
    radiograph: Radiograph,
    header: Dataset,
    path: Path,
    *,
    compression: Compression = "none",
    overwrite: bool = False,
) -> None:
    """Write a DICOM file; it appears complete or not at all.

    The pixels of an uncompressed file are written in blocks, so an array that is mapped
    from disk is never completely in memory. The same input gives the same bytes.

    Parameters
    ----------
    header : the header without pixel data and file meta information; `radiograph`
        gives the attributes of the image pixels

    Raises
    ------
    OutputError
        If the image is too large, the file exists, or the file cannot be written.

    References
    ----------
    DICOM PS3.10 7.1, PS3.5 8 and A.4
    """
    pixels = radiograph.pixels
    before, after = _around_pixels(radiograph, header, compression)
    with (
        replacing(path, overwrite=overwrite) as temporary,
        temporary.open("xb") as file,
    ):
        file.write(before)
        if compression == "none":
            _write_native(file, pixels)
        else:
            _write_compressed(file, _compressed(radiograph, compression))
        file.write(after)


def as_dataset(radiograph: Radiograph, header: Dataset) -> Dataset:
    """Return the data set that `write_dicom` would write, uncompressed.

    Parameters
    ----------
    header : see `write_dicom`

    Raises
    ------
    OutputError
        If the image is too large, or its header cannot be encoded.
    """
    before, after = _around_pixels(radiograph, header, "none")
    dataset = dcmread(io.BytesIO(before + after))
    dataset.filename = None
    pixels = b"".join(_blocks(radiograph.pixels))
    vr = _pixel_vr(radiograph.pixels)
    dataset.add_new(PIXEL_DATA, vr, pixels + b"\0" * (len(pixels) % 2))
    return dataset


def _around_pixels(
    radiograph: Radiograph, header: Dataset, compression: Compression
) -> tuple[bytes, bytes]:
    """Return the bytes of the file before and after the pixel data element."""
    check_storable(radiograph.pixels.shape, radiograph.format)
    header = _described(header, radiograph)
    if compression == "none":
        remove_tags(header, lambda tag: holds_encapsulated(header.get_item(tag)))
    return _encoded(header, SYNTAXES[compression])


def _described(header: Dataset, radiograph: Radiograph) -> Dataset:
    """Return the header with the image pixel module for these pixels."""
    fmt, shape = radiograph.format, radiograph.pixels.shape
    described = header[:]  # a copy with the same elements, which are never changed
    facts = {
        "SamplesPerPixel": 1 if len(shape) == 2 else shape[2],
        "Rows": shape[0],
        "Columns": shape[1],
        "BitsAllocated": fmt.bits_allocated,
        "BitsStored": fmt.bits_stored,
        "HighBit": fmt.bits_stored - 1,
        "PixelRepresentation": int(fmt.signed),
    }
    for keyword, value in facts.items():
        if numbers(described, keyword) != (value,):
            put(described, keyword, value)
    if text(described, "PhotometricInterpretation") != fmt.photometric:
        put(described, "PhotometricInterpretation", fmt.photometric)
    return described


def _encoded(header: Dataset, syntax: UID) -> tuple[bytes, bytes]:
    """Return the bytes of the file before and after the pixel data element."""
    if not text(header, "SOPInstanceUID"):
        raise OutputError(
            "SOPInstanceUID (0008,0018) is missing, but a file needs this UID; correct "
            "the source (an upscaled image gets a new UID)"
        )
    try:
        with quiet():
            sop_class, instance = (
                text(header, "SOPClassUID"),
                text(header, "SOPInstanceUID"),
            )
            meta = file_meta(sop_class, instance, syntax)
            before = explicit_stream(head_of_file(meta))
            write_dataset(before, header[:PIXEL_DATA])
            after = explicit_stream()
            write_dataset(after, header[PIXEL_DATA + 1 :])
    except PARSER_ERRORS as error:
        raise OutputError(
            "the header cannot be encoded; its source is damaged: export it again"
        ) from error
    return before.getvalue(), after.getvalue()


def explicit_stream(start: bytes = b"") -> DicomBytesIO:
    """Return a stream in Explicit VR Little Endian, at the end of `start`."""
    stream = DicomBytesIO()
    stream.write(start)
    stream.is_little_endian, stream.is_implicit_VR = True, False
    return stream


def head_of_file(meta: FileMetaDataset) -> bytes:
    """Return preamble, prefix and file meta information, PS3.10 7.1."""
    stream = explicit_stream(b"\0" * 128 + b"DICM")
    write_file_meta_info(stream, meta)
    return bytes(stream.getvalue())


def file_meta(sop_class: str, instance: str, syntax: str) -> FileMetaDataset:
    """Return file meta information that names the writer of the file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(instance)
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = f"CXR_SR_{tool_version()}"[:16]
    return meta


def _write_native(file: IO[bytes], pixels: NDArray[np.integer[Any]]) -> None:
    size = pixels.size * pixels.itemsize
    file.write(_element(_pixel_vr(pixels).encode(), size + size % 2))
    for block in _blocks(pixels):
        file.write(block)
    file.write(b"\0" * (size % 2))


def _pixel_vr(pixels: NDArray[np.integer[Any]]) -> str:
    return "OB" if pixels.itemsize == 1 else "OW"  # PS3.5 A.2


def _write_compressed(file: IO[bytes], stream: bytes) -> None:
    file.write(_element(b"OB", 0xFFFFFFFF))
    file.write(encapsulate([stream]))
    file.write(b"\xfe\xff\xdd\xe0\0\0\0\0")  # sequence delimiter, PS3.5 A.4


def _element(vr: bytes, length: int) -> bytes:
    return b"\xe0\x7f\x10\0" + vr + b"\0\0" + length.to_bytes(4, "little")


def _blocks(pixels: NDArray[np.integer[Any]]) -> Iterator[bytes]:
    """Yield the samples in little endian, some rows at a time."""
    rows = max(1, BLOCK_BYTES * len(pixels) // max(1, pixels.nbytes))
    little = pixels.dtype.newbyteorder("<")
    for start in range(0, len(pixels), rows):
        yield pixels[start : start + rows].astype(little, copy=False).tobytes()


def _compressed(radiograph: Radiograph, compression: Compression) -> bytes:
    """Return the code stream of a lossless compression."""
    pixels, fmt = radiograph.pixels, radiograph.format
    if fmt.bits_stored <= 8 and compression != "rle":  # these streams have no padding
        pixels = pixels.astype("i1" if fmt.signed else "u1", copy=False)
    match compression:
        case "jpegls":
            from jpeg_ls import encode_pixel_data  # type: ignore[import-untyped]
        case "j2k":
            from openjpeg.utils import encode_pixel_data
        case _:
            from rle.utils import encode_pixel_data
    try:
        stream = encode_pixel_data(
            b"".join(_blocks(pixels)),
            rows=pixels.shape[0],
            columns=pixels.shape[1],
            samples_per_pixel=1 if pixels.ndim == 2 else pixels.shape[2],
            bits_allocated=fmt.bits_allocated,
            bits_stored=fmt.bits_stored,
            pixel_representation=int(fmt.signed),
            photometric_interpretation=fmt.photometric,
            planar_configuration=0,
            byteorder="<",
        )
    except PARSER_ERRORS as error:
        raise OutputError(
            f"{SYNTAXES[compression].name} cannot hold this image ({error}); write it "
            "uncompressed"
        ) from error
    return bytes(stream)
