"""Bits of a sample that are no part of the value are ignored, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

from cxr_sr.errors import UnreadableError
from cxr_sr.formats import inspect, read
from cxr_sr.formats.dicom import bits
from cxr_sr.formats.dicom import pixels as dicom_pixels
from cxr_sr.formats.dicom.coding.codecs import Decoded
from cxr_sr.formats.dicom.layout import PixelLayout
from cxr_sr.radiograph import PixelFormat
from tests.builders import pixel_format, structure
from tests.dicom_files import dicom_file

FOUND = "Pixels have bits set outside BitsStored (0028,0101)"
FORMATS = [pixel_format(12), pixel_format(10), pixel_format(12, signed=True)]


def smooth(fmt: PixelFormat, seed: int = 0) -> NDArray[np.integer]:
    span = fmt.maximum - fmt.minimum
    values = fmt.minimum + np.rint(span * structure((60, 50), seed))
    return values.astype(fmt.dtype)


def garbage(fmt: PixelFormat, kind: str) -> NDArray[np.uint16]:
    """Bits above those of the value."""
    shape, free = (60, 50), 16 - fmt.bits_stored
    random = np.random.default_rng(3)
    drawn = {
        "everywhere": lambda: random.integers(1 << free, size=shape),
        "in a few": lambda: (random.random(shape) < 0.01) * ((1 << free) - 1),
        "a mark": lambda: np.pad(np.ones((9, 20), int), ((20, 31), (10, 20))),
        "constant": lambda: np.ones(shape, int),
    }[kind]()
    return (drawn << fmt.bits_stored).astype(np.uint16)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("kind", ["everywhere", "in a few", "a mark", "constant"])
@pytest.mark.parametrize("fmt", FORMATS, ids=str)
def test_garbage_above_the_value_is_ignored_and_told(
    tmp_path: Path, fmt: PixelFormat, kind: str, syntax: UID
):
    """PS3.5 8.1.1: nobody may assume anything of unused bits."""
    pixels = smooth(fmt)
    mask = (1 << fmt.bits_stored) - 1
    stored = (pixels.view(np.uint16) & mask) | garbage(fmt, kind)
    path = dicom_file(tmp_path / "a.dcm", stored.view(fmt.dtype), fmt, syntax)
    np.testing.assert_array_equal(read(path).pixels, pixels)
    assert any(f.startswith(FOUND) for f in inspect(path).findings)


def test_garbage_within_a_code_stream_is_ignored(tmp_path: Path):
    fmt = pixel_format(12)
    stored = smooth(fmt) | garbage(fmt, "everywhere")
    wide = pixel_format(16)
    path = dicom_file(tmp_path / "a.dcm", stored, wide, RLELossless)
    file = pydicom.dcmread(path)
    file.BitsStored, file.HighBit = 12, 11
    file.save_as(path)
    np.testing.assert_array_equal(read(path).pixels, smooth(fmt))


def test_garbage_below_the_value_is_ignored(tmp_path: Path):
    pixels = smooth(pixel_format(12))
    noisy = pixels << 4 | np.random.default_rng(0).integers(16, size=pixels.shape)
    path = dicom_file(
        tmp_path / "a.dcm", noisy.astype(np.uint16), pixel_format(12), HighBit=15
    )
    np.testing.assert_array_equal(read(path).pixels, pixels)


@pytest.mark.parametrize("signed", [False, True])
def test_an_image_that_needs_more_bits_than_stated_is_refused(
    tmp_path: Path,
    signed: bool,  # noqa: FBT001
):
    """Cutting them off would wrap bright pixels into dark ones."""
    pixels = smooth(pixel_format(14, signed=signed))
    path = dicom_file(tmp_path / "a.dcm", pixels, pixel_format(12, signed=signed))
    with pytest.raises(UnreadableError, match=r"BitsStored \(0028,0101\) 12"):
        read(path)


def test_odd_rows_of_swapped_words_are_described_as_well(tmp_path: Path):
    fmt = pixel_format(7, bits_allocated=8)
    pixels = smooth(fmt)[:, :49]
    words = pixels.tobytes()
    swapped = np.frombuffer(words + b"\0" * (len(words) % 2), "u2").byteswap()
    path = dicom_file(
        tmp_path / "a.dcm", pixels, fmt, ExplicitVRBigEndian, data=swapped.tobytes()
    )
    file = pydicom.dcmread(path)
    file["PixelData"].VR = "OW"
    file.save_as(path)
    np.testing.assert_array_equal(read(path).pixels, pixels)
    assert inspect(path).refusal is None


def test_what_fits_is_not_told_of(tmp_path: Path):
    fmt = pixel_format(12, signed=True)
    path = dicom_file(tmp_path / "a.dcm", smooth(fmt), fmt)
    assert not any(f.startswith(FOUND) for f in inspect(path).findings)


def test_ringing_of_a_lossy_coder_is_clipped_but_a_wrong_bit_depth_is_not(
    tmp_path: Path,
):
    for stored, top in ((11, 2200), (11, 2500)):
        pixels = np.full((16, 16), 700, np.uint16)
        pixels[0, 0] = top
        layout = PixelLayout(16, 16, pixel_format(stored), stored - 1, 0)
        decoded = Decoded(pixels, 12, lossy=True)
        clipped = dicom_pixels._without_overshoot(decoded, layout)
        if top < 2**stored * 9 / 8:
            assert bits.to_stored(clipped, layout).max() == 2**stored - 1
        else:
            with pytest.raises(UnreadableError, match="1 pixels"):
                bits.to_stored(clipped, layout)
