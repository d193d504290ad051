"""Raster files become radiographs, and radiographs raster files."""

from __future__ import annotations

import dataclasses
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

COLOUR_MAP = 320
"""The TIFF tag of a palette: 16-bit red, then green, then blue values."""
_WRITERS = {".mha": write_meta_image, ".nrrd": write_nrrd}


@dataclass(frozen=True)
class RasterHeader:
    """The facts of a raster file besides its pixels; implements `Header`.

    Text in such files is not kept: it might name a patient.
    """

    grid: Grid | None = None
    """None where the file states no spacing."""
    made: datetime | None = None
    """When a derived image was made; a DICOM file written of it says so."""
    options: HeaderOptions = field(default_factory=HeaderOptions)
    """The user's options for a DICOM header that is made from this one."""
    own: bool = False
    """Whether this package made the image finer already."""
    said: Said = NOTHING_SAID
    """More facts for a DICOM header that is made from this one."""

    @property
    def lossy(self) -> bool:
        """Whether the pixels were compressed with loss."""
        return bool(self.said.lossy_method)

    @property
    def dates(self) -> ChosenDates:
        """The source of the dates of a DICOM header that is made from this one."""
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
    """Read a raster file: samples as they are, in all the bits of their type.

    Colour samples that show nothing but gray become gray, unless `colour` keeps them.
    An opaque alpha channel is left out. EXIF and TIFF orientations are applied. A TIFF
    that is WhiteIsZero becomes MONOCHROME1. A spacing comes from a PNG's sCAL, not from
    its pHYs, which is meant for printers; from a TIFF's resolution where it is that of
    a film scanner; and from any MetaImage, NRRD and NIfTI that states one.

    Parameters
    ----------
    file : open at its start
    kind : the format, from the content
    options : options for a DICOM header that is made from this file
    colour : keep red, green and blue where the file has them

    Raises
    ------
    NotARadiographError
        If it is transparent, floating point or a stack, or has true colour that
        `colour` does not ask for.
    UnreadableError
        If it is damaged or absurdly large.
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
            f"{pixels.dtype}; save it anew"
        )
    header = RasterHeader(
        grid,
        options=options or HeaderOptions(),
        own=is_marked(file),
        said=_said(facts, file.seek(0, 2), in_colour=in_colour),
    )
    geometry = grid.geometry if grid else Geometry()
    return Radiograph(pixels, fmt, geometry, header, coding_error=facts.coding_error)


def _said(facts: RasterFacts, size: int, *, in_colour: bool) -> Said:
    return Said(
        spacing=SCANNED if facts.scanned else "PixelSpacing",
        lossy_method=JPEG_METHOD if facts.lossy else "",
        lossy_ratio=facts.sample_bytes / size,
        description=CONVERTED if facts.channels > 1 and not in_colour else "",
    )


def _samples(file: IO[bytes], kind: Kind, facts: RasterFacts) -> NDArray[Any]:
    """Return (rows, columns) or (rows, columns, channels), palettes looked up."""
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
    """Write the stored values as they are; the file appears whole or not at all.

    A result describes how it was made, except NPY, which has no place for text. A TIFF
    of MONOCHROME1 is WhiteIsZero. The other formats have no attribute for it: such
    an image looks like a negative in them, since nothing stored is ever inverted.

    Parameters
    ----------
    path : its suffix names the format

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
        if words or suffix != ".png":  # A TIFF says who stated its spacing.
            mark(temporary, words or f"{TOOL} {tool_version()}")
        if suffix.startswith(".tif") and radiograph.format.photometric == "MONOCHROME1":
            _declare_white_is_zero(temporary)


def polarity_warning(radiograph: Radiograph, suffix: str) -> str:
    """Return what to know of a MONOCHROME1 image in a format without a word for it.

    Parameters
    ----------
    suffix : of the file, such as ".png"
    """
    says_it = suffix.lower().startswith(".tif")
    if radiograph.format.photometric != "MONOCHROME1" or says_it:
        return ""
    return (
        f"its smallest value is white (MONOCHROME1), which {suffix} cannot say: the "
        "result holds the stored values and looks like a negative; for a picture as a "
        "viewer shows it, use cxr-sr export"
    )


def _grid_of(radiograph: Radiograph) -> Grid | None:
    if isinstance(radiograph.header, RasterHeader):
        return radiograph.header.grid
    return Grid.of(radiograph.geometry)


def _write_image(radiograph: Radiograph, path: Path) -> None:
    itk = simple_itk()
    grid, pixels = _grid_of(radiograph), radiograph.pixels
    if not _has_text_name(path):
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
        file.seek(first_directory(file)[262].values_at)
        file.write(b"\0\0")


def _has_text_name(path: Path) -> bool:
    """Return whether SimpleITK can open a path; with any other path it aborts."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def simple_itk() -> Any:  # noqa: ANN401 - it has no types
    """Load SimpleITK when it is needed: that takes half a second.

    Its warnings, which name paths, are switched off.
    """
    import SimpleITK

    itk: Any = SimpleITK
    itk.ProcessObject.GlobalWarningDisplayOff()
    return itk
