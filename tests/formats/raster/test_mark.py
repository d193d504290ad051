"""A result says so in every raster format that has a place for words."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

import cxr_sr
from cxr_sr.formats import is_own_result, read, read_original, write
from cxr_sr.formats.raster.mark import is_marked
from tests.builders import noise, pixel_format, radiograph
from tests.header_builders import make_derivation

SUFFIXES = (".png", ".tif", ".mha", ".nrrd")
FORMATS = {
    "8 bits": (pixel_format(8), (21, 19)),
    "16 bits": (pixel_format(16), (21, 19)),
    "inverted": (pixel_format(16, photometric="MONOCHROME1"), (21, 19)),
}


GRAY = pixel_format(8)


def written(path: Path, fmt: Any = GRAY, shape: Any = (21, 19)) -> Any:
    image = radiograph(noise(shape, fmt), fmt, derivation=make_derivation())
    write(image, path)
    return image.pixels


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("fmt", "shape"), FORMATS.values(), ids=FORMATS)
def test_a_result_is_known_and_its_pixels_are_as_they_were(
    tmp_path: Path, suffix: str, fmt: Any, shape: Any
) -> None:
    path = tmp_path / f"a{suffix}"
    pixels = written(path, fmt, shape)
    again = read(path)
    assert is_own_result(again)
    np.testing.assert_array_equal(again.pixels, pixels)
    if suffix == ".tif":
        assert again.format.photometric == fmt.photometric


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_original_is_none(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write(radiograph(noise((21, 19), GRAY), GRAY), path)
    assert not is_own_result(read(path))
    read_original(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_result_is_refused_as_an_original(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    written(path)
    with pytest.raises(cxr_sr.OwnResultError, match="--again"):
        read_original(path)
    read_original(path, again=True)


def test_a_large_file_is_known_from_its_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    written(path, pixel_format(16), (400, 500))
    assert path.stat().st_size > 2 * 2**16
    assert is_marked(io.BytesIO(path.read_bytes()))


@pytest.mark.parametrize("bits", [8, 16])
def test_other_programs_read_the_words_of_a_tiff(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "a.tif"
    written(path, pixel_format(bits))
    words = sitk.ImageFileReader()
    words.SetFileName(str(path))
    words.ReadImageInformation()
    assert words.GetMetaData("Software").startswith("RESEARCH ONLY (cxr-sr x2): cxr-sr")


def test_other_programs_read_the_words_of_a_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pixels = written(path)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
        words = image.text["Description"]  # type: ignore[attr-defined]
    assert words.startswith("RESEARCH ONLY (cxr-sr x2): cxr-sr ")
    assert "super-resolved x2 by hydra" in words


def test_words_that_only_look_alike_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write(radiograph(noise((9, 9), GRAY), GRAY), path)
    path.write_bytes(path.read_bytes() + b"RESEARCH ONLY (other): cxr-sr")
    assert not is_marked(io.BytesIO(path.read_bytes()))
