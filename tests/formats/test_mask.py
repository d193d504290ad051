"""Masks as programs for annotation write them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from cxr_sr.errors import InputError
from cxr_sr.formats.mask import read_mask
from tests.builders import write_png

TRUTH = np.zeros((9, 20), bool)
TRUTH[2:5, 3:17] = True


def chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(path: Path, bits: int, palette: bytes = b"", rest: bytes = b"") -> None:
    """Write `TRUTH` with few bits a pixel: its greatest value, or place 1."""
    rows, columns = TRUTH.shape
    value = 1 if palette else (1 << bits) - 1
    codes = TRUTH.astype(np.uint8) * value
    each = np.unpackbits(codes[..., None], axis=2)[..., -bits:].reshape(rows, -1)
    packed = np.packbits(each, axis=1)
    lines = b"".join(b"\0" + row.tobytes() for row in packed)
    head = struct.pack(">IIBBBBB", columns, rows, bits, 3 if palette else 0, 0, 0, 0)
    parts = [chunk(b"IHDR", head)]
    if palette:
        parts.append(chunk(b"PLTE", palette))
    if rest:
        parts.append(chunk(b"tRNS", rest))
    parts += [chunk(b"IDAT", zlib.compress(lines)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits(tmp_path: Path, bits: int):
    png(tmp_path / "m.png", bits)
    assert (read_mask(tmp_path / "m.png") == TRUTH).all()


@pytest.mark.parametrize("bits", [1, 8])
@pytest.mark.parametrize("rest", [b"", b"\xff\x80"])
def test_a_palette(tmp_path: Path, bits: int, rest: bytes):
    png(tmp_path / "m.png", bits, palette=b"\0\0\0\xff\0\0", rest=rest)
    assert (read_mask(tmp_path / "m.png") == TRUTH).all()


@pytest.mark.parametrize("value", [1, 255])
def test_eight_bits(tmp_path: Path, value: int):
    write_png(tmp_path / "m.png", TRUTH.astype(np.uint8) * np.uint8(value))
    assert (read_mask(tmp_path / "m.png") == TRUTH).all()


@pytest.mark.parametrize("kept", [10, 40, -30])
def test_a_damaged_mask_is_told(tmp_path: Path, kept: int):
    png(tmp_path / "m.png", 1)
    data = (tmp_path / "m.png").read_bytes()
    (tmp_path / "m.png").write_bytes(data[:kept])
    with pytest.raises(InputError):
        read_mask(tmp_path / "m.png")
