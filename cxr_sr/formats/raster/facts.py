"""Hold the facts about the samples of a raster file; refuse files of other kinds."""

from __future__ import annotations

from dataclasses import dataclass

from cxr_sr.errors import NotARadiographError, UnreadableError
from cxr_sr.formats.dicom.parse import MAX_PIXELS
from cxr_sr.formats.raster.grid import Grid
from cxr_sr.formats.raster.orient import UPRIGHT, is_transposed
from cxr_sr.radiograph import Photometric, PixelFormat

MOST_CHANNELS = 4
"""Red, green, blue and alpha."""


@dataclass(frozen=True)
class RasterFacts:
    """The description of the samples in the header of a file."""

    rows: int
    """Number of rows in the file; `orientation` may turn them into columns."""
    columns: int
    bits: int
    """Bits of one sample, after the palette is applied."""
    channels: int = 1
    """Number of samples of a pixel, with alpha."""
    frames: int = 1
    signed: bool = False
    white_is_zero: bool = False
    oddity: str = ""
    """Another reason why the file cannot be read, in a few words."""
    grid: Grid | None = None
    """Position of the stored pixels in space; None if the file does not state it."""
    scanned: bool = False
    """True if a film scanner stated the spacing."""
    orientation: int = UPRIGHT
    lossy: bool = False
    coding_error: float = 0.0
    """The same as `Radiograph.coding_error`."""
    palette: bool = False
    """True if the decoder returns indices into a palette."""
    planar: bool = False
    """True if the channels may be the slowest axis."""
    findings: tuple[str, ...] = ()
    """Sentences about unusual properties, for the user."""

    @property
    def photometric(self) -> str:
        """DICOM term for the coding of the pixels; WhiteIsZero is MONOCHROME1."""
        if self.channels >= 3:
            return "RGB"
        return self.format.photometric

    @property
    def format(self) -> PixelFormat:
        """The format of the gray image; samples use all their bits."""
        gray: Photometric = "MONOCHROME1" if self.white_is_zero else "MONOCHROME2"
        return PixelFormat(self.bits, self.bits, self.signed, gray)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the upright image."""
        if is_transposed(self.orientation):
            return self.columns, self.rows
        return self.rows, self.columns

    @property
    def upright_grid(self) -> Grid | None:
        """The grid of the upright image."""
        if self.grid is None or not is_transposed(self.orientation):
            return self.grid
        return Grid(
            self.grid.spacing_mm[::-1], self.grid.origin_mm, self.grid.direction
        )

    @property
    def sample_bytes(self) -> int:
        """Number of bytes of all samples from the decoder."""
        channels = 1 if self.palette else self.channels
        return self.rows * self.columns * channels * self.bits // 8


def check_raster(facts: RasterFacts) -> None:
    """Refuse a file that is not a single image of 8 or 16 bits.

    Raises
    ------
    NotARadiographError
        If the file has several images, or other samples; the message names the reason.
    UnreadableError
        If the image has no pixel, or more than `MAX_PIXELS`.
    """
    reason = facts.oddity
    if not reason and facts.frames != 1:
        reason = f"{facts.frames} pages or slices"
    if not reason and not 1 <= facts.channels <= MOST_CHANNELS:
        reason = f"{facts.channels} channels"
    if not reason and facts.bits not in {8, 16}:
        reason = f"{facts.bits}-bit samples"
    if reason:
        raise NotARadiographError(
            f"the image has {reason}; expected one gray image with 8 or 16 bits a "
            "sample, of whole numbers: save it in that form"
        )
    if not 0 < facts.rows * facts.columns <= MAX_PIXELS:
        raise UnreadableError(
            f"the image has {facts.rows} x {facts.columns} pixels; 1 to {MAX_PIXELS} "
            "are read: the header is damaged, or this is no radiograph"
        )
