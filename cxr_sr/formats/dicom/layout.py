"""Check that a file is one grayscale radiograph, and read the layout of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalIntraOralXRayImageStorageForPresentation,
    DigitalIntraOralXRayImageStorageForProcessing,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from cxr_sr.errors import NotARadiographError, UnreadableError
from cxr_sr.formats.dicom.naming import known, named, number_stated, uid_name
from cxr_sr.formats.dicom.parse import MAX_PIXELS, ParsedDicom, PixelElement
from cxr_sr.formats.header.elements import OVERLAY_GROUPS, numbers, text
from cxr_sr.formats.header.identity import CAPTURES
from cxr_sr.radiograph import Photometric, PixelFormat

RADIOGRAPHY = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalIntraOralXRayImageStorageForPresentation,
    DigitalIntraOralXRayImageStorageForProcessing,
)
"""SOP classes of radiography: CR, DX, MG and IO, PS3.4 B.5."""
PROJECTIONS = {
    *RADIOGRAPHY,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
    *CAPTURES,
}
"""SOP classes whose single frames are projection radiographs, PS3.4 B.5."""


CAPTURED = {"", "CR", "DR", "DX", "IO", "MG", "OT", "PX", "RF", "RG", "SC", "XA", "XR"}
"""A secondary capture with one of these modalities is a radiograph (PS3.3 C.7.3.1.1.1).
Old files have DR, XR and SC. Film scanners and research exports write OT or
nothing."""

_WANTED = "a single-frame grayscale projection radiograph (CR, DX, MG, IO, XA, RF, SC)"
_MINIMUM_BITS = 6  # the smallest value that DX allows, PS3.3 C.8.11.3.1.5


PALETTE = "PALETTE COLOR"
HALF_CHROMA = "YBR_FULL_422"
COLOURS = {
    PALETTE: 1,
    **dict.fromkeys(("RGB", "YBR_FULL", HALF_CHROMA, "YBR_RCT", "YBR_ICT"), 3),
}
"""PhotometricInterpretation of colour images that may be gray -> SamplesPerPixel."""


@dataclass(frozen=True)
class PixelLayout:
    """The layout of the pixels, from a checked header.

    References
    ----------
    DICOM PS3.3 C.7.6.3.1, PS3.5 8.1.1
    """

    rows: int
    columns: int
    format: PixelFormat
    high_bit: int
    """Number of the value's highest bit; `bits_stored` - 1 in modern files."""
    overlay_bits: int
    """Mask of the bits of a sample that overlays use (retired, PS3.3 C.9.2)."""
    colour: str = ""
    """A key of `COLOURS`; "" for gray."""
    planar: bool = False
    """True if all red samples come first, in uncompressed colour; PS3.3 C.7.6.3.1.3."""

    @property
    def channels(self) -> int:
        """Number of samples of a pixel."""
        return COLOURS.get(self.colour, 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns), or (rows, columns, 3)."""
        return (self.rows, self.columns) + ((3,) if self.channels == 3 else ())

    @property
    def samples(self) -> int:
        """Number of samples of the decoded image."""
        return self.rows * self.columns * self.channels

    @property
    def native_samples(self) -> int:
        """Number of samples of an uncompressed image."""
        halved = self.colour == HALF_CHROMA
        return self.rows * self.columns * 2 if halved else self.samples

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return self.format.bits_allocated // 8


def check_projection(parsed: ParsedDicom) -> PixelElement:
    """Refuse all files except single-frame grayscale projection radiographs.

    Returns
    -------
    The place of the pixel data.

    Raises
    ------
    NotARadiographError
        If the file is anything else; the message names the kind of object.
    """
    header = parsed.dataset
    sop_class = UID(text(header, "SOPClassUID"))
    if sop_class not in PROJECTIONS:
        raise _refusal("SOPClassUID", uid_name(sop_class) or "missing")
    modality = text(header, "Modality").upper()
    if sop_class in CAPTURES and modality not in CAPTURED:
        raise _refusal("Modality", f"{known(modality)} in a secondary capture")
    frames = numbers(header, "NumberOfFrames")
    if frames and frames[0] > 1:
        raise _refusal("NumberOfFrames", f"{frames[0]:.0f}, a multi-frame image")
    photometric = text(header, "PhotometricInterpretation")
    gray = {"MONOCHROME1", "MONOCHROME2", ""}
    if photometric not in gray and photometric not in COLOURS:
        raise _refusal("PhotometricInterpretation", known(photometric))
    samples = numbers(header, "SamplesPerPixel")
    if samples and samples[0] != COLOURS.get(photometric, 1):
        found = f"{samples[0]:.0f} with {photometric or 'no photometric'}"
        raise _refusal("SamplesPerPixel", found)
    return _pixel_element(parsed)


def _pixel_element(parsed: ParsedDicom) -> PixelElement:
    if parsed.pixels is None:
        raise NotARadiographError(
            f"there are no pixel data (7FE0,0010); expected {_WANTED}: leave this file "
            "out, or retrieve the whole image"
        )
    if parsed.pixels.tag != 0x7FE00010:
        raise _refusal(parsed.pixels.tag, "present: the pixels are floating point")
    return parsed.pixels


def pixel_layout(header: Dataset) -> PixelLayout:
    """Read the layout of the pixels.

    Raises
    ------
    UnreadableError
        If an attribute is missing or contradicts another.
    NotARadiographError
        If samples have more or fewer bits than radiographs have.
    """
    rows, columns = _count(header, "Rows"), _count(header, "Columns")
    if rows * columns > MAX_PIXELS:
        raise UnreadableError(
            f"Rows x Columns is {rows} x {columns}; at most {MAX_PIXELS} pixels are "
            "read: the header is damaged, or this is no radiograph"
        )
    allocated, stored = _count(header, "BitsAllocated"), _count(header, "BitsStored")
    if allocated not in {8, 16} or stored < _MINIMUM_BITS:
        raise _refusal("BitsAllocated", f"{allocated} with BitsStored {stored}")
    high = numbers(header, "HighBit") or (stored - 1,)
    if not stored - 1 <= high[0] < allocated:
        raise UnreadableError(
            f"BitsStored {stored} with HighBit (0028,0102) {high[0]:.0f} does not fit "
            f"BitsAllocated {allocated}; HighBit should be {stored - 1}: correct it"
        )
    fmt = PixelFormat(allocated, stored, _is_signed(header), _photometric(header))
    colour = text(header, "PhotometricInterpretation")
    return PixelLayout(
        rows,
        columns,
        fmt,
        int(high[0]),
        _overlay_bits(header),
        colour if colour in COLOURS else "",
        numbers(header, "PlanarConfiguration") == (1.0,),
    )


def _refusal(keyword: str | int, found: str) -> NotARadiographError:
    return NotARadiographError(
        f"{named(keyword)} is {found}; expected {_WANTED}: leave this file out"
    )


def _count(header: Dataset, keyword: str) -> int:
    found = numbers(header, keyword)
    if len(found) != 1 or found[0] < 1:
        state = number_stated(header, keyword)
        raise UnreadableError(
            f"{named(keyword)} is {state}; a positive number was expected: the header "
            "is damaged, export the file again"
        )
    return int(found[0])


def _is_signed(header: Dataset) -> bool:
    found = numbers(header, "PixelRepresentation")
    if found not in {(0.0,), (1.0,)}:
        raise UnreadableError(
            f"{named('PixelRepresentation')} is "
            f"{number_stated(header, 'PixelRepresentation')}; 0 (unsigned) or 1 "
            "(signed) was expected, and a wrong guess would damage the image: set it"
        )
    return found == (1.0,)


def _photometric(header: Dataset) -> Photometric:
    """Return the format of the radiograph after the conversion to gray."""
    stated = text(header, "PhotometricInterpretation")
    if stated == "MONOCHROME1":
        return "MONOCHROME1"
    if stated == "MONOCHROME2" or stated in COLOURS:
        return "MONOCHROME2"
    raise UnreadableError(
        f"{named('PhotometricInterpretation')} is missing; MONOCHROME1 or MONOCHROME2 "
        "was expected, and a wrong guess would invert the image: set it"
    )


def embedded_overlays(header: Dataset) -> dict[int, int]:
    """Return the bit of a sample for each overlay without its own data.

    Returns
    -------
    group -> bit; an overlay within the bits of the value is ignored

    References
    ----------
    DICOM PS3.5-2004 8.1.2, retired since
    """
    stored = int((numbers(header, "BitsStored") or (16,))[0])
    high = int((numbers(header, "HighBit") or (stored - 1,))[0])
    value = range(high + 1 - stored, high + 1)
    found = {}
    for group in OVERLAY_GROUPS:
        position = numbers(header, group << 16 | 0x0102)
        if position and group << 16 | 0x3000 not in header:
            found[group] = int(position[0])
    return {g: bit for g, bit in found.items() if bit in range(16) and bit not in value}


def _overlay_bits(header: Dataset) -> int:
    """Return these bits as a mask."""
    return sum({1 << bit for bit in embedded_overlays(header).values()})
