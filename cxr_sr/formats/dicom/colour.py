"""Convert colour pixels of a DICOM file to gray if all of them are gray."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_sr.errors import InputError, NotARadiographError, UnreadableError
from cxr_sr.formats.dicom.coding.meaning import METHODS
from cxr_sr.formats.dicom.layout import PALETTE, PixelLayout
from cxr_sr.formats.dicom.parse import ParsedDicom
from cxr_sr.formats.gray import CONVERTED, Samples, gray_of, gray_of_ybr
from cxr_sr.formats.header.elements import numbers, put, remove, text, undecoded
from cxr_sr.formats.header.words import joined
from cxr_sr.radiograph import PixelFormat

MOST_ENTRIES = 2**16
"""Number of entries of a palette if its descriptor states 0, PS3.3 C.7.6.3.1.5."""
_COLOURS = ("Red", "Green", "Blue")
_OF_COLOUR = (
    "PlanarConfiguration",
    "ColorSpace",
    "ICCProfile",
    "PaletteColorLookupTableUID",
    *(f"{c}PaletteColorLookupTableDescriptor" for c in _COLOURS),
    *(f"{c}PaletteColorLookupTableData" for c in _COLOURS),
    *(f"Segmented{c}PaletteColorLookupTableData" for c in _COLOURS),
)
_OF_GRAY = (
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"),
    *("VOILUTFunction", "VOILUTSequence", "ModalityLUTSequence"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "PresentationLUTShape"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("SmallestImagePixelValue", "LargestImagePixelValue"),
)
"""Attributes that have a meaning only for gray (PS3.3 C.11.2), not for colour."""


def gray_pixels(
    pixels: Samples,
    layout: PixelLayout,
    header: Dataset,
    spaces: tuple[str, ...],
    *,
    lossy: bool,
) -> tuple[Samples, PixelFormat]:
    """Return gray stored values (rows, columns), and their format.

    Parameters
    ----------
    pixels : (rows, columns) indices of a palette, or (rows, columns, 3)
    header : the header with the palette
    spaces : the possible colour spaces of the samples, the likeliest first
    lossy : True if the samples were ever compressed with loss

    Raises
    ------
    NotARadiographError
        If a pixel has a colour.
    UnreadableError
        If the palette is damaged.
    """
    fmt = layout.format
    if layout.colour == PALETTE:
        palette = _palette(header)
        place = pixels.astype(np.int64) - palette.first
        index = place.clip(0, len(palette.entries) - 1)
        bits = palette.bits
        gray = replace(fmt, bits_allocated=bits, bits_stored=bits, signed=False)
        return gray_of(palette.entries[index]), gray
    refusals: list[NotARadiographError] = []
    for space in spaces:
        convert = gray_of_ybr if space.startswith("YBR") else gray_of
        try:
            return convert(pixels, lossy=lossy, bits=fmt.bits_stored), fmt
        except NotARadiographError as error:
            refusals.append(error)
    raise refusals[0]


def as_gray(header: Dataset, fmt: PixelFormat) -> Dataset:
    """Return a header for the gray pixels; it states the conversion.

    References
    ----------
    DICOM PS3.3 C.7.6.3.1.2
    """
    result = header[:]  # a copy with the same elements, which are never changed
    for keyword in (*_OF_COLOUR, *_OF_GRAY):
        remove(result, keyword)
    for keyword, value in {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": fmt.photometric,
        "BitsAllocated": fmt.bits_allocated,
        "BitsStored": fmt.bits_stored,
        "HighBit": fmt.bits_stored - 1,
        "PixelRepresentation": int(fmt.signed),
        "DerivationDescription": joined(header, CONVERTED),
    }.items():
        put(result, keyword, value)
    return result


def was_lossy(header: Dataset) -> bool:
    """Tell whether the header states that the pixels were compressed with loss."""
    return text(header, "LossyImageCompression") == "01"


def as_lossy(header: Dataset, parsed: ParsedDicom, whole_bytes: int) -> Dataset:
    """Return a header that states the lossy compression of its code stream.

    Parameters
    ----------
    whole_bytes : size of the uncompressed samples

    References
    ----------
    DICOM PS3.3 C.7.6.1.1.5
    """
    spans = parsed.pixels.spans if parsed.pixels else ()
    coded = sum(length for _, length in spans) or whole_bytes
    result = header[:]
    put(result, "LossyImageCompression", "01")
    put(result, "LossyImageCompressionRatio", f"{whole_bytes / coded:.5g}")
    method = METHODS[parsed.transfer_syntax]
    put(result, "LossyImageCompressionMethod", method)
    return result


@dataclass(frozen=True)
class _Palette:
    entries: NDArray[np.uint16]
    """(entries, 3)"""
    first: int
    """The pixel value of the first entry."""
    bits: int
    """Bits of an entry: 8 or 16."""


def _palette(header: Dataset) -> _Palette:
    """Return the palette of a header, PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6."""
    try:
        described = [
            numbers(header, f"{c}PaletteColorLookupTableDescriptor") for c in _COLOURS
        ]
        count, first, bits = (int(n) for n in described[0])
        count = count or MOST_ENTRIES
        alike = len({d[0] for d in described}) == 1
        if not alike or count < 1 or bits not in {8, 16}:
            raise _damaged_palette()
        columns = [_entries(header, colour, count, bits) for colour in _COLOURS]
    except (ValueError, IndexError) as error:
        raise _damaged_palette() from error
    entries = np.stack(columns, -1)
    if bits == 8 and entries.max() > 255:  # 8-bit values may be in the high bytes
        entries >>= 8
    if entries.max() < 256:  # the stated number of bits is often wrong
        bits = 8
    kind = np.uint8 if bits == 8 else np.uint16
    return _Palette(entries.astype(kind), first, bits)


def _entries(header: Dataset, colour: str, count: int, bits: int) -> NDArray[np.uint16]:
    data = _bytes(header, f"{colour}PaletteColorLookupTableData")
    if data:
        narrow = bits == 8 and len(data) < 2 * count
        found = np.frombuffer(data[: len(data) // 2 * 2], "u1" if narrow else "<u2")
    else:
        segments = _bytes(header, f"Segmented{colour}PaletteColorLookupTableData")
        words = np.frombuffer(segments[: len(segments) // 2 * 2], "<u2")
        found = np.concatenate([*_expanded(words, count)])
    if len(found) < count:
        raise _damaged_palette()
    return found[:count].astype(np.uint16)


def _bytes(header: Dataset, keyword: str) -> bytes:
    element = undecoded(header, keyword)
    value = None if element is None else element.value
    return value if isinstance(value, bytes) else b""


def _expanded(words: NDArray[np.uint16], count: int) -> Iterator[NDArray[np.uint16]]:
    """Yield the parts of a segmented palette, up to `count` entries.

    References
    ----------
    DICOM PS3.3 C.7.9.2: 0 is a discrete segment, 1 a linear one
    """
    at, found, last = 0, 0, 0
    while at + 2 < len(words) and found < count:
        code, length = int(words[at]), int(words[at + 1])
        if code == 0:
            part = words[at + 2 : at + 2 + length]
            at += 2 + length
        elif code == 1:
            steps = np.arange(1, length + 1) * (int(words[at + 2]) - last) / length
            part = np.rint(last + steps).astype(np.uint16)
            at += 3
        else:
            raise _damaged_palette()
        if len(part):
            last = int(part[-1])
        found += len(part)
        yield part


def _damaged_palette() -> InputError:
    return UnreadableError(
        "the palette (0028,1101 to 0028,1223) is missing, contradicts itself, or is of "
        "a kind that is not read; save the image as MONOCHROME2"
    )
