"""MetaImage: pixels equal ITK's; a header that names another file is refused."""

from __future__ import annotations

import io
import zlib
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from typer.testing import CliRunner

from cxr_sr.cli.main import app
from cxr_sr.errors import InputError, NotARadiographError, UnreadableError
from cxr_sr.formats import inspect, read, write
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster import fields
from cxr_sr.formats.raster.files import RasterHeader
from cxr_sr.formats.raster.grid import Grid
from cxr_sr.formats.raster.probe import probe
from cxr_sr.radiograph import Geometry
from tests.builders import FakeHeader, noise, radiograph, write_png
from tests.formats.raster.builders import PIXELS, meta_image, written
from tests.tasks.builders import chest, lungs

DEEP = Grid((0.2, 0.3, 5.0), (1.5, -2.0, 3.0), (0.0, 1, 0, 1, 0, 0, 0, 0, -1))
LIKE_ITK: dict[str, dict[str, Any]] = {
    "spacing": {"ElementSpacing": "0.2 0.3"},
    "size": {"ElementSize": "0.2 0.3"},
    "spacing before size": {"ElementSize": "7 7", "ElementSpacing": "0.2 0.3"},
    "turned": {
        "ElementSpacing": "0.2 0.3",
        "TransformMatrix": "0.6 0.8 -0.8 0.6",
        "Offset": "-1 2e1",
    },
    "older names": {
        "ElementSpacing": "1 1",
        "Rotation": "0.6 0.8 -0.8 0.6",
        "Origin": "1 2",
    },
    "mirrored": {"ElementSpacing": "-0.2 0.3"},
    "one slice": {
        "NDims": "3",
        "DimSize": "3 2 1",
        "ElementSpacing": ".2 0.3 5.",
        "TransformMatrix": "0 1 0 1 0 0 0 0 -1",
        "Position": "1 2 3",
    },
    "big endian": {"BinaryDataByteOrderMSB": "True", "ElementSpacing": "1 2"},
    "words of a DICOM header": {
        "ElementSpacing": "1 2",
        "0010|0010": "DOE^J=x: y",
        "k": "",
    },
    "words of other words": {
        "BinaryData": "1",
        "CompressedData": "F",
        "ElementSpacing": "1 2",
    },
}


def grid_of(path: Path) -> Grid:
    found = read(path).header
    assert isinstance(found, RasterHeader)
    assert found.grid is not None
    return found.grid


@pytest.mark.parametrize("changes", LIKE_ITK.values(), ids=LIKE_ITK)
def test_samples_and_place_are_those_that_itk_reads(
    tmp_path: Path, changes: dict[str, Any]
):
    path = written(tmp_path / "a.mha", meta_image(changes))
    right = sitk.ReadImage(path)
    pixels = sitk.GetArrayFromImage(right).reshape(2, 3)
    np.testing.assert_array_equal(read(path).pixels, pixels)
    found = grid_of(path)
    assert found.spacing_mm == pytest.approx(right.GetSpacing())
    assert found.origin_mm == pytest.approx(right.GetOrigin())
    assert found.direction == pytest.approx(right.GetDirection())
    assert probe(io.BytesIO(path.read_bytes()), Kind.META_IMAGE).grid == found


@pytest.mark.parametrize(("unit", "factor"), [("um", 1e-3), ("mm", 1), ("cm", 10)])
def test_a_stated_unit_is_obeyed(tmp_path: Path, unit: str, factor: float):
    stated = {"ElementSpacing": "2 3", "Offset": "4 5", "DistanceUnits": unit}
    found = grid_of(written(tmp_path / "a.mha", meta_image(stated)))
    assert found.spacing_mm == pytest.approx((2 * factor, 3 * factor))
    assert found.origin_mm == pytest.approx((4 * factor, 5 * factor))


@pytest.mark.parametrize("stated", [None, "0 0.2", "0 0"])
def test_without_a_valid_spacing_none_is_stated(tmp_path: Path, stated: str | None):
    path = written(tmp_path / "a.mha", meta_image({"ElementSpacing": stated}))
    assert read(path).geometry == Geometry()
    assert inspect(path).spacing_mm is None
    for name in ("b.mha", "b.nrrd"):
        write(read(path), tmp_path / name)
        assert read(tmp_path / name).geometry == Geometry()
        assert b"pacing" not in (tmp_path / name).read_bytes()


def test_samples_may_be_the_last_bytes_of_a_longer_file(tmp_path: Path):
    content = meta_image({"HeaderSize": "-1"}, b"junk" + PIXELS.tobytes())
    found = read(written(tmp_path / "a.mha", content))
    np.testing.assert_array_equal(found.pixels, PIXELS)


def test_lines_may_end_as_in_dos(tmp_path: Path):
    head, _, _ = meta_image(data=b"").partition(b"\0")
    content = head.replace(b"\n", b"\r\n") + PIXELS.tobytes()
    found = read(written(tmp_path / "a.mha", content))
    np.testing.assert_array_equal(found.pixels, PIXELS)


@pytest.mark.parametrize("header", [None, RasterHeader(DEEP)], ids=["flat", "deep"])
def test_itk_reads_what_is_written(tmp_path: Path, header: RasterHeader | None):
    image = radiograph(
        noise((7, 11)),
        geometry=Geometry((0.3, 0.2)),
        header=header or FakeHeader(),
    )
    write(image, tmp_path / "a.mha")
    found = sitk.ReadImage(tmp_path / "a.mha")
    pixels = sitk.GetArrayFromImage(found).reshape(7, 11)
    np.testing.assert_array_equal(pixels, image.pixels)
    if header is None:
        assert found.GetSpacing() == (0.2, 0.3)
    else:
        assert found.GetSpacing() == DEEP.spacing_mm
        assert found.GetOrigin() == DEEP.origin_mm
        assert found.GetDirection() == DEEP.direction


# ---- one file, and no other ----------------------------------------------------------

KEYS = [
    *("ElementDataFile", " ElementDataFile", "\tElementDataFile", "\vElementDataFile"),
    *("elementdatafile", "ELEMENTDATAFILE", "Element DataFile", "Element\tDataFile"),
    *(
        "ElementDataFile ",
        "ElementDataFile\t",
        "ElementDataFile\v",
        "\fElementDataFile",
    ),
    *("Element_Data_File", "\xa0ElementDataFile", "ElementDataFile\0"),
]
SEPARATORS = [" = ", "=", ": ", ":", " : ", " == ", "\t=\t", " =\v", " ", " =\n"]
VALUES = ["{other}", "  {other}", "LIST", "LIST 2D", "%03d.raw 1 2 1", "LOCAL{other}"]
SPELLINGS = [f"{k}{s}{v}" for k, s, v in product(KEYS, SEPARATORS, VALUES)]


def other_file(folder: Path) -> Path:
    """Somebody else's pixels, as a raw file beside the input."""
    return written(folder / "other.raw", b"\xee" * PIXELS.nbytes)


@pytest.mark.parametrize("place", ["alone", "before", "twice"])
def test_no_spelling_of_another_file_is_followed(
    tmp_path: Path, place: str, opened: list[str]
):
    """Each is refused; only the input is ever opened."""
    other_file(tmp_path)
    ends = {
        "alone": "{}",
        "before": "{}\nElementDataFile = LOCAL",
        "twice": "ElementDataFile = LOCAL\n{}\nElementDataFile = LOCAL",
    }
    for name, spelling in product(
        ("other.raw", str(tmp_path / "other.raw")), SPELLINGS
    ):
        line = ends[place].format(spelling.format(other=name))
        content = meta_image(last=line, data=b"")
        path = written(tmp_path / "a.mha", content)
        opened.clear()
        with pytest.raises(InputError):
            read(path)
        assert set(opened) <= {str(path)}


@pytest.mark.parametrize(
    "value", ["other.raw", "/etc/passwd", "/dev/zero", "LIST", "Local", "LOCALx"]
)
def test_pixels_in_another_file_are_told_by_inspect(tmp_path: Path, value: str):
    content = meta_image(last=f"ElementDataFile = {value}")
    path = written(tmp_path / "a.mha", content)
    refusal = inspect(path).refusal
    assert refusal is not None
    assert "its pixels in another file" in refusal
    with pytest.raises(NotARadiographError, match="its pixels in another file"):
        read(path)


@pytest.mark.parametrize("filler", ["Comment = x", "Name{} = y"])
def test_a_header_is_no_longer_than_real_ones(tmp_path: Path, filler: str):
    """A header of 100 KB is read whole; a longer header than 1 MiB is refused."""
    other_file(tmp_path)
    for count, said in ((10_000, "another file"), (200_000, "longer than 1024 KiB")):
        lines = "\n".join(filler.format(n) for n in range(count))
        content = meta_image(last=f"{lines}\nElementDataFile = other.raw")
        with pytest.raises(InputError, match=said):
            read(written(tmp_path / "a.mha", content))


# ---- damage --------------------------------------------------------------------------

DAMAGED: dict[str, tuple[dict[str, Any], str]] = {
    "no size": ({"DimSize": None}, "does not state DimSize"),
    "one size": ({"DimSize": "6"}, "DimSize in a form other than positive"),
    "no samples": ({"DimSize": "3 0"}, "DimSize in a form other than positive"),
    "absurd size": (
        {"DimSize": "3 99999999999"},
        "DimSize in a form other than positive",
    ),
    "other digits": ({"DimSize": "3 \xb2"}, "DimSize in a form other than positive"),
    "dimensions": ({"NDims": "9"}, "NDims other than"),
    "type": ({"ElementType": "JOHN DOE"}, "ElementType in no known words"),
    "truth": ({"BinaryData": "maybe"}, "BinaryData in no known words"),
    "object": ({"ObjectType": "Tube"}, "ObjectType in no known words"),
    "unit": ({"ElementSpacing": "1 1", "DistanceUnits": "yd"}, "DistanceUnits in no"),
    "nan": (
        {"ElementSpacing": "nan 1"},
        "ElementSpacing in a form other than 2 numbers",
    ),
    "infinity": ({"ElementSpacing": "1e999 1"}, "ElementSpacing above"),
    "no matrix": (
        {"ElementSpacing": "1 1", "TransformMatrix": "0 0 0 0"},
        "cannot be inverted",
    ),
    "aliases": ({"ElementByteOrderMSB": "True"}, "and they differ"),
    "skip": ({"HeaderSize": "12"}, "HeaderSize in no known words"),
    "twice": ({"NDims ": "2"}, "states NDims twice"),
    "otherwise spelled": ({"ndims": "2"}, "has another spelling of NDims"),
}


@pytest.mark.parametrize(("changes", "said"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_header_is_refused_without_quoting_it(
    tmp_path: Path, changes: dict[str, Any], said: str
):
    path = written(tmp_path / "a.mha", meta_image(changes))
    with pytest.raises(UnreadableError, match=said) as error:
        read(path)
    assert "DOE" not in str(error.value)


def test_a_header_without_an_end_is_refused(tmp_path: Path):
    path = written(tmp_path / "a.mha", meta_image(data=b"", last="Comment = x")[:-1])
    with pytest.raises(UnreadableError, match="ends before its samples begin"):
        read(path)
    assert fields.MAX_HEADER_BYTES > 2**16


def test_samples_as_text_are_refused_by_name(tmp_path: Path):
    path = written(tmp_path / "a.mha", meta_image({"BinaryData": "False"}, b"1 2 3"))
    with pytest.raises(NotARadiographError, match="its samples written as text"):
        read(path)


@pytest.mark.parametrize(
    "line",
    [
        "upscale in -o out --model bicubic",
        "export in -o out",
        "inspect in/a.mha",
        "index in -o index.csv",
        "evaluate in --model bicubic --scale 2 --degradation bicubic",
    ],
)
def test_a_damaged_one_is_refused_by_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
):
    """Data that fail their checksum give no pixels."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    packed = bytearray(zlib.compress(bytes(2 * 64 * 64)))
    packed[-1] ^= 1
    fields = {"DimSize": "64 64", "CompressedData": "True"}
    written(tmp_path / "in" / "a.mha", meta_image(fields, bytes(packed)))
    done = CliRunner().invoke(app, line.split())
    if line.startswith("inspect"):  # it decodes no pixels
        assert done.exit_code == 0
        return
    assert done.exit_code in {2, 5}
    skipped = "".join(p.read_text() for p in tmp_path.glob("index.skipped.csv"))
    assert "a.mha" in done.stderr + skipped
    assert not [p for p in tmp_path.rglob("*") if p.name in {"index.csv", "a.png"}]
    assert not (tmp_path / "out" / "a.mha").exists()


SMALL = "--max-steps 2 --threads 1"
AMONG_OTHERS = {
    "upscale": "upscale in -o out --model bicubic",
    "export": "export in -o out",
    "index": "index in -o index.csv",
    "train": f"train in --run run --scales 2 --crop 24 --batch 2 {SMALL}",
    "evaluate": "evaluate in --model bicubic --scale 2 --degradation bicubic -o out",
    "task train": f"task train labels.csv --kind segmentation --run run {SMALL} "
    "--size 32 --trunk fast --hold-out 1/3",
    "task run": "task run in -o out --head lungs",
    "task evaluate": "task evaluate labels.csv --head lungs --labels lungs=mask",
    "inspect --noise": "inspect in --noise",
}
DAMAGES = {
    "checksum": lambda packed: packed[:-1] + bytes([packed[-1] ^ 1]),
    "cut": lambda packed: packed[: len(packed) // 2],
    "no zlib": lambda packed: b"\x55" * len(packed),
}


@pytest.mark.slow
@pytest.mark.parametrize("line", AMONG_OTHERS.values(), ids=AMONG_OTHERS)
def test_damaged_ones_among_others_are_left_out_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
):
    """The pixels of the images before them are in memory then, and stay there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    rows = ["image,mask,patient"]
    for n in range(12):
        pixels = chest(n)
        name, data = f"{n:02}.mha", zlib.compress(pixels.tobytes())
        bad = [*DAMAGES][n - 4] if 4 <= n < 4 + len(DAMAGES) else None
        if bad:
            name, data = f"bad {bad}.mha", DAMAGES[bad](data)
        fields = {"ElementType": "MET_UCHAR", "CompressedData": "True"}
        size = {"DimSize": f"{pixels.shape[1]} {pixels.shape[0]}"}
        written(tmp_path / "in" / name, meta_image(fields | size, data))
        write_png(tmp_path / f"{n}.png", lungs(n).astype(np.uint8) * 255)
        rows.append(f"in/{name},{n}.png,p{n}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    done = CliRunner().invoke(app, line.split())
    assert done.exit_code in {0, 4}, done.stderr
    skipped = "".join(p.read_text() for p in tmp_path.glob("index.skipped.csv"))
    told = done.stdout + done.stderr + skipped
    listed = "".join(p.read_text() for p in tmp_path.glob("index.csv"))
    for bad in DAMAGES:
        assert f"bad {bad}.mha" in told
        assert f"bad {bad}.mha" not in listed
    assert not [*tmp_path.glob("out/bad*")]
