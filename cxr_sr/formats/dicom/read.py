"""Read a DICOM file as a radiograph."""

from __future__ import annotations

import copy
import dataclasses
from typing import BinaryIO

from pydicom.dataset import Dataset

from cxr_sr.formats.dicom.bits import overlay_plane, to_stored
from cxr_sr.formats.dicom.coding.codecs import Decoded
from cxr_sr.formats.dicom.coding.jpeg import coding_error
from cxr_sr.formats.dicom.colour import as_gray, as_lossy, gray_pixels, was_lossy
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.dicom.layout import (
    PixelLayout,
    check_projection,
    embedded_overlays,
    pixel_layout,
)
from cxr_sr.formats.dicom.parse import parse
from cxr_sr.formats.dicom.pixels import code_head, decode
from cxr_sr.formats.dicom.windows import stored_window
from cxr_sr.formats.gray import Samples
from cxr_sr.formats.guard import quiet, readable
from cxr_sr.formats.header.derive import HeaderOptions
from cxr_sr.formats.header.elements import OVERLAY_GROUPS, items, numbers, put
from cxr_sr.formats.header.overlays import remove_group, unpack_overlay
from cxr_sr.formats.kind import Kind
from cxr_sr.radiograph import Geometry, PixelFormat, Radiograph

SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
"""Attributes of the spacing, in the order of preference of PS3.3 10.7.1.1."""


def read_dicom(
    file: BinaryIO,
    kind: Kind,
    options: HeaderOptions | None = None,
    *,
    colour: bool = False,  # noqa: ARG001 - a DICOM radiograph is gray
) -> Radiograph:
    """Read a DICOM file: stored values and header, both unchanged.

    Parameters
    ----------
    file : open at its start
    kind : DICOM or BARE_DICOM, from the content
    options : options for headers that are derived from this header
    colour : keep red, green and blue, if the file has them

    Raises
    ------
    UnreadableError
        If the file is damaged, truncated, contradicts itself, or is in a transfer
        syntax that no decoder here reads.
    NotARadiographError
        If the file is anything but one grayscale projection radiograph.
    """
    with readable("the file"):
        parsed = parse(file, kind)
        with quiet():
            element = check_projection(parsed)
            layout = pixel_layout(parsed.dataset)
        decoded = decode(parsed, element, layout)
        pixels, fmt = _stored(decoded, layout, parsed.dataset)
    with quiet():
        dataset = _as_decoded(parsed.dataset, layout, decoded)
        if layout.colour:
            dataset = as_gray(dataset, fmt)
        if decoded.lossy and not was_lossy(dataset):
            whole_bytes = layout.samples * layout.sample_bytes
            dataset = as_lossy(dataset, parsed, whole_bytes)
        header = DicomHeader(
            dataset,
            parsed.transfer_syntax,
            dataclasses.replace(
                options or HeaderOptions(), tags={}
            ),  # the header has its own
        )
        return Radiograph(
            pixels=pixels,
            format=fmt,
            geometry=Geometry(spacing(dataset)[1]),
            header=header,
            window=stored_window(dataset),
            padding=padding(dataset, fmt),
            coding_error=coding_error(code_head(parsed), fmt.bits_stored)
            if decoded.lossy
            else 0.0,
        )


def _stored(
    decoded: Decoded, layout: PixelLayout, header: Dataset
) -> tuple[Samples, PixelFormat]:
    """Return the stored values as gray values, and their format."""
    stored = to_stored(decoded, layout)
    if not layout.colour:
        return stored, layout.format
    lossy = decoded.lossy or was_lossy(header)
    return gray_pixels(stored, layout, header, decoded.spaces, lossy=lossy)


def spacing(header: Dataset) -> tuple[str, tuple[float, float] | None]:
    """Return the attribute and the (row, column) spacing in mm; else "" and None.

    A spacing that is zero, negative or no pair counts as absent.
    """
    for keyword in SPACINGS:
        found = numbers(header, keyword)
        if len(found) == 2 and min(found) > 0:
            return keyword, (found[0], found[1])
    return _spacing_of_groups(header)


def _spacing_of_groups(header: Dataset) -> tuple[str, tuple[float, float] | None]:
    """Return the spacing of a multi-frame image of one frame, PS3.3 C.7.6.16.2.1."""
    for groups in (
        "PerFrameFunctionalGroupsSequence",
        "SharedFunctionalGroupsSequence",
    ):
        for group in items(header, groups) or ():
            for measures in items(group, "PixelMeasuresSequence") or ():
                found = numbers(measures, "PixelSpacing")
                if len(found) == 2 and min(found) > 0:
                    return "PixelSpacing", (found[0], found[1])
    return "", None


def padding(header: Dataset, fmt: PixelFormat) -> tuple[int, int] | None:
    """Return (low, high) stored values of the padding; None if none is declared.

    The VR of the two attributes is US or SS, according to PixelRepresentation. Writers
    confuse the two, so only the 16 bits count. A value outside the range of the pixels
    is no padding.

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


def _as_decoded(header: Dataset, layout: PixelLayout, decoded: Decoded) -> Dataset:
    """Return the header that fits the decoded pixels.

    Each value is now in the lowest bits of its sample. An overlay from other bits now
    has its own data.
    """
    without_data = {
        group
        for group in OVERLAY_GROUPS
        if group << 16 | 0x0102 in header and group << 16 | 0x3000 not in header
    }
    if layout.high_bit == layout.format.bits_stored - 1 and not without_data:
        return header
    result = copy.deepcopy(header)
    put(result, "HighBit", layout.format.bits_stored - 1)
    embedded = embedded_overlays(header)
    for group in without_data:
        plane = overlay_plane(decoded, embedded[group]) if group in embedded else None
        if plane is None or not unpack_overlay(result, group, plane):
            remove_group(result, group)
    return result
