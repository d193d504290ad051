"""A TIFF file's compressed samples are those that were written, or it is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cxr_sr.errors import UnreadableError
from cxr_sr.formats import read
from cxr_sr.formats.raster.checksum import check_tiff
from cxr_sr.formats.raster.decode import image_codecs

pil = pytest.importorskip("PIL.Image")
SHAPE = (60, 50)
KINDS: dict[str, dict[str, Any]] = {
    "deflate": {"compression": "tiff_adobe_deflate"},
    "the older deflate": {"compression": "tiff_deflate"},
    "deflate of differences": {
        "compression": "tiff_adobe_deflate",
        "tiffinfo": {317: 2},
    },
    "deflate in many strips": {
        "compression": "tiff_adobe_deflate",
        "tiffinfo": {278: 7},
    },
}


def smooth() -> NDArray[np.uint8]:
    """Pixels that compress well: libtiff then misses many changed bits."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    noise = np.random.default_rng(1).normal(0, 2, SHAPE)
    values = 66 * (2 + np.sin(x / 9) * np.cos(y / 7)) + noise
    levels: NDArray[np.uint8] = np.clip(values, 0, 255).astype(np.uint8)
    return levels


def written(path: Path, kind: str) -> tuple[bytes, list[int]]:
    """Write an image; return the file, and the places of its compressed bytes."""
    pil.fromarray(smooth()).save(path, "TIFF", **KINDS[kind])
    with pil.open(path) as image:
        tags = image.tag_v2
        places = [
            at
            for start, count in zip(tags[273], tags[279], strict=True)
            for at in range(start, start + count)
        ]
    return path.read_bytes(), places


@pytest.mark.parametrize("kind", KINDS)
def test_no_changed_bit_becomes_other_pixels(tmp_path: Path, kind: str):
    whole, places = written(tmp_path / "a.tif", kind)
    assert np.array_equal(read(tmp_path / "a.tif").pixels, smooth())
    random, refused = np.random.default_rng(2), 0
    for at in [*random.choice(places, 60), *places[-4:]]:
        changed = bytearray(whole)
        changed[at] ^= 1 << int(random.integers(8))
        (tmp_path / "a.tif").write_bytes(changed)
        try:
            found = read(tmp_path / "a.tif").pixels
        except UnreadableError:
            refused += 1
        else:  # between the last block and the checksum lie bits of no meaning
            assert np.array_equal(found, smooth())
    assert refused > 50


def test_bits_in_the_opposite_order_are_checked_too(tmp_path: Path):
    """FillOrder 2, TIFF 6.0 section 8."""
    path = tmp_path / "a.tif"
    info = {266: 2}
    how = {"compression": "tiff_adobe_deflate", "tiffinfo": info}
    pil.fromarray(smooth()).save(path, "TIFF", **how)
    check_tiff(path.read_bytes(), image_codecs())
    assert np.array_equal(read(path).pixels, smooth())


def test_lzma_is_checked_too(tmp_path: Path):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, smooth(), compression="lzma", photometric="minisblack")
    assert np.array_equal(read(path).pixels, smooth())
    changed = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        last = page.dataoffsets[0] + page.databytecounts[0] - 1
    for at in range(last - 40, last):
        changed[at] ^= 1
    path.write_bytes(changed)
    with pytest.raises(UnreadableError, match="damaged"):
        read(path)
