"""Read raster files as radiographs, and write radiographs as raster files."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_sr.errors import OutputError, UnreadableError
from cxr_sr.files import replacing
from cxr_sr.formats.dicom.secondary_capture import NOTHING_SAID, Said
from cxr_sr.formats.gray import CONVERTED, colour_of, gray_of
from cxr_sr.formats.guard import readable
from cxr_sr.formats.header.change import TOOL, HeaderOptions, tool_version
from cxr_sr.formats.header.dates import ChosenDates
from cxr_sr.formats.header.elements import put
from cxr_sr.formats.header.tags import keyword_of
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster.decode import decode
from cxr_sr.formats.raster.facts import RasterFacts, check_raster
from cxr_sr.formats.raster.grid import Grid
from cxr_sr.formats.raster.mark import is_marked, mark, words_of
from cxr_sr.formats.raster.meta_image import write_meta_image
from cxr_sr.formats.raster.nrrd import write_nrrd
from cxr_sr.formats.raster.orient import upright
from cxr_sr.formats.raster.probe import JPEG_METHOD, VOLUMES, probe
from cxr_sr.formats.raster.scale import SCANNED
from cxr_sr.formats.raster.tiff import first_directory
from cxr_sr.formats.raster.volume import samples
from cxr_sr.radiograph import Derivation, Geometry, Radiograph
from cxr_sr.texts import is_unicode

COLOUR_MAP = 320
"""TIFF tag of a palette: 16-bit values of red, then green, then blue."""
_UNPACKED = (".npy", ".tif", ".tiff")
"""Suffixes of the formats whose pixels are written without compression."""
_WRITERS = {".mha": write_meta_image, ".nrrd": write_nrrd}


@dataclass(frozen=True)
class RasterHeader:
    """The facts about a raster file except its pixels; implements `Header`.

    Text in such files is not kept, because it might name a patient.
    """

    grid: Grid | None = None
    """Position of the pixels; None if the file states no spacing."""
    made: datetime | None = None
    """Time of a derived image, for its DICOM file; None for an original."""
    options: HeaderOptions = field(default_factory=HeaderOptions)
    """The user's options for a DICOM header that is made from this header."""
    own: bool = False
    """True if the image is a result of this package."""
    said: Said = NOTHING_SAID
    """More facts for a DICOM header that is made from this header."""

    @property
    def lossy(self) -> bool:
        """True if the pixels were compressed with loss."""
        return bool(self.said.lossy_method)

    @property
    def dates(self) -> ChosenDates:
        """The source of the dates for a DICOM header that is made from this header."""
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
    file: IO[bytes],
    kind: Kind,
    options: HeaderOptions | None = None,
    *,
    colour: bool = False,
) -> Radiograph:
    """Read a raster file; the samples keep their values and their type.

    Colour samples with only gray become gray, unless `colour` is True. An opaque alpha
    channel is left out. The orientation of EXIF and TIFF is applied. A TIFF with
    WhiteIsZero becomes MONOCHROME1. The spacing comes from the sCAL chunk of a PNG (its
    pHYs chunk is for printers); from the resolution of a TIFF by a film scanner; and
    from MetaImage, NRRD and NIfTI files that state a spacing.

    Parameters
    ----------
    file : open at its start
    kind : the format, from the content
    options : options for a DICOM header that is made from this file
    colour : keep red, green and blue

    Raises
    ------
    NotARadiographError
        If the image is transparent, floating point or a stack; or if it has true colour
        and `colour` is False.
    UnreadableError
        If the file is damaged or too large.
    """
    facts = probe(file, kind)
    check_raster(facts)
    found = _samples(file, kind, facts)
    in_colour = colour and facts.channels >= 3
    found = colour_of(found) if in_colour else gray_of(found, lossy=facts.lossy)
    pixels = upright(found, facts.orientation)
    grid, fmt = facts.upright_grid, facts.format
    if in_colour:
        fmt = dataclasses.replace(fmt, photometric="RGB")
    if pixels.dtype != fmt.dtype:
        raise UnreadableError(
            f"the {kind.value} header states samples of {fmt.dtype}, but the image has "
            f"{pixels.dtype}; save it again"
        )
    own, options = is_marked(file), options or HeaderOptions()
    said = Said(
        spacing=SCANNED if facts.scanned else "PixelSpacing",
        lossy_method=JPEG_METHOD if facts.lossy else "",
        lossy_ratio=facts.sample_bytes / file.seek(0, 2),
        description=CONVERTED if facts.channels > 1 and not in_colour else "",
    )
    header = RasterHeader(grid, options=options, own=own, said=said)
    geometry = grid.geometry if grid else Geometry()
    return Radiograph(pixels, fmt, geometry, header, coding_error=facts.coding_error)


def _samples(file: IO[bytes], kind: Kind, facts: RasterFacts) -> NDArray[Any]:
    """Return samples (rows, columns[, channels]) with the palette applied."""
    file.seek(0)
    if kind in VOLUMES:
        with readable(f"the {kind.value} image"):
            volume = VOLUMES[kind](file)
            channels = () if volume.channels == 1 else (volume.channels,)
            shape = facts.rows, facts.columns, *channels
            return samples(file, volume).reshape(shape)
    found = decode(file.read(), kind, facts)
    if not facts.palette:
        return found
    with readable("the palette"):
        table = np.array(first_directory(file).numbers(COLOUR_MAP)).reshape(3, -1)
        colours: NDArray[Any] = (table >> 8).astype(np.uint8).T[found]
    return colours


def write_raster(
    radiograph: Radiograph, path: Path, *, overwrite: bool = False
) -> None:
    """Write the stored values unchanged; the file appears complete or not at all.

    A result describes its processing; only NPY has no field for text. A TIFF of
    MONOCHROME1 is WhiteIsZero. The other formats have no attribute for the polarity:
    such an image looks like a negative, because stored values are never inverted.

    Parameters
    ----------
    path : the output; its suffix names the format

    Raises
    ------
    OutputError
        If the format cannot hold the samples, the file exists, or the disk refuses.
    """
    suffix = path.suffix.lower()
    if suffix == ".png" and radiograph.format.signed:
        raise OutputError("PNG holds no signed values; write TIFF, MHA, NRRD or NPY")
    with replacing(path, overwrite=overwrite) as temporary:
        if suffix in _UNPACKED:
            _check_room(path, radiograph.pixels.nbytes)
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
        # A TIFF names the program that stated its spacing, in any case.
        if words or suffix != ".png":
            mark(temporary, words or f"{TOOL} {tool_version()}")
        if suffix.startswith(".tif") and radiograph.format.photometric == "MONOCHROME1":
            with temporary.open("rb+") as file:
                # PhotometricInterpretation 0 is WhiteIsZero: TIFF 6.0 section 3.
                file.seek(first_directory(file)[262].values_at)
                file.write(b"\0\0")


def polarity_warning(radiograph: Radiograph, suffix: str) -> str:
    """Return a warning about a MONOCHROME1 image in a format without polarity; or "".

    Parameters
    ----------
    suffix : suffix of the file, such as ".png"
    """
    says_it = suffix.lower().startswith(".tif")
    if radiograph.format.photometric != "MONOCHROME1" or says_it:
        return ""
    return (
        f"its smallest value is white (MONOCHROME1), but {suffix} files cannot state "
        "this: the result has the stored values and looks like a negative; for a "
        "picture like in a DICOM viewer, use cxr-sr export"
    )


def _grid_of(radiograph: Radiograph) -> Grid | None:
    if isinstance(radiograph.header, RasterHeader):
        return radiograph.header.grid
    return Grid.of(radiograph.geometry)


def _write_image(radiograph: Radiograph, path: Path) -> None:
    itk = simple_itk()
    grid, pixels = _grid_of(radiograph), radiograph.pixels
    if not is_unicode(str(path)):  # SimpleITK would abort
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
        _check_room(path, pixels.nbytes)
        raise OutputError(
            f"the {path.suffix} file cannot be written; check that its folder exists, "
            "is writable, and has room"
        ) from error


def _check_room(path: Path, size: int) -> None:
    """Refuse a full disk; libtiff would print the path, and ITK states no reason.

    Raises
    ------
    OSError
        If the disk has no room for `size` bytes.
    """
    if shutil.disk_usage(path.parent).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def simple_itk() -> Any:  # noqa: ANN401 - it has no types
    """Load SimpleITK, which takes half a second; switch off its warnings.

    The warnings name paths.
    """
    import SimpleITK

    itk: Any = SimpleITK
    itk.ProcessObject.GlobalWarningDisplayOff()
    return itk
