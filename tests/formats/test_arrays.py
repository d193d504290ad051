"""An array gives the same radiograph as a file with the same pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_array_equal

import cxr_sr
from cxr_sr.errors import NotARadiographError, SettingsError
from tests.builders import FORMATS, noise, pixel_format
from tests.dicom_files import dicom_file

TIFF = pixel_format(16)


@given(FORMATS)
def test_the_values_are_kept_whatever_the_format(fmt):
    pixels = noise((5, 4), fmt)
    image = cxr_sr.from_array(
        pixels, bits_stored=fmt.bits_stored, photometric=fmt.photometric
    )
    assert image.format == fmt
    assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize(
    ("dtype", "bits_stored", "kept", "bits"),
    [
        (">u2", None, "u2", 16),
        (">i2", 12, "i2", 12),
        ("i4", None, "u2", 16),
        ("i8", 12, "u2", 12),
        ("u4", 8, "u1", 8),
        ("i8", 7, "u1", 7),
        ("u8", None, "u2", 16),
    ],
)
def test_numbers_of_another_type_are_stored_in_one_that_holds_them(
    dtype, bits_stored, kept, bits
):
    pixels = np.arange(24).reshape(4, 6).astype(dtype)
    image = cxr_sr.from_array(pixels, bits_stored=bits_stored)
    assert image.pixels.dtype == np.dtype(kept)
    assert image.format.bits_stored == bits
    assert_array_equal(image.pixels, pixels)


def test_negative_numbers_become_signed_samples():
    image = cxr_sr.from_array(np.array([[-5, 7]], np.int64))
    assert image.pixels.dtype == np.int16
    assert image.format.signed


def test_lists_and_scattered_memory_are_arrays_too():
    pixels = noise((6, 8))
    assert_array_equal(cxr_sr.from_array(pixels[:, ::2]).pixels, pixels[:, ::2])
    assert_array_equal(cxr_sr.from_array(pixels.T).pixels, pixels.T)
    assert_array_equal(cxr_sr.from_array(pixels.tolist()).pixels, pixels)


def test_the_array_stays_its_owners():
    """A change of the array does not change the radiograph, and the other way round."""
    pixels = noise()
    before = pixels.copy()
    image = cxr_sr.from_array(pixels)
    pixels[:] = 0
    assert_array_equal(image.pixels, before)
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(image)[0, 0] = 1


def test_numpy_takes_an_image_for_its_stored_values():
    image = cxr_sr.from_array(noise())
    assert np.shares_memory(np.asarray(image), image.pixels)
    copied = np.array(image)
    copied[0, 0] += 1
    assert copied[0, 0] != image.pixels[0, 0]
    assert np.asarray(image, float).dtype == float
    assert np.mean(image) == image.pixels.mean()


def test_what_is_known_of_the_pixels_is_kept():
    image = cxr_sr.from_array(
        noise(), bits_stored=12, photometric="MONOCHROME1", spacing_mm=(0.2, 0.1)
    )
    assert image.format.photometric == "MONOCHROME1"
    assert image.geometry.spacing_mm == (0.2, 0.1)
    assert cxr_sr.from_array(noise(), spacing_mm=0.143).geometry.spacing_mm == (
        0.143,
        0.143,
    )
    assert cxr_sr.from_array(noise()).geometry.spacing_mm is None


@pytest.mark.parametrize("suffix", [".png", ".tif", ".mha", ".nrrd"])
@pytest.mark.parametrize("model", ["bicubic", "fast"])
def test_a_result_is_that_of_the_file(tmp_path: Path, suffix: str, model: str):
    image = cxr_sr.from_array(noise((30, 26), TIFF), spacing_mm=0.15)
    path = tmp_path / f"a{suffix}"
    cxr_sr.write(image, path)
    from_file, from_memory = (
        cxr_sr.upscale(source, model, 2) for source in (cxr_sr.read(path), image)
    )
    assert_array_equal(from_file, from_memory)
    assert from_file.format == from_memory.format


def test_a_result_is_that_of_a_dicom_file_with_its_window(tmp_path: Path):
    path = dicom_file(tmp_path / "a.dcm", WindowCenter=1000, WindowWidth=900)
    image = cxr_sr.read(path)
    given = cxr_sr.from_array(image, bits_stored=12, window=image.window)
    other = cxr_sr.from_array(image, bits_stored=12)
    expected, found, without = (
        np.asarray(cxr_sr.upscale(each, "fast", 2)) for each in (image, given, other)
    )
    assert_array_equal(found, expected)
    assert not np.array_equal(without, expected)


def test_colour_is_an_array_with_three_planes():
    fmt = pixel_format(8, photometric="RGB")
    pixels = noise((9, 7, 3), fmt)
    image = cxr_sr.from_array(pixels, photometric="RGB")
    assert image.format == fmt
    assert cxr_sr.upscale(image, "bicubic", 2).pixels.shape == (18, 14, 3)


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((4, 5, 3), 'photometric="RGB"'),
        ((1, 4, 5), "numpy.squeeze"),
        ((4, 5, 1), "numpy.squeeze"),
        ((4,), "expected"),
        ((2, 4, 5), "expected"),
        ((0, 5), "0 x 5 pixels"),
    ],
)
def test_another_shape_is_told_what_fits(shape, hint):
    with pytest.raises(NotARadiographError, match=hint):
        cxr_sr.from_array(np.zeros(shape, np.uint8))


def test_gray_is_not_taken_for_colour():
    with pytest.raises(NotARadiographError, match=r"expected \(rows, columns, 3\)"):
        cxr_sr.from_array(np.zeros((4, 5), np.uint8), photometric="RGB")


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 5)), np.zeros((4, 5), bool), np.full((4, 5), "a"), [[None]]],
)
def test_what_is_no_whole_number_is_told_how_to_become_one(pixels):
    with pytest.raises(NotARadiographError, match=r"whole numbers.*rint"):
        cxr_sr.from_array(pixels)


@pytest.mark.parametrize(
    ("pixels", "bits_stored"),
    [
        (np.array([[4096]], np.uint16), 12),
        (np.array([[70000]]), None),
        (np.array([[-40000]]), None),
        (np.array([[-1, 255]], np.int16), 8),
        (np.array([[300]]), 8),
    ],
)
def test_values_that_the_bits_do_not_hold_are_refused(pixels, bits_stored):
    """Clipped or wrapped values would damage the image."""
    with pytest.raises(NotARadiographError, match="values from"):
        cxr_sr.from_array(pixels, bits_stored=bits_stored)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"bits_stored": 0}, "expected 1 to 16"),
        ({"bits_stored": 17}, "expected 1 to 16"),
        ({"bits_stored": 12}, "uint8 has 8 bits"),
        ({"photometric": "monochrome2"}, "expected one of MONOCHROME1"),
        ({"photometric": "YBR_FULL"}, "expected one of MONOCHROME1"),
        ({"spacing_mm": 0}, "millimetres above 0"),
        ({"spacing_mm": (0.1, -0.1)}, "millimetres above 0"),
        ({"spacing_mm": (0.1, 0.1, 0.1)}, "millimetres above 0"),
        ({"spacing_mm": float("nan")}, "millimetres above 0"),
        ({"spacing_mm": "0.1 mm"}, "millimetres above 0"),
        ({"window": (100, 100)}, "expected .low, high. in stored values"),
        ({"window": (0, float("nan"))}, "expected .low, high. in stored values"),
        ({"window": 2048}, "expected .low, high. in stored values"),
    ],
)
def test_options_that_make_no_sense_are_told_what_does(options, told):
    with pytest.raises(SettingsError, match=told):
        cxr_sr.from_array(np.zeros((4, 5), np.uint8), **options)


def test_an_array_can_say_whose_image_it_is():
    stated = cxr_sr.HeaderOptions(tags={"PatientID": "17", "StudyDate": "2020-01-31"})
    image = cxr_sr.from_array(noise(), header=stated)
    finer = cxr_sr.upscale(image, "bicubic", 2)
    for made in (image, finer):
        header = cxr_sr.to_dataset(made)
        assert (header.PatientID, header.StudyDate) == ("17", "20200131")
