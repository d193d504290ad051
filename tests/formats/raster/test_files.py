"""PNG, TIFF, MetaImage and NRRD keep samples, polarity and place, or are refused."""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cxr_sr
from cxr_sr.errors import InputError, NotARadiographError, OutputError, UnreadableError
from cxr_sr.formats import inspect, read, write
from cxr_sr.formats.raster import facts as raster_facts
from cxr_sr.formats.raster.files import RasterHeader
from cxr_sr.formats.raster.grid import Grid
from cxr_sr.radiograph import Geometry, PixelFormat, Radiograph
from tests.builders import noise, pixel_format, radiograph, structure, write_png
from tests.header_builders import make_derivation

tifffile = pytest.importorskip("tifffile")
iio = pytest.importorskip("imageio.v3")
pil = pytest.importorskip("PIL.Image")

GRAY8, GRAY16 = pixel_format(8), pixel_format(16)
WHITE_IS_ZERO = pixel_format(16, photometric="MONOCHROME1")


def rgb(bits: int = 8) -> NDArray[np.integer[Any]]:
    return noise((7, 11, 3), pixel_format(bits))


def of_raster(pixels: NDArray[Any], fmt: PixelFormat = GRAY16) -> Radiograph:
    return radiograph(pixels, fmt, header=RasterHeader(), geometry=Geometry())


# ---- reading: against independent writers --------------------------------------------


@pytest.mark.parametrize("bits", [8, 16])
def test_a_png_of_another_writer_is_read_sample_by_sample(tmp_path: Path, bits: int):
    pixels = noise((7, 11), pixel_format(bits))
    iio.imwrite(tmp_path / "a.png", pixels)
    found = read(tmp_path / "a.png")
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.format == pixel_format(bits)
    assert found.geometry == Geometry()


TIFFS: dict[str, dict[str, Any]] = {
    "plain": {},
    "big endian": {"byteorder": ">"},
    "BigTIFF": {"bigtiff": True},
    "deflated": {"compression": "zlib", "predictor": True},
    "strips": {"rowsperstrip": 2},
    "tiles": {"tile": (16, 16)},
    "deflated tiles": {"tile": (16, 16), "compression": "zlib"},
    "white is zero": {"photometric": "miniswhite"},
}


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
@pytest.mark.parametrize("said", TIFFS.values(), ids=TIFFS)
def test_a_tiff_of_another_writer_is_read_sample_by_sample(
    tmp_path: Path, dtype: str, said: dict[str, Any]
):
    fmt = pixel_format(8 * int(dtype[1]), signed=dtype[0] == "i")
    pixels = noise((7, 11), fmt)
    tifffile.imwrite(tmp_path / "a.tif", pixels, **{"photometric": "minisblack"} | said)
    found = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, pixels)
    white = said.get("photometric") == "miniswhite"
    assert found.format.photometric == ("MONOCHROME1" if white else "MONOCHROME2")
    assert found.pixels.dtype == dtype


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
def test_metaimage_and_nrrd_keep_sign_and_place(
    tmp_path: Path, suffix: str, dtype: str
):
    fmt = pixel_format(8 * int(dtype[1]), signed=dtype[0] == "i")
    image = sitk.GetImageFromArray(noise((7, 11), fmt))
    image.SetSpacing((0.2, 0.3))
    image.SetOrigin((-4, 5))
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(image, path)
    found = read(path)
    np.testing.assert_array_equal(found.pixels, noise((7, 11), fmt))
    assert found.format == fmt
    assert found.geometry == Geometry((0.3, 0.2), (5, -4))


def test_a_volume_of_one_slice_is_an_image(tmp_path: Path):
    pixels = noise((1, 7, 11), GRAY16)
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing((0.2, 0.3, 5))
    image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, -1))
    sitk.WriteImage(image, tmp_path / "a.mha")
    found = read(tmp_path / "a.mha")
    np.testing.assert_array_equal(found.pixels, pixels[0])
    write(found, tmp_path / "b.mha")
    again = sitk.ReadImage(tmp_path / "b.mha")
    assert again.GetSize() == image.GetSize()
    assert again.GetDirection() == image.GetDirection()
    assert again.GetSpacing() == image.GetSpacing()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".mha", ".nrrd"])
def test_the_content_counts_and_not_the_name(tmp_path: Path, suffix: str):
    write(of_raster(noise((7, 11))), tmp_path / f"a{suffix}")
    (tmp_path / f"a{suffix}").rename(tmp_path / "IM0001")
    np.testing.assert_array_equal(read(tmp_path / "IM0001").pixels, noise((7, 11)))


# ---- reading: refusals ---------------------------------------------------------------


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def _png(bits: int, colour: int, *extra: bytes) -> bytes:
    start = b"\x89PNG\r\n\x1a\n"
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 2, bits, colour, 0, 0, 0))
    rows = zlib.compress(bytes(2 * (1 + 4 * bits // 8)))
    return (
        start + header + b"".join(extra) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    )


PNGS = {
    "palette": (lambda p: pil.fromarray(rgb()).convert("P").save(p), "true colour"),
    "alpha": (lambda p: pil.new("RGBA", (5, 5)).save(p), "transparent in 25 of 25"),
    "gray with alpha": (lambda p: pil.new("LA", (5, 5)).save(p), "transparent"),
    "one bit": (lambda p: pil.new("1", (5, 5)).save(p), "1-bit samples"),
    "four bits": (lambda p: p.write_bytes(_png(4, 0)), "4-bit samples"),
    "transparent gray": (
        lambda p: p.write_bytes(_png(8, 0, _chunk(b"tRNS", b"\0\0"))),
        "transparent in 8 of 8",
    ),
}


@pytest.mark.parametrize(("make", "reason"), PNGS.values(), ids=PNGS)
def test_a_png_that_would_be_turned_into_another_is_refused(
    tmp_path: Path, make: Any, reason: str
):
    make(tmp_path / "a.png")
    with pytest.raises(NotARadiographError, match=reason):
        read(tmp_path / "a.png")


GRAY_IN_COLOUR: dict[str, dict[str, Any]] = {
    "pixels": {},
    "planes": {"planarconfig": "separate"},
    "tiled planes": {"planarconfig": "separate", "tile": (16, 16)},
    "deflated planes": {"planarconfig": "separate", "compression": "zlib"},
}


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("said", GRAY_IN_COLOUR.values(), ids=GRAY_IN_COLOUR)
def test_a_tiff_of_equal_channels_is_gray(
    tmp_path: Path, said: dict[str, Any], bits: int
):
    gray = noise((37, 41), pixel_format(bits))
    axis = 0 if "planarconfig" in said else -1
    stacked = np.stack([gray] * 3, axis)
    tifffile.imwrite(tmp_path / "a.tif", stacked, photometric="rgb", **said)
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels, gray)


@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
def test_jpeg_within_a_tiff_is_read_and_called_lossy(
    tmp_path: Path, photometric: str, tile: tuple[int, int] | None
):
    gray = np.rint(255 * structure((48, 64))).astype(np.uint8)
    pixels = np.stack([gray] * 3, -1) if photometric == "rgb" else gray
    said = {"photometric": photometric, "compression": "jpeg", "tile": tile}
    tifffile.imwrite(tmp_path / "a.tif", pixels, **said)
    found = read(tmp_path / "a.tif").pixels.astype(int)
    assert np.abs(found - gray).max() <= 8
    assert inspect(tmp_path / "a.tif").lossy


def test_later_pages_that_are_thumbnails_are_left_out_and_told(tmp_path: Path):
    gray = noise((32, 48))
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(gray, photometric="minisblack", tile=(16, 16))
        file.write(gray[::2, ::2], photometric="minisblack", subfiletype=1)
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels, gray)
    told = inspect(tmp_path / "a.tif").findings
    assert "Of 2 pages the first is read; others are thumbnails." in told


def _tiff(pixels: NDArray[Any], **said: Any) -> Any:
    return lambda path: tifffile.imwrite(path, pixels, **said)


ODD_TIFFS = {
    "floats": (
        _tiff(noise((5, 5)).astype("f4"), photometric="minisblack"),
        "floating point samples",
    ),
    "pages": (_tiff(noise((3, 5, 5)), photometric="minisblack"), "3 pages or slices"),
    "32 bits": (
        _tiff(noise((5, 5)).astype("u4"), photometric="minisblack"),
        "32-bit samples",
    ),
    "alpha": (
        _tiff(noise((5, 5, 4), GRAY8), photometric="rgb", extrasamples=["unassalpha"]),
        "transparent in",
    ),
    "palette": (
        lambda p: pil.fromarray(rgb()).convert("P").save(p),
        "true colour",
    ),
    "one bit": (lambda p: pil.new("1", (5, 5)).save(p), "1-bit samples"),
    "JPEG 2000": (
        _tiff(noise((16, 16)), photometric="minisblack", compression="jpeg2000"),
        "an unsupported compression",
    ),
    "ink": (
        _tiff(noise((5, 5, 4), GRAY8), photometric="separated"),
        "a colour space other than gray or RGB",
    ),
}


@pytest.mark.parametrize(("make", "reason"), ODD_TIFFS.values(), ids=ODD_TIFFS)
def test_a_tiff_that_would_be_read_with_loss_is_refused(
    tmp_path: Path, make: Any, reason: str, capfd: pytest.CaptureFixture[str]
):
    make(tmp_path / "a.tif")
    with pytest.raises(NotARadiographError, match=reason):
        read(tmp_path / "a.tif")
    assert capfd.readouterr().err == ""


ODD_VOLUMES = {
    "slices": (noise((3, 7, 11)), False, "3 pages or slices"),
    "floats": (noise((7, 11)).astype("f4"), False, "samples of the kind 32-bit float"),
    "vectors": (noise((7, 11, 5)), True, "5 channels"),
    "long integers": (noise((7, 11)).astype("i4"), False, "32-bit samples"),
}


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
@pytest.mark.parametrize(
    ("pixels", "vectors", "reason"), ODD_VOLUMES.values(), ids=ODD_VOLUMES
)
def test_a_volume_that_is_no_radiograph_is_refused(
    tmp_path: Path,
    suffix: str,
    pixels: NDArray[Any],
    vectors: bool,  # noqa: FBT001
    reason: str,
):
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(pixels, isVector=vectors), path)
    with pytest.raises(NotARadiographError, match=reason):
        read(path)


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
def test_a_header_that_points_to_another_file_is_not_followed(
    tmp_path: Path, suffix: str
):
    path = tmp_path / f"a{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(noise((7, 11))), path)
    with pytest.raises(NotARadiographError, match="pixels in another file"):
        read(path)


def _written(path: Path) -> bytes:
    if path.suffix == ".tif":
        tifffile.imwrite(path, noise((60, 70), GRAY16), photometric="minisblack")
    else:
        sitk.WriteImage(sitk.GetImageFromArray(noise((60, 70), GRAY16)), path)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".mha", ".nrrd"])
@pytest.mark.parametrize("left", [20, 100, 0.3, 0.9])
def test_half_a_file_is_refused_without_naming_its_place(
    tmp_path: Path, suffix: str, left: float
):
    path = tmp_path / f"a{suffix}"
    data = _written(path)
    path.write_bytes(data[: int(left if left > 1 else len(data) * left)])
    with pytest.raises(InputError) as error:
        read(path)
    assert str(tmp_path) not in str(error.value)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".mha", ".nrrd"])
def test_whatever_is_wrong_with_a_file_only_an_input_error_says_so(
    tmp_path: Path, suffix: str
):
    path = tmp_path / f"a{suffix}"
    data = _written(path)
    random = np.random.default_rng(3)
    for _ in range(80):
        at = int(random.integers(0, min(len(data) - 4, 400)))
        path.write_bytes(data[:at] + random.bytes(2) + data[at + 2 :])
        try:
            found = read(path)
        except InputError:
            continue
        assert found.pixels.dtype == found.format.dtype


def test_an_absurd_size_is_refused_before_anything_is_allocated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    iio.imwrite(tmp_path / "a.png", noise((70, 110), GRAY8))
    monkeypatch.setattr(raster_facts, "MAX_PIXELS", 1000)
    with pytest.raises(UnreadableError, match="70 x 110 pixels; 1 to 1000"):
        read(tmp_path / "a.png")


# ---- spacing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resolution", "unit", "spacing"),
    [((254, 127), "INCH", (0.2, 0.1)), ((50, 100), "CENTIMETER", (0.1, 0.2))],
)
def test_a_tiff_states_its_spacing_as_a_resolution(
    tmp_path: Path,
    resolution: tuple[int, int],
    unit: str,
    spacing: tuple[float, float],
):
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise((7, 11)),
        photometric="minisblack",
        resolution=resolution,
        resolutionunit=unit,
    )
    found = read(tmp_path / "a.tif")
    assert found.geometry.spacing_mm == pytest.approx(spacing)


def test_the_print_resolution_of_a_png_is_no_pixel_spacing(tmp_path: Path):
    pil.fromarray(noise((7, 11), GRAY8)).save(tmp_path / "a.png", dpi=(300, 300))
    assert read(tmp_path / "a.png").geometry == Geometry()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".mha", ".nrrd"])
def test_a_spacing_is_written_so_that_it_is_read_again(tmp_path: Path, suffix: str):
    image = radiograph(noise((7, 11)), geometry=Geometry((0.2, 0.125)))
    write(image, tmp_path / f"a{suffix}")
    found = read(tmp_path / f"a{suffix}")
    assert found.geometry.spacing_mm == pytest.approx((0.2, 0.125))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_spacing_that_nobody_stated_is_not_made_up(tmp_path: Path, suffix: str):
    image = of_raster(noise((7, 11)))
    assert isinstance(image.header, RasterHeader)
    header = image.header.derived(
        make_derivation(), (14, 22), datetime(2026, 1, 1, tzinfo=UTC)
    )
    finer = image.replace(
        pixels=np.kron(image.pixels, np.ones((2, 2), "u2")), header=header
    )
    write(finer, tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}").geometry == Geometry()


@given(
    factors=st.tuples(st.floats(1, 8), st.floats(1, 8)),
    spacing=st.tuples(st.floats(0.05, 2), st.floats(0.05, 2)),
    angle=st.floats(0, 6),
)
def test_a_finer_grid_covers_the_same_ground(
    factors: tuple[float, float], spacing: tuple[float, float], angle: float
):
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    grid = Grid(spacing, (3.0, -7.0), (cos, -sin, sin, cos))
    finer = grid.finer(factors)
    axes = np.array([[cos, -sin], [sin, cos]])

    def corner(of: Grid) -> NDArray[Any]:
        """The outer corner of the first pixel."""
        return np.asarray(of.origin_mm - axes @ np.array(of.spacing_mm) / 2)

    np.testing.assert_allclose(corner(finer), corner(grid), atol=1e-9)
    assert finer.spacing_mm == pytest.approx(
        (spacing[0] / factors[1], spacing[1] / factors[0])
    )


def test_a_finer_grid_is_the_finer_geometry_where_axes_are_straight():
    geometry = Geometry((0.3, 0.2), (5.0, -4.0))
    grid = Grid.of(geometry)
    assert grid is not None
    assert grid.finer((2, 4)).geometry == geometry.upscaled((2, 4))


def test_a_slice_keeps_its_thickness():
    grid = Grid((0.2, 0.3, 5), (1, 2, 3), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert grid.finer((2, 2)).spacing_mm == (0.1, 0.15, 5)
    assert grid.finer((2, 2)).origin_mm[2] == 3


# ---- writing: against independent readers --------------------------------------------


@pytest.mark.parametrize("bits", [8, 16])
def test_another_reader_reads_the_png(tmp_path: Path, bits: int):
    fmt = pixel_format(bits)
    write(of_raster(noise((7, 11), fmt), fmt), tmp_path / "a.png")
    found = iio.imread(tmp_path / "a.png")
    np.testing.assert_array_equal(found, noise((7, 11), fmt))
    assert found.dtype == fmt.dtype


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
def test_another_reader_reads_the_tiff(tmp_path: Path, dtype: str):
    fmt = pixel_format(8 * int(dtype[1]), signed=dtype[0] == "i")
    write(of_raster(noise((7, 11), fmt), fmt), tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.asarray(), noise((7, 11), fmt))
        assert file.pages[0].photometric.name == "MINISBLACK"


def test_a_tiff_says_of_monochrome1_that_white_is_zero(tmp_path: Path):
    pixels = noise((7, 11), WHITE_IS_ZERO)
    write(of_raster(pixels, WHITE_IS_ZERO), tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.asarray(), pixels)
        assert file.pages[0].photometric.name == "MINISWHITE"
    found = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.format == WHITE_IS_ZERO


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
@pytest.mark.parametrize("bits", [8, 16])
def test_another_reader_reads_the_colours(tmp_path: Path, suffix: str, bits: int):
    path = tmp_path / f"a{suffix}"
    fmt = pixel_format(bits, photometric="RGB")
    write(of_raster(rgb(bits), fmt), path)
    if suffix == ".npy":
        found = np.load(path)
    elif suffix == ".tif":
        found = tifffile.imread(path)
    else:
        found = sitk.GetArrayFromImage(sitk.ReadImage(path))
    np.testing.assert_array_equal(found, rgb(bits))


@given(
    fmt=st.builds(
        pixel_format, bits_stored=st.sampled_from([8, 12, 16]), signed=st.booleans()
    ),
    suffix=st.sampled_from([".mha", ".nrrd", ".npy", ".tif"]),
)
@settings(max_examples=40, deadline=None)
def test_stored_values_are_written_as_they_are(fmt: PixelFormat, suffix: str):
    pixels = noise((9, 13), fmt)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        write(radiograph(pixels, fmt), path)
        found = np.load(path) if suffix == ".npy" else read(path).pixels
    np.testing.assert_array_equal(found, pixels)
    assert found.dtype == fmt.dtype


@pytest.mark.parametrize("suffix", [".png", ".tif", ".mha", ".nrrd", ".npy"])
def test_the_same_image_gives_the_same_bytes(tmp_path: Path, suffix: str):
    for name in "ab":
        write(of_raster(noise()), tmp_path / f"{name}{suffix}")
    first, second = (tmp_path / f"{name}{suffix}" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_png_holds_no_signed_values(tmp_path: Path):
    fmt = pixel_format(12, signed=True)
    with pytest.raises(OutputError, match="PNG holds no signed values; write TIFF"):
        write(radiograph(noise(fmt=fmt), fmt), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path: Path):
    with pytest.raises(OutputError, match="check that its folder exists") as error:
        write(of_raster(noise()), tmp_path / "nowhere" / "a.png")
    assert str(tmp_path) not in str(error.value)


def test_an_existing_file_is_only_replaced_if_that_was_asked_for(tmp_path: Path):
    write(of_raster(noise()), tmp_path / "a.png")
    with pytest.raises(OutputError, match="exists already"):
        write(of_raster(noise()), tmp_path / "a.png")
    write(of_raster(noise()), tmp_path / "a.png", overwrite=True)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
class TestNamesThatAreNoText:
    """SimpleITK ends the process at them."""

    def test_a_file_is_read(self, tmp_path: Path):
        named = Path(os.fsdecode(os.fsencode(tmp_path / "bad") + b"\xff.png"))
        right = read(write_png(tmp_path / "good.png")).pixels
        (tmp_path / "good.png").rename(named)
        np.testing.assert_array_equal(read(named).pixels, right)

    def test_a_folder_to_write_to_is_refused(self, tmp_path: Path):
        folder = Path(os.fsdecode(os.fsencode(tmp_path / "bad") + b"\xff"))
        folder.mkdir()
        image = read(write_png(tmp_path / "good.png"))
        with pytest.raises(OutputError, match="no valid UTF-8; choose another folder"):
            write(image, folder / "out.png")
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mha", ".nrrd"])
def test_an_exact_spacing_is_written_as_it_was_asked_for(tmp_path, suffix):
    source = tmp_path / f"a{suffix}"
    image = radiograph(noise((20, 16)), geometry=Geometry((0.143, 0.143)))
    write(image, source)
    finer = cxr_sr.upscale(read(source), "bicubic", cxr_sr.Spacing(0.07))
    write(finer, tmp_path / f"b{suffix}")
    assert read(tmp_path / f"b{suffix}").geometry.spacing_mm == (0.07, 0.07)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".mha"])
def test_true_colour_is_kept_where_it_is_asked_for(tmp_path: Path, suffix: str):
    path = tmp_path / f"a{suffix}"
    write(cxr_sr.from_array(rgb(), photometric="RGB"), path)
    with pytest.raises(NotARadiographError, match="true colour"):
        read(path)
    kept = read(path, colour=True)
    assert kept.format.photometric == "RGB"
    assert np.array_equal(kept.pixels, rgb())


def test_gray_stays_gray_where_colour_is_asked_for(tmp_path: Path):
    write_png(tmp_path / "a.png")
    assert read(tmp_path / "a.png", colour=True).format.photometric == "MONOCHROME2"
