"""dciodvfy finds no error in a result that it did not find in the source.

dciodvfy (Debian package dicom3tools) knows the standard of mid-2022; its exit code says
little, its `Error` lines count. It does not notice geometry: test_header_geometry does.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from highdicom._standard_utils import check_required_attributes, get_iod_module_map
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
)

import cxr_sr
from cxr_sr.errors import NotARadiographError
from cxr_sr.formats.dicom.secondary_capture import secondary_capture
from cxr_sr.formats.header.derive import HeaderOptions, derive
from cxr_sr.formats.header.elements import text
from cxr_sr.radiograph import Geometry, PixelFormat, Radiograph
from tests.builders import radiograph
from tests.header_builders import (
    add_overlay,
    make_derivation,
    make_header,
    make_item,
    real_files,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EXPLAINED = (
    "</(0008,001c)>",  # SyntheticData entered the standard after this dciodvfy
)


@pytest.fixture(autouse=True)
def _validator() -> None:
    if shutil.which("dciodvfy") is None:
        reason = "dciodvfy is not installed: apt-get install dicom3tools"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


pytestmark = pytest.mark.conformance


@functools.cache
def errors_of(path: Path) -> set[str]:
    """Return dciodvfy's error lines; it writes them to standard error.

    Each test has paths of its own, and sources do not change.
    """
    run = subprocess.run(["dciodvfy", "-new", path], capture_output=True, check=False)
    lines = run.stderr.decode("latin-1").splitlines()
    return {line for line in lines if line.startswith(("Error", "Abort"))}


def new_errors(path: Path, source: set[str]) -> list[str]:
    found = errors_of(path) - source
    return sorted(e for e in found if not any(known in e for known in EXPLAINED))


def written(header: Dataset, path: Path) -> Path:
    """Write a header with blank pixels, so that all of it can be validated."""
    header = header[:]
    count = header.Rows * header.Columns * header.SamplesPerPixel
    blank = np.zeros(count, np.uint8 if header.BitsAllocated == 8 else np.uint16)
    header.PixelData = blank.tobytes()
    header["PixelData"].VR = "OW"
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.save_as(path, enforce_file_format=True)
    return path


# --- real files


@pytest.fixture(params=real_files())
def real(request: pytest.FixtureRequest) -> tuple[Path, Radiograph]:
    path: Path = request.param
    try:
        return path, cxr_sr.read(path)
    except NotARadiographError as error:
        pytest.skip(f"refused: {error}")


def test_a_result_has_no_error_that_its_source_has_not(
    real: tuple[Path, Radiograph], tmp_path: Path
) -> None:
    path, source = real
    result = cxr_sr.upscale(source, cxr_sr.load_model("bicubic"), 2)
    out = tmp_path / "out.dcm"
    cxr_sr.write(result, out)
    assert new_errors(out, errors_of(path)) == []
    assert_invariants(pydicom.dcmread(path, force=True), pydicom.dcmread(out))


@pytest.mark.parametrize(
    "options",
    [
        HeaderOptions(),
        HeaderOptions("keep", "keep", "drop", synthetic=False),
        HeaderOptions(dates="source", series_number=1),
        HeaderOptions(dates="none"),
    ],
    ids=["defaults", "the other choices", "dates of the source", "no dates"],
)
def test_a_network_and_any_option_make_no_error_either(
    real: tuple[Path, Radiograph], options: HeaderOptions, tmp_path: Path
) -> None:
    path, _ = real
    source = cxr_sr.read(path, header=options)
    pixels = np.repeat(np.repeat(source.pixels, 2, axis=0), 2, axis=1)
    header = source.header.derived(make_derivation(), pixels.shape, NOW)
    out = tmp_path / "out.dcm"
    cxr_sr.write(source.replace(pixels=pixels, header=header), out)
    assert new_errors(out, errors_of(path)) == []


def assert_invariants(source: Dataset, result: Dataset) -> None:
    """Check what dciodvfy does not look at."""
    assert (result.Rows, result.Columns) == (2 * source.Rows, 2 * source.Columns)
    meta = result.file_meta
    assert meta.MediaStorageSOPInstanceUID == result.SOPInstanceUID
    assert "SourceApplicationEntityTitle" not in meta
    assert text(source, "SOPInstanceUID") != result.SOPInstanceUID
    for keyword in (
        "SOPClassUID",
        "StudyInstanceUID",
        "BitsStored",
        "PixelRepresentation",
        "PhotometricInterpretation",
    ):
        assert source.get(keyword) == result.get(keyword)


# --- headers made for the purpose


GEOMETRY: dict[str, Any] = {
    "PixelSpacing": [0.15, 0.1],
    "CollimatorShape": "RECTANGULAR",
    "CollimatorLeftVerticalEdge": 0,
    "CollimatorRightVerticalEdge": 31,
    "CollimatorUpperHorizontalEdge": 2,
    "CollimatorLowerHorizontalEdge": 38,
    "ShutterShape": ["RECTANGULAR", "CIRCULAR", "POLYGONAL"],
    "ShutterPresentationValue": 0,
    "ShutterLeftVerticalEdge": 1,
    "ShutterRightVerticalEdge": 30,
    "ShutterUpperHorizontalEdge": 2,
    "ShutterLowerHorizontalEdge": 38,
    "CenterOfCircularShutter": [20, 15],
    "RadiusOfCircularShutter": 10,
    "VerticesOfThePolygonalShutter": [1, 1, 1, 30, 40, 30],
    "FieldOfViewShape": "RECTANGLE",
    "FieldOfViewDimensions": [6, 3],
    "FieldOfViewOrigin": [1, 1],
    "FieldOfViewRotation": "0",
    "FieldOfViewHorizontalFlip": "NO",
    "DetectorBinning": [2, 2],
    "DetectorElementSpacing": [0.075, 0.05],
    "IrradiationEventUID": "1.2.3.9",
    "RequestAttributesSequence": [
        make_item(RequestedProcedureID="1", ScheduledProcedureStepID="2")
    ],
}
PROCESSING: dict[str, Any] = {
    "SOPClassUID": DigitalXRayImageStorageForProcessing,
    "PresentationIntentType": "FOR PROCESSING",
    "WindowCenter": None,
    "WindowWidth": None,
}
DX = {
    "presentation": {"SOPClassUID": DigitalXRayImageStorageForPresentation},
    "processing": PROCESSING,
    "presentation with geometry": GEOMETRY,
    "processing with geometry": GEOMETRY | PROCESSING,
}


@pytest.fixture(params=list(DX.values()), ids=list(DX))
def dx(request: pytest.FixtureRequest) -> Dataset:
    header = make_header(**request.param)
    if "ShutterShape" in header:
        add_overlay(header, np.eye(40, 30))
    return header


@pytest.mark.parametrize("factor", [2, 2.5])
def test_a_valid_dx_stays_valid(dx: Dataset, factor: float, tmp_path: Path) -> None:
    assert errors_of(written(dx, tmp_path / "source.dcm")) == set()
    shape = (round(40 * factor), round(30 * factor))
    derivation = make_derivation(factors=(factor, factor))
    result = derive(dx, derivation, shape, NOW)
    assert new_errors(written(result, tmp_path / "out.dcm"), set()) == []


def test_a_dx_has_all_that_todays_standard_requires(dx: Dataset) -> None:
    result = derive(dx, make_derivation(), (80, 60), NOW)
    for module in get_iod_module_map()["digital-x-ray-image"]:
        if module["usage"] == "M":
            check_required_attributes(result, module["key"])


def test_a_result_of_a_result_is_valid(dx: Dataset, tmp_path: Path) -> None:
    once = derive(dx, make_derivation(), (80, 60), NOW)
    twice = derive(once, make_derivation(), (160, 120), NOW)
    assert new_errors(written(twice, tmp_path / "out.dcm"), set()) == []


# --- secondary captures


@pytest.mark.parametrize(
    ("fmt", "shape"),
    [
        (PixelFormat(8, 8, signed=False, photometric="MONOCHROME2"), (8, 10)),
        (PixelFormat(16, 16, signed=False, photometric="MONOCHROME1"), (8, 10)),
        (PixelFormat(16, 12, signed=True, photometric="MONOCHROME2"), (8, 10)),
        (PixelFormat(8, 8, signed=False, photometric="RGB"), (8, 10, 3)),
    ],
    ids=str,
)
@pytest.mark.parametrize("derivation", [None, make_derivation()])
@pytest.mark.parametrize("spacing", [None, (0.1, 0.2)])
def test_a_secondary_capture_is_valid(
    *,
    fmt: PixelFormat,
    shape: tuple[int, ...],
    derivation: Any,
    spacing: tuple[float, float] | None,
    tmp_path: Path,
) -> None:
    image = radiograph(
        np.zeros(shape, fmt.dtype),
        fmt,
        geometry=Geometry(spacing),
        derivation=derivation,
    )
    header = secondary_capture(image, NOW)
    assert new_errors(written(header, tmp_path / "out.dcm"), set()) == []
