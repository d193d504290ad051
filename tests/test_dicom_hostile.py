"""Damaged and hostile files cost an error, and nothing else."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEGLosslessSV1,
)

from cxr_sr.errors import InputError, UnreadableError
from cxr_sr.formats import dicom_parse, dicom_pixels, read
from tests.dicom_files import (
    ENCODED_HERE,
    RAMP,
    dicom_file,
    frame_for,
)


def test_a_deflate_bomb_is_not_inflated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dicom_parse, "MAX_INFLATED_BYTES", 2**20)
    path = dicom_file(tmp_path / "a.dcm", syntax=DeflatedExplicitVRLittleEndian)
    data = path.read_bytes()
    meta = 144 + int.from_bytes(data[140:144], "little")
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
    monkeypatch.setattr(dicom_parse, "_CHUNK_BYTES", chunk)
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


def test_sequences_nested_without_end_are_refused(tmp_path: Path):
    path = dicom_file(tmp_path / "a.dcm")
    data = path.read_bytes()
    meta = 144 + int.from_bytes(data[140:144], "little")
    sequence = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff"
    item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path.write_bytes(data[:meta] + (sequence + item) * 20_000)
    with pytest.raises(UnreadableError):
        read(path)


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
