"""`read` goes by content, `write` by suffix, and an image keeps its kind between."""

from __future__ import annotations

import gzip
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from cxr_sr import formats
from cxr_sr.errors import NotARadiographError, OutputError
from cxr_sr.formats import read, write
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.header.derive import HeaderOptions
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster.files import RasterHeader
from cxr_sr.formats.registry import kind_of_file
from cxr_sr.names import Compression
from cxr_sr.radiograph import Geometry, Radiograph
from tests.builders import NOON, noise, pixel_format, radiograph, write_png
from tests.dicom_files import dicom_file
from tests.header_builders import make_derivation


def a_raster() -> Radiograph:
    return radiograph(noise(), header=RasterHeader(made=NOON))


def upscaled(image: Radiograph, now: datetime = NOON) -> Radiograph:
    """Return an image with twice the rows and columns, as `upscale` does."""
    pixels = np.kron(image.pixels, np.ones((2, 2), image.pixels.dtype))
    derivation = make_derivation()
    return image.replace(
        pixels=pixels,
        geometry=image.geometry.upscaled((2, 2)),
        header=image.header.derived(derivation, pixels.shape, now),
        derivation=derivation,
    )


def test_every_exported_name_is_there():
    for name in formats.__all__:
        assert getattr(formats, name)


@pytest.mark.parametrize("module", ["SimpleITK", "torch", "onnxruntime", "scipy"])
def test_reading_a_dicom_loads_nothing_it_does_not_need(tmp_path: Path, module: str):
    path = dicom_file(tmp_path / "a.dcm")
    code = (
        "import sys; from cxr_sr.display.render import render;"
        "from cxr_sr.formats import inspect, read;"
        f"inspect({str(path)!r}); render(read({str(path)!r}));"
        f"sys.exit({module!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


SIGNATURES = {
    Kind.DICOM: bytes(128) + b"DICM",
    Kind.PNG: b"\x89PNG\r\n\x1a\n",
    Kind.TIFF: b"MM\0*",
    Kind.NRRD: b"NRRD0004\n",
    Kind.META_IMAGE: b"ObjectType = Image\n",
    Kind.JPEG: b"\xff\xd8\xff\xe0\x00\x10JFIF",
    Kind.NIFTI: (348).to_bytes(4, "little") + bytes(340) + b"n+1\0",
    Kind.BARE_DICOM: b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100",
}


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_is_known_by_its_first_bytes(tmp_path: Path, kind: Kind):
    (tmp_path / "anything").write_bytes(SIGNATURES[kind] + bytes(50))
    assert kind_of_file(tmp_path / "anything") is kind


NOTHING = {
    "empty": b"",
    "one byte": b"\x08",
    "text": b"Dear colleague, enclosed please find",
    "a gzip file of text": gzip.compress(b"Dear colleague"),
    "a number eight": b"\x08\x00\x00\x00" + b"\xff" * 200,
    "an odd length": b"\x08\x00\x05\x00\x0b\x00\x00\x00" + bytes(50),
    "a late element of the group": b"\x08\x00\x10\x20CS\x02\x00DX" + bytes(50),
    "an archive": b"PK\x03\x04" + bytes(200),
}


@pytest.mark.parametrize("content", NOTHING.values(), ids=NOTHING)
def test_what_is_none_of_them_is_not_guessed_at(tmp_path: Path, content: bytes):
    (tmp_path / "a.dcm").write_bytes(content)
    assert kind_of_file(tmp_path / "a.dcm") is None
    with pytest.raises(NotARadiographError, match="neither DICOM nor PNG"):
        read(tmp_path / "a.dcm")


def test_a_path_may_be_text(tmp_path: Path):
    path = str(dicom_file(tmp_path / "a.dcm"))
    write(read(path), str(tmp_path / "b.dcm"))
    assert read(str(tmp_path / "b.dcm")).shape == (33, 34)


# ---- from kind to kind ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.dcm", "a.DCM", "a.ima", "IM0001", "1.2.840.113"])
def test_a_dicom_may_have_any_name(tmp_path: Path, name: str):
    image = read(dicom_file(tmp_path / "source.dcm"))
    write(image, tmp_path / name)
    np.testing.assert_array_equal(read(tmp_path / name).pixels, image.pixels)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".mha", ".nrrd", ".npy"])
def test_a_dicom_becomes_a_raster_of_its_stored_values(tmp_path: Path, suffix: str):
    image = read(
        dicom_file(tmp_path / "a.dcm", fmt=pixel_format(12, photometric="MONOCHROME1"))
    )
    path = tmp_path / f"a{suffix}"
    write(image, path)
    found = np.load(path) if suffix == ".npy" else read(path).pixels
    np.testing.assert_array_equal(found, image.pixels)
    if suffix != ".npy":
        assert read(path).geometry.spacing_mm == pytest.approx((0.15, 0.1))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_raster_becomes_a_secondary_capture(tmp_path: Path, bits: int):
    fmt = pixel_format(bits)
    image = a_raster().replace(pixels=noise((9, 11), fmt), format=fmt)
    write(image, tmp_path / "a.dcm")
    file = pydicom.dcmread(tmp_path / "a.dcm")
    assert file.SOPClassUID == SecondaryCaptureImageStorage
    assert (file.Modality, file.PatientName) == ("OT", "")
    assert file.ContentDate == "20260301"
    np.testing.assert_array_equal(file.pixel_array, image.pixels)
    found = read(tmp_path / "a.dcm")
    assert found.format == fmt
    assert found.geometry == image.geometry


def test_a_colour_raster_becomes_a_colour_capture(tmp_path: Path):
    fmt = pixel_format(8, photometric="RGB")
    pixels = noise((9, 11, 3), fmt)
    write(a_raster().replace(pixels=pixels, format=fmt), tmp_path / "a.dcm")
    file = pydicom.dcmread(tmp_path / "a.dcm")
    assert (file.SamplesPerPixel, file.PlanarConfiguration) == (3, 0)
    np.testing.assert_array_equal(file.pixel_array, pixels)


@pytest.mark.parametrize("compression", ["jpegls", "rle", "j2k"])
def test_colours_survive_compression(tmp_path: Path, compression: Compression):
    fmt = pixel_format(8, photometric="RGB")
    pixels = noise((40, 44, 3), fmt)
    image = a_raster().replace(pixels=pixels, format=fmt)
    write(image, tmp_path / "a.dcm", compression=compression)
    np.testing.assert_array_equal(
        pydicom.dcmread(tmp_path / "a.dcm").pixel_array, pixels
    )


def test_a_capture_is_the_same_file_every_time(tmp_path: Path):
    for name in ("a.dcm", "b.dcm"):
        write(a_raster(), tmp_path / name)
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


def test_a_capture_of_other_pixels_is_another_instance(tmp_path: Path):
    write(a_raster(), tmp_path / "a.dcm")
    write(a_raster().replace(pixels=noise(seed=1)), tmp_path / "b.dcm")
    first, second = (pydicom.dcmread(tmp_path / n) for n in ("a.dcm", "b.dcm"))
    assert first.SOPInstanceUID != second.SOPInstanceUID


def test_a_capture_without_a_time_is_made_now(tmp_path: Path):
    write(a_raster().replace(header=RasterHeader()), tmp_path / "a.dcm")
    made = pydicom.dcmread(tmp_path / "a.dcm").ContentDate
    today = datetime.now().astimezone()
    assert abs((today - datetime.strptime(made, "%Y%m%d").astimezone()).days) <= 1


def test_an_upscaled_raster_says_in_dicom_how_it_was_made(tmp_path: Path):
    write(upscaled(a_raster()), tmp_path / "a.dcm")
    file = pydicom.dcmread(tmp_path / "a.dcm")
    assert "super-resolved x2 by hydra" in file.DerivationDescription
    assert file.ContentDate == NOON.strftime("%Y%m%d")
    assert file.PixelSpacing == [0.1, 0.1]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".mha", ".nrrd"])
def test_an_upscaled_raster_covers_the_same_ground(tmp_path: Path, suffix: str):
    image = radiograph(noise((8, 10)), geometry=Geometry((0.2, 0.4), (0, 0)))
    write(image, tmp_path / f"a{suffix}")
    source = read(tmp_path / f"a{suffix}")
    write(upscaled(source), tmp_path / f"b{suffix}")
    found = read(tmp_path / f"b{suffix}")
    assert found.shape == (16, 20)
    assert found.geometry.spacing_mm == pytest.approx((0.1, 0.2))
    if suffix in {".mha", ".nrrd"}:  # PNG and TIFF know no origin
        assert found.geometry.origin_mm == pytest.approx((-0.05, -0.1))


def test_options_of_the_header_are_those_given_on_reading(tmp_path: Path):
    path = dicom_file(tmp_path / "a.dcm")
    keeping = read(path, header=HeaderOptions(equipment="keep"))
    write(upscaled(keeping), tmp_path / "b.dcm")
    write(upscaled(read(path)), tmp_path / "c.dcm")
    assert pydicom.dcmread(tmp_path / "b.dcm").Manufacturer == "Maker"
    assert pydicom.dcmread(tmp_path / "c.dcm").Manufacturer != "Maker"


def test_an_upscaled_dicom_can_be_read_and_upscaled_again(tmp_path: Path):
    image = read(dicom_file(tmp_path / "a.dcm"))
    assert isinstance(image.header, DicomHeader)
    write(upscaled(image), tmp_path / "b.dcm")
    again = upscaled(read(tmp_path / "b.dcm"))
    write(again, tmp_path / "c.dcm")
    uids = {pydicom.dcmread(tmp_path / f"{n}.dcm").SOPInstanceUID for n in "abc"}
    assert len(uids) == 3
    spacing = read(tmp_path / "c.dcm").geometry.spacing_mm
    assert spacing == pytest.approx((0.0375, 0.025))


# ---- refusals ------------------------------------------------------------------------


def test_a_png_named_as_something_unknown_is_not_written(tmp_path: Path):
    image = read(write_png(tmp_path / "a.png"))
    with pytest.raises(
        OutputError, match=r"suffix '.jpg' names no format for output; use .dcm, .png"
    ):
        write(image, tmp_path / "b.jpg")


def test_compression_is_for_dicom_only(tmp_path: Path):
    with pytest.raises(
        OutputError, match=r"compression jpegls is for DICOM, not for \.png"
    ):
        write(a_raster(), tmp_path / "a.png", compression="jpegls")
    assert not list(tmp_path.iterdir())
