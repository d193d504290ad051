"""Compressed samples are whole, or the file is refused."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from cxr_sr.errors import UnreadableError
from cxr_sr.formats import read
from tests.builders import noise
from tests.formats.raster.builders import PIXELS, meta_image, nrrd, written

IMAGE = noise((60, 70))
RAW = IMAGE.astype("<u2").tobytes()

Wrapped = Callable[[bytes], bytes]


def _meta_image(data: bytes) -> bytes:
    return meta_image({"CompressedData": "True", "DimSize": "70 60"}, data)


def _nrrd(encoding: str) -> Wrapped:
    return lambda data: nrrd({"encoding": encoding, "sizes": "70 60"}, data)


CODINGS: dict[str, tuple[Wrapped, Wrapped]] = {
    "MetaImage, zlib": (_meta_image, zlib.compress),
    "MetaImage, gzip": (_meta_image, gzip.compress),
    "NRRD, gz": (_nrrd("gz"), gzip.compress),
    "NRRD, gzip": (_nrrd("gzip"), gzip.compress),
    "NRRD, bzip2": (_nrrd("bzip2"), bz2.compress),
}
each_coding = pytest.mark.parametrize(
    ("wrapped", "packed"), CODINGS.values(), ids=CODINGS
)


@each_coding
def test_whole_samples_are_read(tmp_path: Path, wrapped: Wrapped, packed: Wrapped):
    halves = packed(RAW[:5000]) + packed(RAW[5000:])
    for data in (packed(RAW), packed(RAW) + b"\0\0\n", halves):
        path = written(tmp_path / "a", wrapped(data))
        np.testing.assert_array_equal(read(path).pixels, IMAGE)


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_what_itk_packs_is_unpacked(tmp_path: Path, suffix: str):
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(IMAGE), path, useCompression=True)
    np.testing.assert_array_equal(read(path).pixels, IMAGE)


@each_coding
def test_every_damage_is_refused(tmp_path: Path, wrapped: Wrapped, packed: Wrapped):
    """Data that are cut, changed, too short or too long give no pixels."""
    whole = packed(RAW)
    middle = len(whole) // 2
    cut = [whole[:n] for n in range(1, len(whole), len(whole) // 50)]
    cut += [whole[:-n] for n in range(1, 9)]
    # The time and the name in a gzip header change no pixels.
    changed = [
        whole[:n] + bytes([whole[n] ^ 0x55]) + whole[n + 1 :]
        for n in (middle, *range(len(whole) - 1, len(whole) - 5, -1))
    ]
    other = [
        b"",
        b"\0" * 100,
        packed(RAW[:-1]),
        packed(RAW + b"\0"),
        packed(RAW * 50),
        packed(b""),
        whole + b"junk",
        RAW,
    ]
    for data in cut + changed + other:
        with pytest.raises(UnreadableError):
            read(written(tmp_path / "a", wrapped(data)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zlib.compress(RAW)[:-4], "end early"),
        (zlib.compress(RAW)[:-4] + b"\0\0\0\0", "are damaged"),
        (zlib.compress(RAW[:-2]), "inflate to fewer than the 8400 bytes"),
        (zlib.compress(RAW + b"\0"), "inflate to more than the 8400 bytes"),
        (b"", r"states 8400 bytes of samples, but the file has 0 bytes \(zlib\)"),
    ],
)
def test_a_message_says_which_damage(tmp_path: Path, data: bytes, said: str):
    with pytest.raises(UnreadableError, match=said):
        read(written(tmp_path / "a.mha", _meta_image(data)))


def test_a_bomb_is_not_inflated(tmp_path: Path):
    """A stated size or a stream never takes more memory than an image needs."""
    bomb = zlib.compress(bytes(2**26), 9)
    large = {"CompressedData": "True", "DimSize": "16000 16000"}
    with pytest.raises(UnreadableError, match="states 512000000 bytes"):
        read(written(tmp_path / "a.mha", meta_image(large, bomb[:100])))
    with pytest.raises(UnreadableError, match="more than the 8400 bytes"):
        read(written(tmp_path / "a.mha", _meta_image(bomb)))


@pytest.mark.parametrize("wrapped", [meta_image, nrrd])
def test_raw_samples_are_neither_fewer_nor_rows_more(tmp_path: Path, wrapped):
    raw = PIXELS.tobytes()
    for data in (raw, raw + b"\n"):
        found = read(written(tmp_path / "a", wrapped(data=data)))
        np.testing.assert_array_equal(found.pixels, PIXELS)
    for data in (b"", raw[:-1], raw + bytes(6)):
        with pytest.raises(UnreadableError, match="states 12 bytes of samples"):
            read(written(tmp_path / "a", wrapped(data=data)))
