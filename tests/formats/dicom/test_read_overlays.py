"""An overlay in the unused bits of the pixels (retired) is read as an overlay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

import cxr_sr
from cxr_sr.formats import read
from cxr_sr.formats.dicom.header import DicomHeader
from tests.builders import noise, pixel_format
from tests.dicom_files import dicom_file
from tests.header_builders import overlay_bits


def dataset(radiograph: cxr_sr.Radiograph) -> pydicom.Dataset:
    assert isinstance(radiograph.header, DicomHeader)
    return radiograph.header.dataset


PLANES = {
    "above the value": (pixel_format(), 0, 15),
    "right above the value": (pixel_format(), 0, 12),
    "below the value": (pixel_format(), 4, 0),
    "beside a sign": (pixel_format(10, signed=True), 0, 12),
    "of 8 bits": (pixel_format(7), 0, 7),
}


def with_embedded(path: Path, plane: Any, name: str, **stated: Any) -> Any:
    """A file whose overlay lies in a bit of its pixels; returns the pixels."""
    fmt, low, bit = PLANES[name]
    pixels = noise(plane.shape, fmt)
    field = ((1 << fmt.bits_stored) - 1) << low
    dtype = f"u{fmt.bits_allocated // 8}"
    values = pixels.astype("i4") << low & field
    samples = (values | plane.astype("i4") << bit).astype(dtype)
    dicom_file(path, samples, fmt, HighBit=low + fmt.bits_stored - 1)
    file = pydicom.dcmread(path)
    defaults = {
        0x10: plane.shape[0],
        0x11: plane.shape[1],
        0x50: [1, 1],
        0x100: fmt.bits_allocated,
        0x102: bit,
    }
    elements = defaults | {int(k[1:], 16): v for k, v in stated.items()}
    for element, value in elements.items():
        if value is not None:
            file.add_new(0x60000000 | element, "SS" if element == 0x50 else "US", value)
    file.add_new(0x60000040, "CS", "G")
    file.save_as(path)
    return pixels


def random_plane(shape: tuple[int, int] = (33, 34)) -> Any:
    return np.random.default_rng(1).integers(0, 2, shape, np.uint8)


@pytest.mark.parametrize("name", PLANES)
def test_an_overlay_in_unused_bits_becomes_a_plane_of_its_own(
    tmp_path: Path, name: str
):
    plane = random_plane()
    pixels = with_embedded(tmp_path / "a.dcm", plane, name)
    found = read(tmp_path / "a.dcm")
    np.testing.assert_array_equal(found.pixels, pixels)
    header = dataset(found)
    np.testing.assert_array_equal(overlay_bits(header), plane)
    assert (header[0x60000100].value, header[0x60000102].value) == (1, 0)
    assert list(header[0x60000050].value) == [1, 1]
    assert header.HighBit == header.BitsStored - 1


def test_the_file_of_the_result_holds_the_unpacked_plane(tmp_path: Path):
    plane = random_plane()
    with_embedded(tmp_path / "a.dcm", plane, "above the value")
    finer = cxr_sr.upscale(read(tmp_path / "a.dcm"), "nearest", 2)
    cxr_sr.write(finer, tmp_path / "b.dcm")
    result = pydicom.dcmread(tmp_path / "b.dcm")
    expected = plane.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(overlay_bits(result), expected)
    np.testing.assert_array_equal(result.overlay_array(0x6000), expected)


@pytest.mark.parametrize(
    ("stated", "origin", "part"),
    [
        ({"e0011": None, "e0050": None}, [1, 1], np.s_[:, :]),
        ({"e0010": 10, "e0011": 8, "e0050": [5, 7]}, [5, 7], np.s_[4:14, 6:14]),
        ({"e0050": [-1, 3]}, [1, 3], np.s_[:31, 2:]),
        ({"e0010": 99}, [1, 1], np.s_[:, :]),
    ],
    ids=["unstated", "a part", "in part above", "too large"],
)
def test_an_embedded_overlay_covers_what_it_states(
    tmp_path: Path, stated: dict[str, Any], origin: list[int], part: Any
):
    plane = random_plane()
    with_embedded(tmp_path / "a.dcm", plane, "above the value", **stated)
    header = dataset(read(tmp_path / "a.dcm"))
    np.testing.assert_array_equal(overlay_bits(header), plane[part])
    assert list(header[0x60000050].value) == origin


@pytest.mark.parametrize(
    "stated", [{"e0050": [99, 1]}, {"e0010": 0}, {"e0050": [1]}, {"e0102": 3}], ids=str
)
def test_an_overlay_that_lies_nowhere_goes(tmp_path: Path, stated: dict[str, Any]):
    plane = np.zeros((33, 34), np.uint8)
    pixels = with_embedded(tmp_path / "a.dcm", plane, "above the value", **stated)
    found = read(tmp_path / "a.dcm")
    np.testing.assert_array_equal(found.pixels, pixels)
    assert not [tag for tag in dataset(found).keys() if tag.group == 0x6000]  # noqa: SIM118


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, RLELossless])
def test_a_compressed_sample_holds_its_overlay_too(tmp_path: Path, syntax: Any):
    """The code stream holds 16 bits: 12 are the value, the overlay is above."""
    plane = random_plane()
    pixels = with_embedded(tmp_path / "a.dcm", plane, "above the value")
    file = pydicom.dcmread(tmp_path / "a.dcm")
    file.BitsStored, file.HighBit = 16, 15  # all that an encoder is to keep
    file.compress(syntax, generate_instance_uid=False)
    file.BitsStored, file.HighBit = 12, 11
    file.save_as(tmp_path / "b.dcm")
    found = read(tmp_path / "b.dcm")
    np.testing.assert_array_equal(found.pixels, pixels)
    np.testing.assert_array_equal(overlay_bits(dataset(found)), plane)
