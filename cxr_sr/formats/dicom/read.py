"""A DICOM file becomes a radiograph."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import Dataset

from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.dicom.layout import PixelLayout, check_radiograph, pixel_layout
from cxr_sr.formats.dicom.parse import parse
from cxr_sr.formats.dicom.pixels import decode
from cxr_sr.formats.guard import quiet, readable
from cxr_sr.formats.header.derive import HeaderOptions
from cxr_sr.formats.header.elements import items, numbers, put, remove_tags, text
from cxr_sr.formats.sniff import Kind
from cxr_sr.radiograph import Geometry, PixelFormat, Radiograph

SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
"""In the order in which PS3.3 10.7.1.1 has them believed."""


def read_dicom(
    source: Path | BinaryIO, kind: Kind, options: HeaderOptions | None = None
) -> Radiograph:
    """Read a DICOM file: stored values as they are, header as it is.

    Parameters
    ----------
    source : a file's path, or the file, open at its start
    kind : DICOM or BARE_DICOM, from the content
    options : what headers derived from this one should say

    Raises
    ------
    UnreadableError
        If the file is damaged, truncated, contradicts itself, or is in a transfer
        syntax that no decoder here reads.
    NotARadiographError
        If it is anything but one grayscale projection radiograph.
    """
    with readable("the file"), _opened(source) as file:
        parsed = parse(file, kind)
        with quiet():
            element = check_radiograph(parsed)
            layout = pixel_layout(parsed.dataset)
        pixels = decode(parsed, element, layout)
    with quiet():
        header = DicomHeader(
            _as_decoded(parsed.dataset, layout),
            parsed.transfer_syntax,
            options or HeaderOptions(),
        )
        return Radiograph(
            pixels=pixels,
            format=layout.format,
            geometry=Geometry(spacing(parsed.dataset)[1]),
            header=header,
            window=stored_window(parsed.dataset),
            padding=padding(parsed.dataset, layout.format),
        )


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    else:
        yield source


def spacing(header: Dataset) -> tuple[str, tuple[float, float] | None]:
    """Return the attribute to be believed, and (row, column) mm; "", None if none is.

    A spacing that is zero, negative or no pair is as good as absent.
    """
    for keyword in SPACINGS:
        found = numbers(header, keyword)
        if len(found) == 2 and min(found) > 0:
            return keyword, (found[0], found[1])
    return "", None


def stored_window(header: Dataset) -> tuple[float, float] | None:
    """Return (low, high) of the first valid window, in stored values.

    None if there is no window, or if it is not stated in units that a linear rescale
    leads back from (a Modality LUT, a slope of 0).

    References
    ----------
    DICOM PS3.3 C.11.2.1.2 (VOI), C.11.1.1.2 (rescale)
    """
    windows = list(
        zip(
            numbers(header, "WindowCenter"),
            numbers(header, "WindowWidth"),
            strict=False,
        )
    )
    exact = text(header, "VOILUTFunction") in {"LINEAR_EXACT", "SIGMOID"}
    valid = [(c, w) for c, w in windows if w > 0 and (exact or w >= 1)]
    rescale = linear_rescale(header)
    if not valid or rescale is None:
        return None
    center, width = valid[0]
    half = width / 2 if exact else (width - 1) / 2
    middle = center if exact else center - 0.5
    slope, intercept = rescale
    ends = [(edge - intercept) / slope for edge in (middle - half, middle + half)]
    low, high = min(ends), max(ends)
    return (low, high) if low < high else None


def linear_rescale(header: Dataset) -> tuple[float, float] | None:
    """Return (slope, intercept), 1 and 0 where absent; None if they are not linear."""
    slope = numbers(header, "RescaleSlope") or (1.0,)
    intercept = numbers(header, "RescaleIntercept") or (0.0,)
    if items(header, "ModalityLUTSequence") or slope[0] == 0:
        return None
    return slope[0], intercept[0]


def padding(header: Dataset, fmt: PixelFormat) -> tuple[int, int] | None:
    """Return (low, high) stored values of the padding; None if none is declared.

    The two attributes are US or SS as PixelRepresentation says; writers err in it, so
    the 16 bits count, and what no pixel can hold is no padding.

    References
    ----------
    DICOM PS3.3 C.7.5.1.1.2
    """
    value = numbers(header, "PixelPaddingValue")
    if not value:
        return None
    limit = numbers(header, "PixelPaddingRangeLimit") or value
    ends = sorted(_sixteen_bits(v[0], fmt) for v in (value, limit))
    if ends[0] < fmt.minimum or ends[1] > fmt.maximum:
        return None
    return ends[0], ends[1]


def _sixteen_bits(value: float, fmt: PixelFormat) -> int:
    bits = int(value) & 0xFFFF
    return bits - 0x10000 if fmt.signed and bits & 0x8000 else bits


def _as_decoded(header: Dataset, layout: PixelLayout) -> Dataset:
    """Return the header without what decoding has settled.

    A value is at the bottom of its sample now, and bits that were an overlay's are
    gone, so the overlay that points to them goes too.
    """
    if layout.high_bit == layout.format.bits_stored - 1 and not layout.overlay_bits:
        return header
    header = copy.deepcopy(header)
    put(header, "HighBit", layout.format.bits_stored - 1)
    embedded = {
        group
        for group in range(0x6000, 0x6020, 2)
        if group << 16 | 0x0102 in header and group << 16 | 0x3000 not in header
    }
    remove_tags(header, lambda tag: tag.group in embedded)
    return header
