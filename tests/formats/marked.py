"""Files with a marker in every attribute of their headers, alone and all at once."""

from __future__ import annotations

import functools
import io
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom._dicom_dict import DicomDictionary

import cxr_sr
from tests.formats.raster.builders import meta_image, nrrd
from tests.tasks.builders import chest

MARK = b"XYZZYPLUGH"
UNTIDY = b"XYZZY\x1b[31mPLUGH"
_LONG = {"OB", "OW", "OF", "OD", "OL", "OV", "SQ", "UC", "UR", "UT", "UN", "SV", "UV"}
_PIXELS = (np.arange(320, dtype="<u2") * 12).tobytes()
Elements = dict[int, tuple[str, bytes]]


def _short(number: int) -> tuple[str, bytes]:
    return "US", struct.pack("<H", number)


BASE: Elements = {
    0x00080016: ("UI", b"1.2.840.10008.5.1.4.1.1.1.1"),
    0x00080060: ("CS", b"DX"),
    0x00080068: ("CS", b"FOR PRESENTATION"),
    0x0020000D: ("UI", b"1.2.3"),
    0x0020000E: ("UI", b"1.2.3.4"),
    0x00280002: _short(1),
    0x00280004: ("CS", b"MONOCHROME2"),
    0x00280010: _short(20),
    0x00280011: _short(16),
    0x00280030: ("DS", b"0.2\\0.2"),
    0x00280100: _short(16),
    0x00280101: _short(12),
    0x00280102: _short(11),
    0x00280103: _short(0),
    0x7FE00010: ("OW", _PIXELS),
}
META: Elements = {
    0x00020001: ("OB", b"\0\1"),
    0x00020002: BASE[0x00080016],
    0x00020003: ("UI", b"1.2.3.4.5"),
    0x00020010: ("UI", b"1.2.840.10008.1.2.1"),
    0x00020012: ("UI", b"1.2.3"),
}


def element(tag: int, vr: str, value: bytes) -> bytes:
    """Any bytes in any VR, explicit little endian."""
    value += b" " * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in _LONG:
        return head + struct.pack("<HL", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def dicom(changes: Elements, meta: Elements | None = None) -> bytes:
    """A radiograph with these elements added or changed."""
    whole = META | (meta or {}), BASE | changes
    head, body = (
        b"".join(element(t, *each[t]) for t in sorted(each)) for each in whole
    )
    length = element(0x00020000, "UL", struct.pack("<L", len(head)))
    return bytes(128) + b"DICM" + length + head + body


def _vr(tag: int) -> str:
    vr = DicomDictionary[tag][0].split(" or ")[0]
    return "UN" if vr == "NONE" else vr


def _marked(tag: int, mark: bytes) -> tuple[str, bytes]:
    """An element with the marker; a sequence has an item with it."""
    if _vr(tag) != "SQ":
        return _vr(tag), mark
    item = element(0x00080100, "SH", mark) + element(0x00081155, "UI", mark)
    return "SQ", struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item


@functools.cache
def _named() -> list[int]:
    """The attributes in BASE, and those whose keyword the package contains."""
    source = "".join(p.read_text() for p in Path(cxr_sr.__file__).parent.rglob("*.py"))
    words = set(re.findall(r"\b[A-Z][A-Za-z]+\b", source))
    known = [t for t, v in DicomDictionary.items() if v[4] in words or t in BASE]
    return [t for t in known if t >> 16 not in {0, 2, 0xFFFE} and t != 0x7FE00010]


@functools.cache
def _every() -> Elements:
    """All attributes of the dictionary, and private ones."""
    every = {
        tag: _marked(tag, MARK)
        for tag in DicomDictionary
        if tag not in BASE and tag >> 16 not in {0, 2, 0xFFFE, 0x7FE0}
    }
    return every | {
        group << 16 | number: (vr, MARK)
        for group in range(9, 0x60, 2)
        for number, vr in ((0x10, "LO"), (0x1001, "LO"), (0x1002, "UN"))
    }


def dicom_files() -> Iterator[bytes]:
    """All attributes at once, and each that matters alone."""
    every = _every()
    large = (np.arange(40 * 36, dtype="<u2") * 2).tobytes()
    size = {0x00280010: _short(40), 0x00280011: _short(36), 0x7FE00010: ("OW", large)}
    yield dicom(every | size)
    yield dicom(every)[:5000]
    yield dicom(every)[:-400]
    for tag in _named():
        yield dicom({tag: _marked(tag, MARK)})
    for tag in (0x00080060, 0x00280004, 0x00080016, 0x00180015, 0x00185101, 0x00282110):
        yield dicom({tag: (_vr(tag), UNTIDY)})
        yield dicom({tag: ("UN", MARK)})
        yield dicom({tag: ("LO", MARK + b"\\" + MARK)})
    for tag in [t for t in DicomDictionary if t >> 16 == 2 and t != 0x00020000]:
        yield dicom({}, {tag: (_vr(tag), MARK)})


def raster_files() -> Iterator[bytes]:
    """Words in each place that a picture has for them, and values that are words."""
    mark = MARK.decode()
    for fields in ({"Comment": mark}, {mark: "1"}, {"0010|0010": mark}):
        yield meta_image(fields)
    for key in ("DimSize", "ElementType", "NDims", "ElementSpacing", "CompressedData"):
        yield meta_image({key: mark})
    yield meta_image(last=f"ElementDataFile = {mark}.raw")
    for more in (f"{mark}:={mark}", f"# {mark}", f"content: {mark}", f"{mark}: 1"):
        yield nrrd(more=[more])
    for key in ("type", "sizes", "encoding", "endian", "kinds", "space", "units"):
        yield nrrd({key: mark})
    gray = np.frombuffer(_PIXELS, np.uint8).reshape(20, 32)
    for kind in ("png", "tiff", "jpeg"):
        yield picture(gray, kind)


def picture(gray: NDArray[np.uint8], kind: str) -> bytes:
    """A PNG, TIFF or JPEG with the marker as text, in each place for it."""
    image = pytest.importorskip("PIL.Image").fromarray(gray)
    plugin = pytest.importorskip("PIL.PngImagePlugin")
    mark, words, file = MARK.decode(), plugin.PngInfo(), io.BytesIO()
    words.add_text("Description", mark)
    words.add_itxt(mark, mark)
    info = {270: mark, 305: mark, 315: mark, 33432: mark, 269: mark}
    ways: dict[str, Any] = {"png": {"pnginfo": words}, "tiff": {"tiffinfo": info}}
    image.save(file, kind, **ways.get(kind, {"comment": MARK}))
    return file.getvalue()


def chest_file(seed: int) -> bytes:
    """A chest that is read, with the marker in attributes that an image may lack.

    With an even seed, the marker is in all attributes. With an odd seed, it is in those
    that the package names, because a file with all attributes takes long to read.
    Archives take the file, because its instance UID is valid. Each seed makes another
    patient.
    """
    marked = _every()
    if seed % 2:
        marked = {tag: marked[tag] for tag in _named() if tag in marked}
    pixels = chest(seed).astype("<u2") * 16
    uid = f"1.2.3.4.{seed}".encode()
    changes: Elements = {
        0x00080018: ("UI", uid),
        0x00100020: ("LO", MARK + str(seed).encode()),
        0x00280010: _short(pixels.shape[0]),
        0x00280011: _short(pixels.shape[1]),
        0x7FE00010: ("OW", pixels.tobytes()),
    }
    return dicom(marked | changes, {0x00020003: ("UI", uid)})
