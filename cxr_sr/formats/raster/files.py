"""PNG and TIFF through SimpleITK; MetaImage, NRRD and NPY through numpy alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_sr.errors import OutputError, UnreadableError
from cxr_sr.files import replacing
from cxr_sr.formats.guard import readable
from cxr_sr.formats.header.change import HeaderOptions
from cxr_sr.formats.header.dates import ChosenDates
from cxr_sr.formats.header.elements import put
from cxr_sr.formats.header.tags import keyword_of
from cxr_sr.formats.raster.grid import Grid
from cxr_sr.formats.raster.mark import is_marked, mark, words_of
from cxr_sr.formats.raster.meta_image import write_meta_image
from cxr_sr.formats.raster.nrrd import write_nrrd
from cxr_sr.formats.raster.probe import (
    VOLUMES,
    check_raster,
    probe,
    read_volume,
    tiff_directory,
)
from cxr_sr.formats.raster.scan import Scan, has_text_name, scan, simple_itk
from cxr_sr.formats.raster.volume import samples
from cxr_sr.formats.sniff import Kind
from cxr_sr.radiograph import Derivation, Geometry, Radiograph

SUFFIXES = (".png", ".tif", ".tiff", ".mha", ".nrrd", ".npy")
"""What `write_raster` writes, by suffix."""
_WRITERS = {".mha": write_meta_image, ".nrrd": write_nrrd}


@dataclass(frozen=True)
class RasterHeader:
    """What a raster file says besides its pixels; implements `Header`.

    Text that such files may carry is not kept: nobody can tell what it says of whom.
    """

    grid: Grid | None = None
    """None where the file states no spacing."""
    made: datetime | None = None
    """When a derived image was made; a DICOM file written of it says so."""
    options: HeaderOptions = field(default_factory=HeaderOptions)
    """What the user chose for a DICOM header made of this one."""
    own: bool = False
    """Whether this package made the image finer already."""

    @property
    def dates(self) -> ChosenDates:
        """Where the dates of a DICOM header made of this one come from."""
        stated = Dataset()
        for keyword, value in self.options.tags.items():
            put(stated, keyword_of(keyword), value)
        return ChosenDates.by(stated, self.options.dates)

    def derived(
        self,
        derivation: Derivation,
        shape: tuple[int, ...],  # noqa: ARG002 - of the protocol
        now: datetime,
    ) -> RasterHeader:
        """Return the header of the upscaled image, made at `now`."""
        grid = self.grid and self.grid.finer(derivation.factors)
        return dataclasses.replace(self, grid=grid, made=now, own=True)


def read_raster(
    path: Path, kind: Kind, options: HeaderOptions | None = None
) -> Radiograph:
    """Read a raster file: samples as they are, in all the bits of their type.

    Gray and RGB with 8 or 16 bits; a TIFF that is WhiteIsZero becomes MONOCHROME1.
    Spacing comes from what SimpleITK reads: not from the pHYs of a PNG, which is meant
    for printers, but from its sCAL; from a TIFF's resolution; from any MHA and NRRD.

    Parameters
    ----------
    kind : the format, from the content
    options : what a DICOM header made of this file should say

    Raises
    ------
    NotARadiographError
        If it is a palette, transparent, floating point, a stack, or in tiles.
    UnreadableError
        If it is damaged or absurdly large.
    """
    facts = probe(path, kind)
    check_raster(facts)
    fmt = facts.format
    stated = facts.rows * facts.columns * facts.channels * fmt.dtype.itemsize
    grid, pixels = _decoded(path, kind, stated)
    shape = (facts.rows, facts.columns) + ((3,) if facts.channels == 3 else ())
    if pixels.dtype != fmt.dtype or pixels.size != np.prod(shape):
        raise UnreadableError(
            f"the {kind.value} header states {shape} samples of {fmt.dtype}, but the "
            f"image has {pixels.shape} of {pixels.dtype}; save it anew"
        )
    return Radiograph(
        pixels=pixels.reshape(shape),
        format=fmt,
        geometry=grid.geometry if grid else Geometry(),
        header=RasterHeader(
            grid, options=options or HeaderOptions(), own=is_marked(path)
        ),
    )


def read_grid(path: Path, kind: Kind) -> Grid | None:
    """Read only where the pixels lie; None where the file does not say.

    Raises
    ------
    UnreadableError
        If the header is damaged.
    """
    if kind in VOLUMES:
        return read_volume(path, kind).grid
    return _grid(scan(path, kind)[0])


def write_raster(
    radiograph: Radiograph, path: Path, *, overwrite: bool = False
) -> None:
    """Write the stored values as they are; the file appears whole or not at all.

    A result says how it was made in all but NPY, which has no place for words. A TIFF
    says WhiteIsZero of MONOCHROME1. The other formats have no word for it: such
    an image looks like a negative in them, since nothing stored is ever inverted.

    Parameters
    ----------
    path : its suffix, one of `SUFFIXES`, names the format

    Raises
    ------
    OutputError
        If the format cannot hold the samples, the file exists, or the disk refuses.
    """
    suffix = path.suffix.lower()
    if suffix == ".png" and radiograph.format.signed:
        raise OutputError("PNG holds no signed values; write TIFF, MHA, NRRD or NPY")
    with replacing(path, overwrite=overwrite) as temporary:
        if suffix == ".npy":
            with temporary.open("xb") as file:
                np.save(file, radiograph.pixels, allow_pickle=False)
            return
        words = words_of(radiograph.derivation) if radiograph.derivation else ""
        if suffix in _WRITERS:
            with temporary.open("xb") as file:
                _WRITERS[suffix](file, radiograph.pixels, _grid_of(radiograph), words)
            return
        _write_image(radiograph, temporary)
        if words:
            mark(temporary, words)
        if suffix.startswith(".tif") and radiograph.format.photometric == "MONOCHROME1":
            _declare_white_is_zero(temporary)


def _decoded(path: Path, kind: Kind, stated: int) -> tuple[Grid | None, NDArray[Any]]:
    """Return where the pixels lie, and the samples, of which so many bytes are due."""
    if kind not in VOLUMES:
        found, pixels = scan(path, kind, stated)
        return _grid(found), pixels
    with readable(f"the {kind.value} image"), path.open("rb") as file:
        volume = VOLUMES[kind](file)
        return volume.grid, samples(file, volume)


def _grid_of(radiograph: Radiograph) -> Grid | None:
    if isinstance(radiograph.header, RasterHeader):
        return radiograph.header.grid
    return Grid.of(radiograph.geometry)


def _write_image(radiograph: Radiograph, path: Path) -> None:
    itk = simple_itk()
    grid, pixels = _grid_of(radiograph), radiograph.pixels
    if not has_text_name(path):
        raise OutputError(
            f"a {path.suffix} file cannot be written to a folder whose name is no "
            "valid UTF-8; choose another folder, or write DICOM"
        )
    image = itk.GetImageFromArray(pixels, isVector=pixels.ndim == 3)
    if grid is not None:
        image.SetSpacing(grid.spacing_mm[:2])
    try:
        itk.WriteImage(image, str(path))
    except RuntimeError as error:  # its text names the path
        raise OutputError(
            f"the {path.suffix} file cannot be written; check that its folder exists, "
            "is writable, and has room"
        ) from error


def _declare_white_is_zero(path: Path) -> None:
    """Set PhotometricInterpretation to 0, TIFF 6.0 section 3."""
    with path.open("rb+") as file:
        tags, _ = tiff_directory(file)
        file.seek(tags[262][1])
        file.write(b"\0\0")


def _grid(found: Scan) -> Grid | None:
    # 1 mm, or a TIFF's 25.4 dpi, is what SimpleITK reads where nothing is said, and
    # what it writes there.
    spacing = found.spacing_mm
    if np.allclose(spacing, 1.0, atol=1e-6):
        return None
    return Grid(spacing, found.origin_mm, found.direction)
