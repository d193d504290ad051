"""Real radiographs, looked at one by one."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ImplicitVRLittleEndian,
)

from cxr_sr.errors import NotARadiographError
from cxr_sr.formats import read
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.header.elements import text
from cxr_sr.radiograph import Geometry, PixelFormat, Radiograph
from tests.builders import pixel_format


def dataset(radiograph: Radiograph) -> pydicom.Dataset:
    assert isinstance(radiograph.header, DicomHeader)
    return radiograph.header.dataset


REAL: dict[str, tuple[tuple[int, int], int, bool, str, int, int]] = {
    # file: shape, bits stored, signed, photometric, smallest and largest stored value
    "chest_fuji440_explicitle": ((440, 440), 10, False, "MONOCHROME1", 0, 979),
    "chest_fuji440_headless_nopreamble": ((440, 440), 10, False, "MONOCHROME1", 0, 979),
    "chest_fuji440_implicitle_ps": ((440, 440), 10, False, "MONOCHROME1", 0, 979),
    "chest_nih_dx_sc_implicitle_8b": ((1024, 1024), 8, False, "MONOCHROME2", 0, 255),
    "chest_philips_rg1_jlsn": ((1955, 1841), 15, False, "MONOCHROME1", 871, 26481),
    "chest_rsna_cr_fake_mono1": ((1024, 1024), 8, False, "MONOCHROME1", 0, 254),
    "chest_rsna_cr_jpegbaseline_8b": ((1024, 1024), 8, False, "MONOCHROME2", 0, 254),
    "cr_chest_sc_512_16b_signed": ((512, 512), 16, True, "MONOCHROME2", -128, 32767),
    "cr_teeth_modalitylut_jpll_m1": ((1576, 1976), 10, False, "MONOCHROME1", 0, 1023),
    "hand_kodak_cr_m2_12b_j2k_kakadu": (
        (2500, 2048),
        12,
        False,
        "MONOCHROME2",
        1,
        4095,
    ),
    "hdr_agfa_cspine16_rescale": ((16, 16), 12, False, "MONOCHROME1", 1994, 2802),
    "hip_fuji_rg2_j2kr": ((2140, 1760), 10, False, "MONOCHROME2", 0, 893),
    "hip_fuji_rg2_jlsl": ((2140, 1760), 10, False, "MONOCHROME2", 0, 893),
    "hip_fuji_rg2_jlsn": ((2140, 1760), 10, False, "MONOCHROME2", 0, 897),
    "hip_fuji_rg2_jpll": ((2140, 1760), 10, False, "MONOCHROME2", 0, 893),
    "hip_fuji_rg2_jply": ((2140, 1760), 10, False, "MONOCHROME2", 0, 960),
    "leg_fuji_rg3_j2ki": ((1760, 1760), 10, False, "MONOCHROME1", 0, 1023),
    "leg_fuji_rg3_jlsl": ((1760, 1760), 10, False, "MONOCHROME1", 0, 1023),
    "leg_fuji_rg3_jpll": ((1760, 1760), 10, False, "MONOCHROME1", 0, 1023),
    "leg_fuji_rg3_rle": ((1760, 1760), 10, False, "MONOCHROME1", 0, 1023),
    "mg_ge_voilutseq_multiwindow_jpll": (
        (3062, 2394),
        12,
        False,
        "MONOCHROME2",
        0,
        3471,
    ),
    "mg_overlay_outofbounds_jpll": ((788, 1318), 12, False, "MONOCHROME2", 27, 4091),
    "ot_535x800_16b_jpll_lut_ovl": ((535, 800), 16, False, "MONOCHROME2", 0, 63736),
    "rf_siemens_modlut": ((464, 512), 8, False, "MONOCHROME2", 0, 255),
    "xa1_jlsl": ((1024, 1024), 10, False, "MONOCHROME2", 0, 504),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_give_what_was_looked_at(
    shared_dicom: Path, name: str, capfd: pytest.CaptureFixture[str]
):
    found = read(shared_dicom / f"{name}.dcm")
    shape, bits, signed, photometric, low, high = REAL[name]
    assert found.shape == shape
    assert found.format == pixel_format(
        bits,
        signed=signed,
        photometric=photometric,
        bits_allocated=found.pixels.itemsize * 8,
    )
    assert (found.pixels.min(), found.pixels.max()) == (low, high)
    assert capfd.readouterr() == ("", "")


def test_every_shared_file_is_in_the_table_or_refused_by_name(shared_dicom: Path):
    refused = {p.stem for p in shared_dicom.glob("*.dcm")} - REAL.keys()
    assert refused == {"hdr_agfa_chest32_chrJapMulti"}
    with pytest.raises(NotARadiographError, match="no pixel data"):
        read(shared_dicom / "hdr_agfa_chest32_chrJapMulti.dcm")


@pytest.mark.parametrize("name", sorted(REAL.keys() - {"hip_fuji_rg2_jply"}))
def test_real_files_have_the_values_that_pydicom_finds(shared_dicom: Path, name: str):
    path = shared_dicom / f"{name}.dcm"
    np.testing.assert_array_equal(read(path).pixels, _by_pydicom(path))


def _by_pydicom(path: Path) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = pydicom.dcmread(path, force=True)
        if "TransferSyntaxUID" not in file.file_meta:
            file.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        return file.pixel_array


def test_the_jpeg_that_pydicom_refuses_is_the_hip_it_should_be(shared_dicom: Path):
    lossy = read(shared_dicom / "hip_fuji_rg2_jply.dcm").pixels.astype(int)
    exact = read(shared_dicom / "hip_fuji_rg2_jlsl.dcm").pixels.astype(int)
    error = np.abs(lossy - exact)
    assert error.mean() < 4
    assert error.max() <= 101


def test_one_image_in_four_codings_is_one_image(shared_dicom: Path):
    leg = [
        read(shared_dicom / f"leg_fuji_rg3_{coding}.dcm").pixels
        for coding in ("jlsl", "jpll", "rle")
    ]
    np.testing.assert_array_equal(leg[0], leg[1])
    np.testing.assert_array_equal(leg[0], leg[2])


def test_the_chest_that_comes_with_pydicom(rg1: Path):
    found = read(rg1)
    assert found.shape == (1955, 1841)
    assert found.format == PixelFormat(16, 15, signed=False, photometric="MONOCHROME1")
    assert found.window == (0.0, 29999.0)
    assert found.geometry == Geometry()  # it states 0.000\0.000
    assert text(dataset(found), "SOPClassUID") == ComputedRadiographyImageStorage
    assert os.fspath(rg1) not in repr(found.header.__dict__)
