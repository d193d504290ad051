"""Damaged and hostile files cost an error, and nothing else."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
)

from cxr_sr.errors import CxrSrError, InputError, NotARadiographError, UnreadableError
from cxr_sr.formats import from_dataset, inflate, inspect, read
from cxr_sr.formats.dicom import limits as header_bound
from cxr_sr.formats.dicom import pixels as dicom_pixels
from cxr_sr.pacs.network.store_scu import meta_of
from tests.dicom_files import (
    ENCODED_HERE,
    RAMP,
    dicom_file,
    frame_for,
)
from tests.formats.dicom.mutations import data_set_of


def test_a_deflate_bomb_is_not_inflated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(inflate, "MAX_INFLATED_BYTES", 2**20)
    path = dicom_file(tmp_path / "a.dcm", syntax=DeflatedExplicitVRLittleEndian)
    data = path.read_bytes()
    meta = data_set_of(data)
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    bomb = deflater.compress(bytes(2**24)) + deflater.flush()
    path.write_bytes(data[:meta] + bomb)
    with pytest.raises(UnreadableError, match="larger than 1 MiB"):
        read(path)


@pytest.mark.parametrize("chunk", [1, 7, 1000, 2250, 2**20])
def test_a_deflated_file_is_whole_wherever_a_chunk_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
):
    path = dicom_file(tmp_path / "a.dcm", RAMP, syntax=DeflatedExplicitVRLittleEndian)
    monkeypatch.setattr(inflate, "_CHUNK_BYTES", chunk)
    np.testing.assert_array_equal(read(path).pixels, RAMP)


def test_a_small_stream_cannot_claim_a_large_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dicom_pixels, "ALWAYS_DECODED_BYTES", 0)
    path = dicom_file(
        tmp_path / "a.dcm",
        RAMP,
        syntax=JPEGLosslessSV1,
        frame=frame_for(JPEGLosslessSV1),
        Rows=10_000,
        Columns=10_000,
    )
    with pytest.raises(UnreadableError, match="which cannot hold them"):
        read(path)


def element(
    tag: str, vr: bytes, value: bytes = b"", length: int | None = None
) -> bytes:
    """An element in Explicit VR Little Endian; `tag` has the byte order of the file."""
    size = (len(value) if length is None else length).to_bytes(4, "little")
    long = vr in (b"SQ", b"UN")
    return bytes.fromhex(tag) + vr + (b"\0\0" + size if long else size[:2]) + value


def item(value: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + len(value).to_bytes(4, "little") + value


MANY = 5000
CODE = element("08000001", b"SH")
END = b"\xfe\xff\xdd\xe0\0\0\0\0"


@pytest.mark.parametrize(
    "header",
    [
        b"".join(
            element(f"0900{n % 256:02x}{n // 256:02x}", b"LO") for n in range(MANY)
        ),
        element("08001592", b"SQ", item(CODE) * MANY),
        element("08001592", b"SQ", item(CODE) * MANY + END, 0xFFFFFFFF),
        element("08001592", b"SQ", item(element("08001592", b"SQ", item(CODE) * MANY))),
    ],
    ids=["elements", "items", "undefined length", "items of an item"],
)
def test_a_header_of_absurdly_many_elements_is_refused_unparsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: bytes
):
    path = dicom_file(tmp_path / "a.dcm")
    data = path.read_bytes()
    meta = data_set_of(data)
    path.write_bytes(data[:meta] + header + data[meta:])
    monkeypatch.setattr(header_bound, "MAX_HEADS", 4000)
    with pytest.raises(NotARadiographError, match="more than 4000 elements"):
        read(path)


def test_large_tables_in_sequences_are_no_reason_to_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(header_bound, "MAX_HEADS", 1000)
    tables = Dataset()
    tables.LUTDescriptor, tables.LUTData = [4096, 0, 16], bytes(2 * 4096)
    tables["LUTData"].VR = "OW"
    path = dicom_file(tmp_path / "a.dcm", VOILUTSequence=[tables] * 3)
    assert read(path).pixels.shape == (33, 34)


@pytest.mark.parametrize(
    "syntax", [*ENCODED_HERE, JPEGLosslessSV1], ids=lambda s: s.name
)
def test_whatever_is_wrong_with_a_file_only_an_input_error_says_so(
    tmp_path: Path, syntax: UID
):
    special: dict[str, Any] = (
        {"pixels": RAMP, "frame": frame_for(syntax)}
        if syntax == JPEGLosslessSV1
        else {}
    )
    path = dicom_file(tmp_path / "a.dcm", syntax=syntax, **special)
    whole = path.read_bytes()
    random = np.random.default_rng(7)
    refused = 0
    for _ in range(120):
        path.write_bytes(_damaged(whole, random))
        try:
            read(path)
        except InputError:
            refused += 1
    assert refused > 10


def _damaged(data: bytes, random: np.random.Generator) -> bytes:
    at = int(random.integers(128, len(data) - 8))
    junk = random.bytes(int(random.integers(1, 9)))
    match random.integers(4):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + junk + data[at + len(junk) :]
        case 2:
            return data[:at] + junk + data[at:]
        case _:
            return data[:at] + data[at + len(junk) :]


def stated(depth: int, vr: bytes = b"SQ") -> bytes:
    """Sequences and items that state their length."""
    value = b""
    for _ in range(depth):
        value = element("08004011", vr, item(value))
    return value


def delimited(depth: int, vr: bytes = b"SQ") -> bytes:
    """Sequences and items of undefined length."""
    begin = element("08004011", vr, length=0xFFFFFFFF) + b"\xfe\xff\0\xe0" + b"\xff" * 4
    return begin * depth + (b"\xfe\xff\x0d\xe0\0\0\0\0" + END) * depth


def alternating(depth: int) -> bytes:
    """Sequences of both kinds, each within the other."""
    value = b""
    for n in range(depth):
        size = 0xFFFFFFFF if n % 2 else None
        value = element("08004011", b"SQ", item(value), size) + END * (n % 2)
    return value


FORMS = {
    "stated": stated,
    "delimited": delimited,
    "alternating": alternating,
    "stated UN": lambda depth: stated(depth, b"UN"),
    "delimited UN": lambda depth: delimited(depth, b"UN"),
}
PLACES = {
    "before the pixels": b"\x08\0",
    "after the pixels": b"\xe1\x7f",
    "in the file meta information": b"\x02\0",
}


def with_sequences(data: bytes, value: bytes, place: str) -> bytes:
    value = value.replace(b"\x08\0\x40\x11", PLACES[place] + b"\x40\x11")
    if place == "after the pixels":
        return data + value
    meta = data_set_of(data)
    return data[:meta] + value + data[meta:]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", FORMS)
def test_deep_nesting_is_refused_by_every_reader(tmp_path: Path, form: str, place: str):
    """In one sentence; 64 levels are read, and 65 are not, nor are ten thousand."""
    path = dicom_file(tmp_path / "a.dcm")
    data = path.read_bytes()
    looks: list[Callable[[Path], object]] = [inspect, read, meta_of]
    path.write_bytes(with_sequences(data, FORMS[form](64), place))
    for look in looks:
        look(path)
    most = 2000 if form == "stated UN" else 10_000
    for depth in (65, 300, most):
        path.write_bytes(with_sequences(data, FORMS[form](depth), place))
        for look in looks:
            with pytest.raises(CxrSrError, match="nested more than 64 deep"):
                look(path)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_so_it_is_in_other_encodings(tmp_path: Path, syntax: UID):
    for depth in (64, 65, 200):
        inner = Dataset()
        for _ in range(depth):
            outer = Dataset()
            outer.ReferencedImageSequence = [inner]
            inner = outer
        path = dicom_file(
            tmp_path / f"{depth}.dcm",
            syntax=syntax,
            ReferencedImageSequence=inner.ReferencedImageSequence,
        )
        if depth == 64:
            assert read(path).pixels.shape == (33, 34)
            continue
        for look in (inspect, read):
            with pytest.raises(NotARadiographError, match="more than 64 deep"):
                look(path)
        with pytest.raises(NotARadiographError, match="more than 64 deep"):
            from_dataset(dcmread(path))
