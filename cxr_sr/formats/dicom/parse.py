"""Read the header of a DICOM file, and find the place of its pixel data."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.dicom.encoding import encoding_of, to_explicit_little_endian
from cxr_sr.formats.dicom.limits import check_sequences, read_bounded
from cxr_sr.formats.guard import PARSER_ERRORS, quiet, readable
from cxr_sr.formats.header.elements import PIXEL_DATA, put, remove_tags, text, uid
from cxr_sr.formats.inflate import RAW, inflate
from cxr_sr.formats.kind import Kind

MAX_PIXELS = 2**28
"""Largest readable image: 268 megapixels, ten times a long-leg radiograph. The limit
keeps a decoder from allocating much memory for a file of a few bytes."""

UNDEFINED_LENGTH = 0xFFFFFFFF

_Element = DataElement | RawDataElement
_NOT_HEADER = {0x0000, 0x0002, 0x7FE0}
_ANY_PIXEL_DATA = {0x7FE00008, 0x7FE00009, PIXEL_DATA}
_ITEM = b"\xfe\xff\x00\xe0"
_SEQUENCE_END = b"\xfe\xff\xdd\xe0"


@dataclass(frozen=True)
class PixelElement:
    """The place of the pixel data in the stream; they are not read yet."""

    tag: int
    """Tag 7FE00010, or the tag of float or double float pixel data."""
    length: int | None
    """Length that the element states, in bytes; None if the data are encapsulated."""
    spans: tuple[tuple[int, int], ...]
    """(offset, length) in the stream: one pair if native, one per fragment if
    encapsulated."""
    words: bool = False
    """True if the VR is OW: then big endian also swaps 8-bit samples (PS3.5 A.3)."""


@dataclass(frozen=True, eq=False)
class ParsedDicom:
    """The parts of a DICOM file, before its pixel data are read."""

    dataset: Dataset
    """The header in Explicit VR Little Endian, without file meta information and group
    7FE0. Unused values are still bytes."""
    transfer_syntax: UID
    """Transfer syntax in the file; if it is missing, the encoding of the bytes."""
    pixels: PixelElement | None
    stream: BinaryIO
    """The stream for the spans."""
    completed: bool = False
    """True if only the file meta information states the SOP class."""


def parse(file: BinaryIO, kind: Kind) -> ParsedDicom:
    """Read a DICOM file except its pixel data.

    Parameters
    ----------
    file : open at its start; must stay open until the pixels are read
    kind : DICOM or BARE_DICOM, from the content

    Raises
    ------
    UnreadableError
        If the file is damaged, truncated in its header, or too large when inflated.
    NotARadiographError
        If its header has too many elements.

    References
    ----------
    DICOM PS3.10 7.1, PS3.5 7 and A
    """
    with readable("the DICOM header"), quiet():
        file.seek(132 if kind is Kind.DICOM else 0)
        meta = read_bounded(
            file, implicit=False, little=True, stop_when=_leaves_group(2)
        )
        check_sequences(meta)
        syntax = UID(text(meta, "TransferSyntaxUID")) or _guess(file)
        if syntax == DeflatedExplicitVRLittleEndian:
            file = inflate(file.read(), RAW, "the deflated data set")
        read_bounded(file, implicit=True, little=True, stop_when=_leaves_group(0))
        implicit = syntax == ImplicitVRLittleEndian
        little = syntax != ExplicitVRBigEndian
        dataset = read_bounded(
            file, implicit=implicit, little=little, stop_when=_at_pixel_data
        )
        _check_complete(dataset)
        pixels = _locate_pixels(file, dataset)
        dataset.update(_elements_after(file, dataset))
        check_sequences(dataset)
        to_explicit_little_endian(dataset)
        completed = _complete_from(meta, dataset)
    remove_tags(dataset, lambda tag: tag.group in _NOT_HEADER)
    return ParsedDicom(dataset, syntax, pixels, file, completed)


def _complete_from(meta: Dataset, dataset: Dataset) -> bool:
    """Copy the SOP class from the file meta information if the data set has none."""
    sop_class = uid(meta, "MediaStorageSOPClassUID")
    missing = bool(sop_class) and not text(dataset, "SOPClassUID")
    if missing:
        put(dataset, "SOPClassUID", UID(sop_class))
    return missing


def parse_header(path: Path, kind: Kind) -> ParsedDicom:
    """Read a file's header only; the stream is closed again."""
    with readable("the file"), path.open("rb") as file:
        return parse(file, kind)


def _leaves_group(group: int) -> Callable[[BaseTag, str | None, int], bool]:
    return lambda tag, _vr, _length: tag >> 16 != group


def _at_pixel_data(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag in _ANY_PIXEL_DATA


def _guess(file: BinaryIO) -> UID:
    """Return the encoding of a data set without TransferSyntaxUID."""
    start = file.tell()
    head = file.read(6)
    file.seek(start)
    if not (head[4:6].isalpha() and head[4:6].isupper()):
        return ImplicitVRLittleEndian
    # DICOM has no group 0800: it is group 0008 in the other byte order.
    return ExplicitVRBigEndian if head[:1] == b"\0" else ExplicitVRLittleEndian


def _check_complete(dataset: Dataset) -> None:
    """Refuse a header if the file ends within an element."""
    for element in dataset.elements():
        if not isinstance(element, RawDataElement) or element.value is None:
            continue
        if element.length != UNDEFINED_LENGTH and len(element.value) < element.length:
            raise UnreadableError(
                f"the header ends within element {element.tag}: {element.length} bytes "
                f"expected, {len(element.value)} found; the file is truncated: copy or "
                "export it again"
            )


def _locate_pixels(file: BinaryIO, dataset: Dataset) -> PixelElement | None:
    """Skip the pixel data element, and return the place of its value."""
    implicit, little = encoding_of(dataset)
    order: Literal["little", "big"] = "little" if little else "big"
    head = file.read(8)
    if len(head) < 8:
        return None
    group, element = (int.from_bytes(head[i : i + 2], order) for i in (0, 2))
    # OB, OW, OF and OD have a reserved field and a 32-bit length, PS3.5 7.1.2.
    length = int.from_bytes(head[4:] if implicit else file.read(4), order)
    tag = group << 16 | element
    if length == UNDEFINED_LENGTH:
        return PixelElement(tag, None, _fragments(file))
    start = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(min(start + length, end))
    found = min(length, end - start)
    return PixelElement(tag, length, ((start, found),), words=head[4:6] == b"OW")


def _elements_after(file: BinaryIO, before: Dataset) -> dict[BaseTag, _Element]:
    """Read the elements after the pixel data: usually private groups, or padding.

    Damage there is ignored, because the image is complete.
    """
    try:
        implicit, little = encoding_of(before)
        after = read_bounded(file, implicit=implicit, little=little)
        _check_complete(after)
    except (*PARSER_ERRORS, OSError, UnreadableError):
        return {}
    return {e.tag: e for e in after.elements() if e.tag > PIXEL_DATA}


def _fragments(file: BinaryIO) -> tuple[tuple[int, int], ...]:
    """Yield the items of encapsulated pixel data, PS3.5 A.4; the first has the offsets.

    Raises
    ------
    UnreadableError
        If the file ends before the delimiter, or an element is no item.
    """
    spans: list[tuple[int, int]] = []
    end = file.seek(0, io.SEEK_CUR), file.seek(0, io.SEEK_END)
    file.seek(end[0])
    while (head := file.read(8))[:4] == _ITEM and len(head) == 8:
        length = int.from_bytes(head[4:], "little")
        start = file.tell()
        if start + length > end[1]:
            raise UnreadableError(
                f"fragment {len(spans)} of the compressed image has {length} bytes, "
                f"but only {end[1] - start} are left in the file; it is truncated: "
                "copy or export it again"
            )
        spans.append((start, length))
        file.seek(start + length)
    if head[:4] != _SEQUENCE_END and head:
        raise UnreadableError(
            f"after fragment {len(spans)} of the compressed image an item or the "
            f"sequence delimiter was expected, {head.hex()} found; the file is damaged"
        )
    return tuple(spans[1:])
