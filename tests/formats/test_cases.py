"""Files of the kinds that people report trouble with have their right values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cxr_sr
from cxr_sr.formats import inspect

CASES = Path(__file__).parents[3] / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared/cases")

READ = {
    "vindr_like.dicom": (96, 80),
    "odd_jpeg.dcm": (301, 299),
    "jpg_noeoi.dcm": (96, 80),
    "sc_XR.dcm": (96, 80),
    "sbit12.png": (96, 80),
    "g8.jpg": (96, 80),
    "exif6.jpg": (80, 96),
    "rgba_opaque.png": (96, 80),
    "rgb_gray.png": (128, 128),
    "a.dcm.gz": (96, 80),
    "r.nii.gz": (96, 80),
    "multi.tif": (96, 80),
}


@pytest.mark.parametrize(("name", "shape"), READ.items(), ids=READ)
def test_a_case_is_read_as_gray_and_described_alike(name: str, shape: tuple[int, int]):
    found, told = cxr_sr.read(CASES / name), inspect(CASES / name)
    assert found.pixels.shape == shape
    assert (told.rows, told.columns) == shape
    assert told.refusal is None


def test_significant_bits_of_a_png_do_not_change_its_values():
    pixels = cxr_sr.read(CASES / "sbit12.png").pixels
    assert (int(pixels.min()), int(pixels.max())) == (3281, 62254)


@pytest.mark.parametrize("name", ["d72.tif", "mha_nospacing.mha"])
def test_a_spacing_that_nobody_stated_is_not_made_up(name: str):
    assert cxr_sr.read(CASES / name).geometry.spacing_mm is None


def test_a_jpeg_becomes_a_dicom_that_says_that_it_was_lossy():
    dataset = cxr_sr.to_dataset(cxr_sr.read(CASES / "g8.jpg"))
    assert dataset.LossyImageCompression == "01"
    assert dataset.LossyImageCompressionMethod == "ISO_10918_1"
    assert np.shape(dataset.pixel_array) == (96, 80)
