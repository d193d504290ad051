"""NRRD: pixels equal ITK's; a header that names another file is refused."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from cxr_sr.errors import InputError, NotARadiographError, UnreadableError
from cxr_sr.formats import inspect, read, write
from cxr_sr.formats.raster.files import RasterHeader
from cxr_sr.formats.raster.grid import Grid
from cxr_sr.radiograph import Geometry
from tests.builders import noise, pixel_format, radiograph
from tests.formats.raster.builders import PIXELS, nrrd, written

FLAT = {"space dimension": "2"}
COLOURS = {"dimension": "3", "sizes": "3 3 2", "type": "uint8", "endian": None}
DEEP = {
    "dimension": "3",
    "sizes": "3 2 1",
    "space directions": "(0,0.2,0) (0, 0, 0.3) (5,0,0)",
    "space origin": "(1,2,3)",
}
LIKE_ITK: dict[str, dict[str, Any]] = {
    "spacings": {"spacings": "0.2 0.3"},
    "mirrored": {"spacings": "-0.2 0.3"},
    "directions": FLAT | {"space directions": "(0.2,0) (0,0.3)"},
    "turned": FLAT
    | {"space directions": "(0.12,0.16) (-0.24,0.18)", "space origin": "(-1,2e1)"},
    "minimum": {"spacings": "0.2 0.3", "axis mins": "1 2"},
    "minimum of nodes": {
        "spacings": "0.2 0.3",
        "axismins": "1 2",
        "centers": "node node",
    },
    "LPS": {"space": "left-posterior-superior"} | DEEP,
    "RAS": {"space": "RAS"} | DEEP,
    "LAS": {"space": "left-anterior-superior"} | DEEP,
    "no patient": {"space": "scanner-xyz"} | DEEP,
    "big endian": {"endian": "big", "spacings": "1 2"},
    "another name of a type": {"type": "unsigned short int", "spacings": "1 2"},
    "colours": COLOURS | {"kinds": "RGB-color domain domain", "spacings": "nan .2 .3"},
    "colours last": COLOURS
    | {"sizes": "3 2 3", "kinds": "space space vector", "spacings": ".2 .3 nan"},
    "capitals": {"SPACINGS": "0.2 0.3"},
    "skipped": {"line skip": "1", "byte skip": "4", "spacings": "1 2"},
}


def gray_colours(changes: dict[str, Any]) -> bytes:
    """Samples of 3 x 2 pixels in three channels, which lie first or last."""
    gray = np.arange(6, dtype=np.uint8)
    first = changes["kinds"].startswith("RGB")
    return (np.repeat(gray, 3) if first else np.tile(gray, 3)).tobytes()


def grid_of(path: Path) -> Grid:
    found = read(path).header
    assert isinstance(found, RasterHeader)
    assert found.grid is not None
    return found.grid


@pytest.mark.parametrize("changes", LIKE_ITK.values(), ids=LIKE_ITK)
def test_samples_and_place_are_those_that_itk_reads(
    tmp_path: Path, changes: dict[str, Any]
):
    data = gray_colours(changes) if "kinds" in changes else PIXELS.tobytes()
    data = b"line\njunk" + data if "line skip" in changes else data
    path = written(
        tmp_path / "a.nrrd", nrrd(changes, data, ["a key:=its value", "# c"])
    )
    right = sitk.ReadImage(path)
    found = read(path)
    pixels = sitk.GetArrayFromImage(right)
    if "kinds" in changes:
        pixels = pixels[..., 0]
    pixels = pixels.reshape(found.pixels.shape)
    np.testing.assert_array_equal(found.pixels, pixels)
    grid = grid_of(path)
    assert grid.spacing_mm == pytest.approx(right.GetSpacing())
    assert grid.origin_mm == pytest.approx(right.GetOrigin())
    assert grid.direction == pytest.approx(right.GetDirection())


def test_stated_units_are_obeyed(tmp_path: Path):
    for stated in (
        {"spacings": "2 3", "units": '"cm" "um"'},
        FLAT | {"space directions": "(2,0) (0,3)", "space units": '"cm" "um"'},
    ):
        path = written(tmp_path / "a.nrrd", nrrd(stated))
        assert grid_of(path).spacing_mm == pytest.approx((20, 0.003))


def test_a_plane_somewhere_in_space_has_its_own_spacing(tmp_path: Path):
    stated = {"space": "RAS", "space directions": "(0,0.2,0) (0.18,0,-0.24)"}
    path = written(tmp_path / "a.nrrd", nrrd(stated))
    assert read(path).geometry == Geometry((0.3, 0.2))


@pytest.mark.parametrize(
    "stated", [{}, {"spacings": "nan nan"}, {"spacings": "0 1"}, {"thicknesses": "1 1"}]
)
def test_without_a_valid_spacing_none_is_stated(tmp_path: Path, stated: dict[str, str]):
    path = written(tmp_path / "a.nrrd", nrrd(stated))
    assert read(path).geometry == Geometry()
    assert inspect(path).spacing_mm is None


@pytest.mark.parametrize("bits", [8, 16])
def test_itk_reads_the_colours_that_are_written(tmp_path: Path, bits: int):
    fmt = pixel_format(bits, photometric="RGB")
    pixels = noise((7, 11, 3), fmt)
    write(radiograph(pixels, fmt, geometry=Geometry((0.3, 0.2))), tmp_path / "a.nrrd")
    found = sitk.ReadImage(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), pixels)
    assert found.GetSpacing() == pytest.approx((0.2, 0.3))


def test_itk_reads_the_place_that_is_written(tmp_path: Path):
    grid = Grid((0.2, 0.3, 5.0), (1.5, -2.0, 3.0), (0.0, 1, 0, 1, 0, 0, 0, 0, -1))
    write(radiograph(header=RasterHeader(grid)), tmp_path / "a.nrrd")
    found = sitk.ReadImage(tmp_path / "a.nrrd")
    assert found.GetSpacing() == pytest.approx(grid.spacing_mm)
    assert found.GetOrigin() == grid.origin_mm
    assert found.GetDirection() == pytest.approx(grid.direction)


# ---- one file, and no other ----------------------------------------------------------

KEYS = [
    *("data file", "datafile", "DATAFILE", "Data File", "DATA FILE", "data  file"),
    *(" data file", "\tdata file", "\vdata file", "data\tfile", "data\vfile"),
    *("data file ", "data file\t", "\xa0data file", "data_file", "data-file"),
    *("# \rdata file", "data file\0"),
]
SEPARATORS = [": ", ":", ":\t", " : ", ":  ", ":=", "=", ": \v", " "]
VALUES = ["{other}", "LIST\n{other}", "%03d.raw 1 2 1", "./{other}", "skip:=1 {other}"]
SPELLINGS = [f"{k}{s}{v}" for k, s, v in product(KEYS, SEPARATORS, VALUES)]


def test_no_spelling_of_another_file_is_followed(tmp_path: Path, opened: list[str]):
    """Each is refused, or nothing but a key and value, or a comment; none is opened."""
    written(tmp_path / "other.raw", b"\xee" * PIXELS.nbytes)
    refused = 0
    for name, spelling in product(
        ("other.raw", str(tmp_path / "other.raw")), SPELLINGS
    ):
        content = nrrd(more=[spelling.format(other=name)])
        path = written(tmp_path / "a.nrrd", content)
        opened.clear()
        try:
            np.testing.assert_array_equal(read(path).pixels, PIXELS)
        except InputError:
            refused += 1
        assert set(opened) <= {str(path)}
    assert refused > len(SPELLINGS)


@pytest.mark.parametrize(
    "line", ["data file: a.raw", "datafile: /etc/passwd", "Data File: /dev/zero"]
)
def test_pixels_in_another_file_are_told_by_inspect(tmp_path: Path, line: str):
    path = written(tmp_path / "a.nrrd", nrrd(more=[line]))
    refusal = inspect(path).refusal
    assert refusal is not None
    assert "its pixels in another file" in refusal
    with pytest.raises(NotARadiographError, match="its pixels in another file"):
        read(path)


# ---- damage --------------------------------------------------------------------------

DAMAGED: dict[str, tuple[dict[str, Any], str]] = {
    "no size": ({"sizes": None}, "does not state sizes"),
    "one size": ({"sizes": "6"}, "sizes in a form other than positive"),
    "one axis": ({"dimension": "1", "sizes": "6"}, "other axes than 2 to 4"),
    "type": ({"type": "JOHN DOE"}, "type in no known words"),
    "encoding": ({"encoding": "JOHN DOE"}, "encoding in no known words"),
    "order": ({"endian": None}, "does not state endian"),
    "kinds": ({"kinds": "domain JOHN"}, "one known kind for each axis"),
    "two colours": (
        COLOURS | {"kinds": "vector vector domain"},
        "other axes than 2 to 4",
    ),
    "spacings": ({"spacings": "1"}, "spacings in a form other than 2 numbers"),
    "infinity": ({"spacings": "inf 1"}, "spacings in a form other than 2 numbers"),
    "no vectors": (
        FLAT | {"space directions": "(1,0) 1"},
        "in a form other than vectors",
    ),
    "long vectors": (
        FLAT | {"space directions": "(1,0,0) (0,1,0)"},
        "other than 2 numbers",
    ),
    "few vectors": (FLAT | {"space directions": "(1,0)"}, "one for each axis"),
    "more axes than space": (
        DEEP | {"space dimension": "2", "space directions": "(1,0) (0,1) (1,1)"},
        "more axes than its space has",
    ),
    "units": ({"spacings": "1 1", "units": "mm mm"}, "units other than one for each"),
    "space": (
        {"space": "JOHN", "space directions": "(1,0) (0,1)"},
        "space in no known",
    ),
    "skip": ({"byte skip": "-2"}, "a skip other than a small whole number"),
    "twice": ({"Sizes": "3 2"}, "states sizes twice"),
    "unknown": ({"patient": "DOE"}, "a line that is no known field"),
}


@pytest.mark.parametrize(("changes", "said"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_header_is_refused_without_quoting_it(
    tmp_path: Path, changes: dict[str, Any], said: str
):
    path = written(tmp_path / "a.nrrd", nrrd(changes))
    with pytest.raises(UnreadableError, match=said) as error:
        read(path)
    assert "DOE" not in str(error.value)
    assert "JOHN" not in str(error.value)


def test_another_version_is_refused(tmp_path: Path):
    content = nrrd().replace(b"NRRD0004", b"NRRD0009")
    with pytest.raises(UnreadableError, match="another version than 1 to 5"):
        read(written(tmp_path / "a.nrrd", content))


@pytest.mark.parametrize("encoding", ["ascii", "hex", "TXT"])
def test_samples_as_text_are_refused_by_name(tmp_path: Path, encoding: str):
    path = written(tmp_path / "a.nrrd", nrrd({"encoding": encoding}, b"1 2 3"))
    with pytest.raises(NotARadiographError, match="its samples written as text"):
        read(path)
