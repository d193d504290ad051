"""DICOM files for the tests, written by pydicom alone, each with defaults."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from cxr_sr.radiograph import PixelFormat
from tests.builders import noise, pixel_format
from tests.header_builders import make_header

RAMP = (16 * np.arange(256, dtype=np.uint16)).reshape(16, 16)
"""16 x 16 pixels of 12 bits; the code streams below hold them."""

HTJ2K_FRAME = bytes.fromhex(
    "ff4fff51002940000000001000000010000000000000000000000010000000100000000000000000"
    "00010b0101ff500008000200000007ff52000c00020001000204044001ff5c000a20707878787070"
    "78ff64001600014f70656e4a50482056657220302e392e302eff90000a00000000006e0001ff93c0"
    "016f00ff7fff3fff7b7fff3b9bdbec113ff04c7f780832b0fa0140d72100d0b800c000a880015886"
    "6118aa708275007ef4c30f3ffec05281ecb600c001590005a4eeeeeeeee7c0a7a7a7c27800fefdfd"
    "fdfdfdfdfdfd8c607bf63181ecba00ffd9"
)
JPEG_EXTENDED_FRAME = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb004300030202030202030303030403030405"
    "0805050404050a070706080c0a0c0c0b0a0b0b0d0e12100d0e110e0b0b1016101113141515150c0f"
    "171816141812141514ffc1000b0c0010001001011100ffc400160001010100000000000000000000"
    "000000090c0dffc4001b100000070100000000000000000000000000080c28344551e2ffda000801"
    "0100003f009250b6a6e38ad7328b80ab16d4dc715ae6517035000b6a6e38ad7328b80aa96d4dc715"
    "ae651703ffd9"
)
JPEG_LOSSLESS_FRAME = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffc3000b100010001001011100ffc40016000101"
    "0100000000000000000000000000050910ffda0008010100010000c8208208208208208208208500"
    "4104104104104104104104280208208208208208208208214010410410410410410410410a008208"
    "20820820820820820850041041041041041041041042802082082082082082082082140104104104"
    "10410410410410a00820820820820820820820850041041041041041041041042802082082082082"
    "08208208214010410410410410410410410a00820820820820820820820850041041041041041041"
    "04104280208208208208208208208214010410410410410410410410ffd9"
)

FRAMES = {
    HTJ2KLossless: HTJ2K_FRAME,
    JPEGExtended12Bit: JPEG_EXTENDED_FRAME,
    JPEGLosslessSV1: JPEG_LOSSLESS_FRAME,
}

ENCODED_HERE = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
]
"""Transfer syntaxes that pydicom can write."""

PLUGINS = {
    JPEGLSLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    RLELossless: "pydicom",  # GDCM's aborts the process, now and then
}


def described(pixels: NDArray[Any], fmt: PixelFormat, **overrides: Any) -> Dataset:
    """A DX header that describes these pixels, apart from `overrides`."""
    facts: dict[str, Any] = {
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "BitsAllocated": fmt.bits_allocated,
        "BitsStored": fmt.bits_stored,
        "HighBit": fmt.bits_stored - 1,
        "PixelRepresentation": int(fmt.signed),
        "PhotometricInterpretation": fmt.photometric,
    }
    return make_header(**(facts | overrides))


def dicom_file(
    path: Path,
    pixels: NDArray[Any] | None = None,
    fmt: PixelFormat | None = None,
    syntax: UID = ExplicitVRLittleEndian,
    **overrides: Any,
) -> Path:
    """A DX of 12-bit noise. Overrides are header attributes; None leaves one out.

    `frame` gives the code stream, `data` the whole value of PixelData, `vr` its VR,
    and `preamble` says whether there are preamble and file meta information.
    """
    fmt = fmt or pixel_format()
    pixels = noise((33, 34), fmt) if pixels is None else pixels
    special = {k: overrides.pop(k, None) for k in ("data", "frame", "vr", "preamble")}
    header = described(pixels, fmt, **overrides)
    data, frame = special["data"], special["frame"]
    coded = _is_coded(syntax)
    if data is None and coded:
        frame = _compressed(header, pixels, syntax) if frame is None else frame
        data = encapsulate([frame])
    elif data is None:
        order = pixels.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")
        data = pixels.astype(order).tobytes()
        data += b"\0" * (len(data) % 2)
    vr = special["vr"] or ("OW" if fmt.bits_allocated > 8 and not coded else "OB")
    element = DataElement(0x7FE00010, vr, data)
    element.is_undefined_length = data.startswith(b"\xfe\xff\x00\xe0")
    bare = special["preamble"] is False
    return saved(path, header, syntax, pixels=element, bare=bare)


def saved(
    path: Path,
    header: Dataset,
    syntax: UID = ExplicitVRLittleEndian,
    *,
    pixels: DataElement | None = None,
    bare: bool = False,
) -> Path:
    """Write a data set unchanged, even if its header is wrong."""
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    body = _stream(implicit, little)
    write_dataset(body, header[:0x7FE00010])
    if pixels is not None:
        body.write(_pixel_element(pixels, implicit, little))
    write_dataset(body, header[0x7FE00010:])
    data: bytes = body.getvalue()
    if syntax == DeflatedExplicitVRLittleEndian:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = deflater.compress(data) + deflater.flush()
    path.write_bytes(data if bare else _preamble(header, syntax) + data)
    return path


def _preamble(header: Dataset, syntax: UID) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = header.get("SOPClassUID", "1.2")
    meta.MediaStorageSOPInstanceUID = header.get("SOPInstanceUID", "1.2")
    meta.ImplementationClassUID = UID("1.2.3")
    meta.SourceApplicationEntityTitle = "SCANNER"
    start = _stream(implicit=False, little=True)
    start.write(bytes(128) + b"DICM")
    write_file_meta_info(start, meta)
    return bytes(start.getvalue())


def _stream(implicit: bool, little: bool) -> DicomBytesIO:  # noqa: FBT001
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit, little
    return stream


def _pixel_element(element: DataElement, implicit: bool, little: bool) -> bytes:  # noqa: FBT001
    order = "<" if little else ">"
    undefined = element.is_undefined_length
    length = 0xFFFFFFFF if undefined else len(element.value)
    vr = b"" if implicit else element.VR.encode() + b"\0\0"
    start = struct.pack(f"{order}HH", 0x7FE0, 0x0010) + vr
    end = b"\xfe\xff\xdd\xe0\0\0\0\0" if undefined else b""
    return start + struct.pack(f"{order}L", length) + bytes(element.value) + end


def _is_coded(syntax: UID) -> bool:
    return syntax not in {
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    }


def frame_for(syntax: UID) -> bytes:
    """The 12-bit RAMP in a syntax that no encoder here writes."""
    return FRAMES[syntax]


def _compressed(header: Dataset, pixels: NDArray[Any], syntax: UID) -> bytes:
    stream = get_encoder(syntax).encode(
        pixels,
        encoding_plugin=PLUGINS[syntax],
        rows=header.Rows,
        columns=header.Columns,
        samples_per_pixel=1,
        number_of_frames=1,
        bits_allocated=header.BitsAllocated,
        bits_stored=header.BitsStored,
        pixel_representation=header.PixelRepresentation,
        photometric_interpretation=header.PhotometricInterpretation,
    )
    return bytes(stream)
