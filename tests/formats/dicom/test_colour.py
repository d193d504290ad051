"""Colour samples that show nothing but gray are gray; true colour is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)

import cxr_sr
from cxr_sr.errors import NotARadiographError, UnreadableError
from cxr_sr.formats import inspect, read, to_dataset
from cxr_sr.formats.dicom.header import DicomHeader
from tests.builders import pixel_format, structure
from tests.dicom_files import dicom_file

Image = NDArray[np.integer[Any]]
GRAY: Image = np.rint(255 * structure((48, 40))).astype(np.uint8)
RGB: Image = np.repeat(GRAY[..., None], 3, 2)
NEUTRAL = np.full_like(GRAY, 128)
YBR: Image = np.stack([GRAY, NEUTRAL, NEUTRAL], 2)
CAPTURE = {"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "CR"}


def capture(path: Path, data: bytes, photometric: str, **said: Any) -> Path:
    facts: dict[str, Any] = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, **CAPTURE}
    facts |= {"PhotometricInterpretation": photometric, **said}
    data += b"\0" * (len(data) % 2)
    syntax = facts.pop("syntax", ExplicitVRLittleEndian)
    fmt = facts.pop("fmt", pixel_format(8))
    return dicom_file(path, GRAY.astype(fmt.dtype), fmt, syntax, data=data, **facts)


def halved(ybr: Image) -> bytes:
    """YBR_FULL_422: Y Y Cb Cr of each two pixels."""
    y, cb, cr = ybr[..., 0], ybr[:, ::2, 1], ybr[:, ::2, 2]
    return np.stack([y[:, ::2], y[:, 1::2], cb, cr], 2).tobytes()


def planes(pixels: Image) -> bytes:
    return pixels.transpose(2, 0, 1).tobytes()


NATIVE: dict[str, tuple[Callable[[], bytes], str, dict[str, Any]]] = {
    "RGB": (RGB.tobytes, "RGB", {}),
    "planes": (lambda: planes(RGB), "RGB", {"PlanarConfiguration": 1}),
    "YBR_FULL": (YBR.tobytes, "YBR_FULL", {}),
    "YBR planes": (lambda: planes(YBR), "YBR_FULL", {"PlanarConfiguration": 1}),
    "YBR_FULL_422": (lambda: halved(YBR), "YBR_FULL_422", {}),
    "several frames' class": (
        RGB.tobytes,
        "RGB",
        {
            "SOPClassUID": MultiFrameTrueColorSecondaryCaptureImageStorage,
            "NumberOfFrames": 1,
        },
    ),
}


@pytest.mark.parametrize(("data", "photometric", "said"), NATIVE.values(), ids=NATIVE)
def test_equal_channels_are_gray(
    tmp_path: Path, data: Callable[[], bytes], photometric: str, said: dict[str, Any]
):
    path = capture(tmp_path / "a.dcm", data(), photometric, **said)
    found = read(path)
    np.testing.assert_array_equal(found.pixels, GRAY)
    assert found.format == pixel_format(8)
    told = inspect(path)
    assert told.refusal is None
    assert told.photometric == photometric
    assert any(
        "reads it as gray if red, green and blue are equal" in f for f in told.findings
    )


def test_sixteen_bits_are_gray_too(tmp_path: Path):
    wide = RGB.astype(np.uint16) * 200
    for syntax in (ExplicitVRLittleEndian, ExplicitVRBigEndian):
        data = wide.byteswap() if syntax == ExplicitVRBigEndian else wide
        said = {"syntax": syntax, "fmt": pixel_format(16)}
        path = capture(tmp_path / "a.dcm", data.tobytes(), "RGB", **said)
        np.testing.assert_array_equal(read(path).pixels, wide[..., 0])


@pytest.mark.parametrize(
    "syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda s: s.name
)
def test_lossless_code_streams_of_colour_are_exact(tmp_path: Path, syntax: UID):
    path = capture(tmp_path / "a.dcm", RGB.tobytes(), "RGB")
    _compress(path, syntax)
    np.testing.assert_array_equal(read(path).pixels, GRAY)


def _compress(path: Path, syntax: UID) -> None:
    dataset = pydicom.dcmread(path)
    plugin = {
        JPEGLSLossless: "pyjpegls",
        JPEG2000Lossless: "pylibjpeg",
        RLELossless: "pydicom",
    }
    if syntax == JPEG2000Lossless:
        dataset.PhotometricInterpretation = "YBR_RCT"
    dataset.compress(
        syntax, RGB, encoding_plugin=plugin[syntax], generate_instance_uid=False
    )
    dataset.save_as(path)


@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "RGB"])
def test_a_jpeg_of_gray_in_colour_is_its_luma_whatever_the_header_says(
    tmp_path: Path, photometric: str
):
    image = pytest.importorskip("PIL.Image")
    coded = io.BytesIO()
    image.fromarray(RGB).save(coded, "JPEG", quality=95)
    data = encapsulate([coded.getvalue()])
    path = capture(tmp_path / "a.dcm", data, photometric, syntax=JPEGBaseline8Bit)
    expected = np.asarray(image.open(coded).convert("L")).astype(int)
    assert np.abs(read(path).pixels - expected).max() <= 1


def palette(bits: int, entries: Image) -> dict[str, Any]:
    data = entries.astype("<u2" if bits == 16 else "u1").tobytes()
    said: dict[str, Any] = {"SamplesPerPixel": 1, "PlanarConfiguration": None}
    for colour in ("Red", "Green", "Blue"):
        name = f"{colour}PaletteColorLookupTable"
        said |= {f"{name}Descriptor": [len(entries), 0, bits], f"{name}Data": data}
    return said


@pytest.mark.parametrize("bits", [8, 16])
def test_a_gray_palette_is_looked_up(tmp_path: Path, bits: int):
    entries = np.arange(256)[::-1] * (257 if bits == 16 else 1)
    path = capture(
        tmp_path / "a.dcm", GRAY.tobytes(), "PALETTE COLOR", **palette(bits, entries)
    )
    found = read(path)
    np.testing.assert_array_equal(found.pixels, entries[GRAY])
    assert found.format.bits_stored == bits


def test_a_segmented_palette_is_looked_up(tmp_path: Path):
    """PS3.3 C.7.9.2: one discrete entry, then a line of 255 more."""
    said = palette(16, np.arange(256))
    segments = np.array([0, 1, 0, 1, 255, 65280], "<u2").tobytes()
    for colour in ("Red", "Green", "Blue"):
        said[f"{colour}PaletteColorLookupTableData"] = None
        said[f"Segmented{colour}PaletteColorLookupTableData"] = segments
    path = capture(tmp_path / "a.dcm", GRAY.tobytes(), "PALETTE COLOR", **said)
    np.testing.assert_array_equal(read(path).pixels, GRAY.astype(int) * 256)


def test_a_palette_that_is_missing_or_short_is_refused(tmp_path: Path):
    short = palette(16, np.arange(256)) | {
        "GreenPaletteColorLookupTableData": bytes(20)
    }
    for said in ({"SamplesPerPixel": 1}, short):
        path = capture(tmp_path / "a.dcm", GRAY.tobytes(), "PALETTE COLOR", **said)
        with pytest.raises(UnreadableError, match="the palette"):
            read(path)


def test_true_colour_is_refused_by_name(tmp_path: Path):
    coloured = RGB.copy()
    coloured[3, :7, 0] ^= 64
    tinted = YBR.copy()
    tinted[4, :8, 2] = 150
    reds = palette(8, np.arange(256)) | {
        "RedPaletteColorLookupTableData": bytes(range(1, 256)) + b"\xff"
    }
    for data, photometric, said in (
        (coloured.tobytes(), "RGB", {}),
        (tinted.tobytes(), "YBR_FULL", {}),
        (halved(tinted), "YBR_FULL_422", {}),
        (GRAY.tobytes(), "PALETTE COLOR", reds),
    ):
        path = capture(tmp_path / "a.dcm", data, photometric, **said)
        with pytest.raises(NotARadiographError, match="the image has true colour"):
            read(path)


def test_a_result_of_it_is_monochrome2_and_says_so(tmp_path: Path):
    said = palette(8, np.arange(256)) | {"WindowCenter": 40, "WindowWidth": 20}
    path = capture(tmp_path / "a.dcm", GRAY.tobytes(), "PALETTE COLOR", **said)
    result = to_dataset(cxr_sr.upscale(read(path), "bicubic", 2))
    assert result.PhotometricInterpretation == "MONOCHROME2"
    assert result.SamplesPerPixel == 1
    assert "converted to MONOCHROME2 from colour" in result.DerivationDescription
    left = {e.keyword for e in result if "Palette" in e.keyword}
    assert left == set()
    assert "WindowCenter" not in result, "a window has no meaning for colour"


def test_the_class_of_true_colour_becomes_one_of_gray(tmp_path: Path):
    """PS3.3 A.8.5.4: its photometric interpretation would have to be of colour."""
    path = capture(tmp_path / "a.dcm", RGB.tobytes(), **_true_colour())
    source = read(path)
    result = to_dataset(cxr_sr.upscale(source, "bicubic", 2))
    assert result.SOPClassUID.name.startswith("Multi-frame Grayscale Byte")
    assert result.file_meta.MediaStorageSOPClassUID == result.SOPClassUID
    assert (result.RescaleSlope, result.PresentationLUTShape) == (1, "IDENTITY")
    referenced = result.SourceImageSequence[0].ReferencedSOPClassUID
    assert referenced == MultiFrameTrueColorSecondaryCaptureImageStorage


def _true_colour() -> dict[str, Any]:
    return {
        "photometric": "RGB",
        "SOPClassUID": MultiFrameTrueColorSecondaryCaptureImageStorage,
        "NumberOfFrames": 1,
    }


def dataset(path: Path) -> Dataset:
    header = read(path).header
    assert isinstance(header, DicomHeader)
    return header.dataset


def test_what_a_lossy_code_lost_is_said_where_the_header_is_silent(tmp_path: Path):
    image = pytest.importorskip("PIL.Image")
    coded = io.BytesIO()
    image.fromarray(GRAY).save(coded, "JPEG", quality=80)
    for stated in (None, "00", ""):
        path = dicom_file(
            tmp_path / "a.dcm",
            GRAY,
            pixel_format(8),
            JPEGBaseline8Bit,
            frame=coded.getvalue(),
            LossyImageCompression=stated,
        )
        said = dataset(path)
        assert said.LossyImageCompression == "01"
        assert said.LossyImageCompressionMethod == "ISO_10918_1"
        ratio = GRAY.size / len(coded.getvalue())
        assert float(said.LossyImageCompressionRatio) == pytest.approx(ratio, rel=0.01)


def test_what_was_coded_without_loss_is_not_called_lossy(tmp_path: Path):
    path = dicom_file(
        tmp_path / "a.dcm", syntax=JPEG2000Lossless, LossyImageCompression="00"
    )
    assert dataset(path).LossyImageCompression == "00"


def test_the_spacing_of_functional_groups_counts_and_is_divided(tmp_path: Path):
    measures = Dataset()
    measures.PixelSpacing = [0.3, 0.2]
    group = Dataset()
    group.PixelMeasuresSequence = [measures]
    path = capture(
        tmp_path / "a.dcm",
        RGB.tobytes(),
        PixelSpacing=None,
        ImagerPixelSpacing=None,
        SharedFunctionalGroupsSequence=[group],
        **_true_colour(),
    )
    source = read(path)
    assert source.geometry.spacing_mm == (0.3, 0.2)
    result = to_dataset(cxr_sr.upscale(source, "bicubic", 2))
    (shared,) = result.SharedFunctionalGroupsSequence
    assert shared.PixelMeasuresSequence[0].PixelSpacing == [0.15, 0.1]
    assert source.geometry.spacing_mm == (0.3, 0.2)
