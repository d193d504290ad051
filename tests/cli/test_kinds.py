"""A file of every kind that people have goes through every command."""

from __future__ import annotations

import gzip
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    JPEGBaseline8Bit,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)
from typer.testing import CliRunner, Result

import cxr_sr
from cxr_sr.cli.main import app
from cxr_sr.index.table import read_table
from cxr_sr.training.data.images import list_images, load
from tests.builders import pixel_format, structure
from tests.dicom_files import dicom_file

image = pytest.importorskip("PIL.Image")
tifffile = pytest.importorskip("tifffile")

SHARED = Path(__file__).parents[3] / "shared" / "cases"
SHAPE = (96, 88)
GRAY8 = np.rint(255 * structure(SHAPE, 1)).astype(np.uint8)
RGB = np.repeat(GRAY8[..., None], 3, 2)


def gray(seed: int) -> Any:
    return np.rint(4095 * structure(SHAPE, seed)).astype(np.uint16)


def jpeg(seed: int, *, colour: bool = False) -> bytes:
    pixels = np.rint(255 * structure(SHAPE, seed)).astype(np.uint8)
    stream = io.BytesIO()
    drawn = image.fromarray(pixels)
    (drawn.convert("RGB") if colour else drawn).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def make(folder: Path) -> None:
    """Write a file of each kind; the names say which, and each has its own pixels."""
    fmt, uid = pixel_format(12), "1.2.826.0.1.3680043.10.999.7.{}".format
    capture: dict[str, Any] = {
        "SOPClassUID": SecondaryCaptureImageStorage,
        "Modality": "CR",
    }
    garbage = gray(2) | np.uint16(0xA000)
    garbage[::2] ^= np.uint16(0xA000)
    dicom_file(folder / "high_bits.dcm", garbage, fmt, SOPInstanceUID=uid(1))
    rgb: dict[str, Any] = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}
    dicom_file(
        folder / "rgb.dcm",
        GRAY8,
        pixel_format(8),
        data=RGB.tobytes(),
        PlanarConfiguration=0,
        SOPInstanceUID=uid(2),
        **capture,
        **rgb,
    )
    dicom_file(
        folder / "one_frame.dcm",
        gray(3),
        fmt,
        SOPClassUID=MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        Modality="XR",
        NumberOfFrames=1,
        SOPInstanceUID=uid(3),
    )
    bare = pydicom.dcmread(dicom_file(folder / "bare.dicom", gray(4), fmt))
    for element in list(bare):
        if element.tag.group in (0x0008, 0x0020):
            del bare[element.tag]
    bare.save_as(folder / "bare.dicom")
    cut = jpeg(5).removesuffix(b"\xff\xd9")
    dicom_file(
        folder / "no_end.dcm",
        GRAY8,
        pixel_format(8),
        JPEGBaseline8Bit,
        frame=cut,
        SOPInstanceUID=uid(5),
        LossyImageCompression=None,
    )
    packed = dicom_file(folder / "packed", gray(6), fmt, SOPInstanceUID=uid(6))
    (folder / "packed.dcm.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    (folder / "photo.jpg").write_bytes(jpeg(7))
    (folder / "photo.png").write_bytes(_png(gray(8).astype(np.uint16) * 16))
    (folder / "three.jpeg").write_bytes(jpeg(9, colour=True))
    tiled = {"photometric": "minisblack", "tile": (32, 32)}
    tifffile.imwrite(folder / "tiled.tif", gray(10), **tiled)


def _png(pixels: Any) -> bytes:
    stream = io.BytesIO()
    image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


KINDS = [
    *("bare.dicom", "high_bits.dcm", "no_end.dcm", "one_frame.dcm", "packed.dcm.gz"),
    *("photo.jpg", "photo.png", "rgb.dcm", "three.jpeg", "tiled.tif"),
]
LOSSY = {"no_end.dcm", "photo.jpg", "three.jpeg"}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    make(folder)
    return folder


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared files that are radiographs, in one folder."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared/cases")
    folder = tmp_path_factory.mktemp("cases") / "in"
    shutil.copytree(SHARED, folder)
    (folder / "README.md").unlink()
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_inspect_refuses_none(kinds: Path):
    told = {line["file"]: line for line in lines(run("inspect", kinds, "--json"))}
    assert sorted(told) == KINDS
    assert [t["refusal"] for t in told.values()] == [None] * len(KINDS)
    assert {name for name, t in told.items() if t["lossy"]} == LOSSY


@pytest.mark.parametrize("form", ["same", "dicom", "png", "tiff"])
def test_upscale_does_all(kinds: Path, tmp_path: Path, form: str):
    done = run(
        *("upscale", kinds, "-o", tmp_path / "out", "--model", "bicubic"),
        *("--format", form, "--json"),
    )
    assert done.exit_code == 0, done.output
    told = {t["file"]: t for t in lines(done)}
    assert sorted(told) == KINDS
    assert {name for name, t in told.items() if t["input_lossy"]} == LOSSY
    assert "sources with lossy compression: 3;" in done.stderr
    for line in told.values():
        finer = cxr_sr.read(tmp_path / "out" / line["output"])
        assert finer.shape == (2 * SHAPE[0], 2 * SHAPE[1])
    if form == "dicom":
        stated = {
            name
            for name, line in told.items()
            if pydicom.dcmread(tmp_path / "out" / line["output"]).get(
                "LossyImageCompression"
            )
            == "01"
        }
        assert stated == LOSSY


def test_export_does_all(kinds: Path, tmp_path: Path):
    done = run("export", kinds, "-o", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    assert len({line["path"] for line in lines(done)}) == len(KINDS)


def test_index_lists_all(kinds: Path, tmp_path: Path):
    done = run("index", kinds, "-o", tmp_path / "index.csv")
    assert done.exit_code == 0, done.output
    rows = {Path(r["file"]).name: r for r in read_table(tmp_path / "index.csv")}
    assert sorted(rows) == KINDS
    assert {n for n, row in rows.items() if row["lossy"] == "yes"} == LOSSY


def test_evaluate_measures_all(kinds: Path, tmp_path: Path):
    done = run(
        *("evaluate", kinds, "-o", tmp_path / "out", "--model", "bicubic"),
        *("--scale", "2", "--degradation", "bicubic"),
    )
    assert done.exit_code == 0, done.output
    (row,) = read_table(tmp_path / "out" / "results.csv", ("n",))
    assert row["n"] == str(len(KINDS))
    assert "3 of the images were compressed with loss" in done.stderr


def test_training_takes_all(kinds: Path):
    images = load(list_images(kinds), 24, 99)
    assert sorted(i.entry.name for i in images) == KINDS
    assert {i.entry.name for i in images if i.lossy} == LOSSY


def test_every_shared_case_goes_through_every_command(cases: Path, tmp_path: Path):
    told = [t for t in lines(run("inspect", cases, "--json")) if "refusal" in t]
    assert all(t["refusal"] is None for t in told)
    count = len(told)
    done = run("upscale", cases, "-o", tmp_path / "a", "--model", "bicubic", "--json")
    assert done.exit_code == 0, done.output
    assert sum(t["status"] == "done" for t in lines(done)) == count
    shown = run("export", cases, "-o", tmp_path / "b", "--json")
    assert sum(t["status"] == "done" for t in lines(shown)) == count, shown.output
    assert run("index", cases, "-o", tmp_path / "c.csv").exit_code == 0
    listed = len(read_table(tmp_path / "c.csv"))
    again = read_table(tmp_path / "c.skipped.csv", ("file",))
    assert {t["kind"] for t in again} <= {"duplicate", "no image"}
    assert listed + sum(t["kind"] == "duplicate" for t in again) == count
    assert len(load(list_images(cases), 24, 99)) == count


@pytest.mark.parametrize(
    ("form", "warned"), [("png", True), ("npy", True), ("tiff", False), ("same", False)]
)
def test_a_format_without_a_word_for_monochrome1_is_warned_of(
    tmp_path: Path, form: str, *, warned: bool
):
    fmt = pixel_format(12, photometric="MONOCHROME1")
    path = dicom_file(tmp_path / "a.dcm", gray(1), fmt)
    done = run(
        *("upscale", path, "-o", tmp_path / "out", "--model", "bicubic"),
        *("--format", form, "--json"),
    )
    assert done.exit_code == 0, done.output
    (line,) = lines(done)
    told = [w for w in line.get("warnings", []) if "MONOCHROME1" in w]
    assert bool(told) == warned
    assert ("cxr-sr export" in done.stderr) == warned


@pytest.mark.parametrize(
    ("function", "width", "warned"),
    [("LINEAR", 0.5, True), ("LINEAR_EXACT", 0.5, False), ("SIGMOID", 0, True)],
)
def test_a_window_that_is_not_allowed_is_refused_by_name(
    tmp_path: Path, function: str, width: float, *, warned: bool
):
    said: dict[str, Any] = {
        "VOILUTFunction": function,
        "WindowCenter": 9,
        "WindowWidth": width,
    }
    path = dicom_file(tmp_path / "a.dcm", gray(1), pixel_format(12), **said)
    done = run("export", path, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert (f"its window has the width {width:g}, but {function}" in done.stderr) == (
        warned
    )
