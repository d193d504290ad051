"""Compressed data that hold fewer or more samples than the header states are refused.

Decoders fill what is missing with zeros, with gray, or with what was in memory.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from cxr_sr.errors import InputError
from cxr_sr.formats import read
from tests.builders import pixel_format, structure
from tests.dicom_files import FRAMES, RAMP, dicom_file
from tests.formats.raster.builders import meta_image, nrrd, tiff

imagecodecs: Any = pytest.importorskip("imagecodecs")
SHAPE = (40, 50)
ROWS = 16
"""Rows of a strip in a TIFF: the last strip has 8."""
GRAY = np.rint(255 * structure(SHAPE)).astype(np.uint8)
DEEP = np.rint(4095 * structure(SHAPE)).astype("<u2")
Packed = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Coding:
    """A way to store samples."""

    raw: bytes
    """The samples, as they are before they are packed."""
    pack: Packed
    wrap: Packed
    """Returns the file with packed samples."""
    pixels: NDArray[Any]
    spare: int = 0
    """Bytes that may be too many: the last strip of a TIFF may be filled up."""

    def damaged(self) -> Iterator[bytes]:
        """Yield files whose data are cut, or hold fewer or more samples."""
        packed = self.pack(self.raw)
        for lost in (3, 5, 9, len(packed) // 3, len(packed) // 2, len(packed) - 1):
            yield self.wrap(packed[:-lost])
        yield self.wrap(b"")
        for lost in (2, 50, len(self.raw) // 2):
            yield self.wrap(self.pack(self.raw[:-lost]))
        for more in (600, len(self.raw)):
            yield self.wrap(self.pack(self.raw + bytes(self.spare + more)))


def tiff_coding(compression: int, pack: Packed, *, last: bool) -> Coding:
    """The first or the last strip of a TIFF."""
    strips = [GRAY[n : n + ROWS].tobytes() for n in range(0, SHAPE[0], ROWS)]
    which = len(strips) - 1 if last else 0

    def wrap(data: bytes) -> bytes:
        packed = [data if n == which else pack(s) for n, s in enumerate(strips)]
        return tiff(packed, SHAPE, compression, ROWS)

    spare = len(strips[0]) - len(strips[which])
    return Coding(strips[which], pack, wrap, GRAY, spare)


def png(data: bytes, *, interlaced: bool = False) -> bytes:
    head = struct.pack(">LLBBBBB", SHAPE[1], SHAPE[0], 8, 0, 0, 0, interlaced)
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(d)) + t + d + struct.pack(">L", zlib.crc32(t + d))
        for t, d in chunks
    )


def passes() -> bytes:
    """The rows of the seven passes of an interlaced PNG."""
    starts = (
        *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
        *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
    )
    return b"".join(rows_of(GRAY[y::down, x::across]) for y, x, down, across in starts)


def rows_of(pixels: NDArray[Any]) -> bytes:
    """Rows with the number of their filter, 0."""
    return b"".join(b"\0" + row.tobytes() for row in pixels)


def nifti(folder: Path) -> Packed:
    """The header of a NIfTI file, and what follows it."""
    sitk.WriteImage(sitk.GetImageFromArray(GRAY), folder / "a.nii")
    head = (folder / "a.nii").read_bytes()[: -GRAY.size]
    return lambda data: head + data


def dicom(folder: Path, syntax: UID, name: str = "data", **more: Any) -> Packed:
    def wrap(data: bytes) -> bytes:
        even = data + b"\0" * (len(data) % 2)
        given: dict[str, Any] = {name: even or b"\0\0"} | more
        shown = DEEP if "fmt" not in more else GRAY
        return dicom_file(folder / "a", shown, syntax=syntax, **given).read_bytes()

    return wrap


def rle(raw: bytes) -> bytes:
    """Two segments, the high bytes first; PS3.5 G."""
    high, low = (imagecodecs.packbits_encode(raw[k::2]) for k in (1, 0))
    high += b"\0" * (len(high) % 2)
    head = struct.pack("<3L", 2, 64, 64 + len(high)).ljust(64, b"\0")
    return bytes(head + high + low)


def same(data: bytes) -> bytes:
    return data


def codings(folder: Path) -> dict[str, Coding]:
    found = {
        f"TIFF {name}, {'last' if last else 'first'} strip": tiff_coding(
            n, p, last=last
        )
        for last in (False, True)
        for name, n, p in (
            ("raw", 1, same),
            ("LZW", 5, imagecodecs.lzw_encode),
            ("deflate", 8, zlib.compress),
            ("old deflate", 32946, zlib.compress),
            ("PackBits", 32773, imagecodecs.packbits_encode),
            ("LZMA", 34925, lzma.compress),
            ("Zstandard", 50000, imagecodecs.zstd_encode),
        )
    }
    flat = GRAY.tobytes()
    for name, raw, wrap in (
        ("PNG", rows_of(GRAY), png),
        ("interlaced PNG", passes(), lambda d: png(d, interlaced=True)),
        ("MetaImage", flat, lambda d: meta_image(META | {"CompressedData": "True"}, d)),
    ):
        found[name] = Coding(raw, zlib.compress, wrap, GRAY)
    for name, pack in (("gzip", gzip.compress), ("bzip2", bz2.compress)):
        wrap = lambda d, e=name: nrrd(NRRD | {"encoding": e}, d)  # noqa: E731
        found[f"NRRD {name}"] = Coding(flat, pack, wrap, GRAY)
    found["MetaImage raw"] = Coding(flat, same, lambda d: meta_image(META, d), GRAY)
    found["NRRD raw"] = Coding(flat, same, lambda d: nrrd(NRRD, d), GRAY)
    head = nifti(folder)
    found["NIfTI"] = Coding(flat, same, head, GRAY)
    zipped = lambda raw: gzip.compress(head(raw))  # noqa: E731
    found["NIfTI gzip"] = Coding(flat, zipped, same, GRAY)
    deep = DEEP.tobytes()
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian):
        order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
        raw = DEEP.astype(order).tobytes()
        found[syntax.name] = Coding(raw, same, dicom(folder, syntax), DEEP)
    deflated = dicom(folder, DeflatedExplicitVRLittleEndian)
    found["deflated DICOM"] = Coding(deep, deflated, same, DEEP)
    found["RLE"] = Coding(deep, rle, dicom(folder, RLELossless, "frame"), DEEP)
    return found


META = {"DimSize": "50 40", "ElementType": "MET_UCHAR"}
NRRD = {"sizes": "50 40", "type": "uint8"}


@dataclass(frozen=True)
class Frame:
    """A code stream that states its own size."""

    encode: Callable[[NDArray[Any]], bytes]
    wrap: Packed
    pixels: NDArray[Any]

    def damaged(self) -> Iterator[bytes]:
        """Yield files whose stream is cut, or has another number of rows."""
        whole = self.encode(self.pixels)
        data, end = whole[:-2], whole[-2:]
        for lost in (5, 9, len(data) // 10, len(data) // 3, len(data) // 2):
            yield self.wrap(data[:-lost] + end)
            yield self.wrap(data[:-lost])
        yield self.wrap(end)
        if self.wrap is same:  # any size is the right one
            return
        fewer = self.pixels[: len(self.pixels) // 2]
        for rows in (fewer, np.vstack([self.pixels] * 3)):
            yield self.wrap(self.encode(rows))


def frames(folder: Path) -> dict[str, Frame]:
    def stored(data: bytes) -> Callable[[NDArray[Any]], bytes]:
        """Return bytes that no encoder here writes, for their own pixels only."""
        return lambda pixels: data if pixels.shape == RAMP.shape else data[:-40]

    deep: dict[UID, Callable[[NDArray[Any]], bytes]] = {
        JPEGLSLossless: imagecodecs.jpegls_encode,
        JPEG2000Lossless: lambda p: imagecodecs.jpeg2k_encode(
            p, codecformat="j2k", reversible=True, level=0
        ),
        HTJ2KLossless: lambda p: imagecodecs.htj2k_encode(p, reversible=True),
    }
    found = {
        syntax.name: Frame(encode, dicom(folder, syntax, "frame"), DEEP)
        for syntax, encode in deep.items()
    }
    jpeg = lambda p: imagecodecs.jpeg8_encode(p, level=95)  # noqa: E731
    eight = dicom(folder, JPEGBaseline8Bit, "frame", fmt=pixel_format(8))
    found["JPEG Baseline"] = Frame(jpeg, eight, GRAY)
    found["JPEG file"] = Frame(jpeg, same, GRAY)
    found["JPEG in a TIFF"] = Frame(
        jpeg,
        lambda d: tiff([jpeg(GRAY[:ROWS]), jpeg(GRAY[ROWS:32]), d], SHAPE, 7, ROWS),
        GRAY[32:],
    )
    for syntax in (JPEGExtended12Bit, JPEGLosslessSV1):
        wrap = lambda d, s=syntax: dicom_file(  # noqa: E731
            folder / "a", RAMP, syntax=s, frame=d + b"\0" * (len(d) % 2)
        ).read_bytes()
        found[syntax.name] = Frame(stored(FRAMES[syntax]), wrap, RAMP)
    return found


def read_bytes(data: bytes) -> NDArray[Any]:
    return read(io.BytesIO(data)).pixels


@pytest.mark.slow
def test_whole_samples_are_read(tmp_path: Path):
    for name, coding in codings(tmp_path).items():
        found = read_bytes(coding.wrap(coding.pack(coding.raw)))
        assert np.array_equal(found, coding.pixels), name
    for name, frame in frames(tmp_path).items():
        found = read_bytes(frame.wrap(frame.encode(frame.pixels)))
        assert found.shape[1:] == frame.pixels.shape[1:], name


@pytest.mark.slow
def test_data_with_other_than_the_stated_samples_are_refused(tmp_path: Path):
    """Cut, too short or too long: never zeros, nor anything else."""
    wrong = []
    for name, way in (codings(tmp_path) | frames(tmp_path)).items():
        for n, data in enumerate(way.damaged()):
            try:
                read_bytes(data)
            except InputError:
                continue
            wrong.append(f"{name}: {n}")
    assert not wrong, "\n".join(wrong)
