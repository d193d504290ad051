"""Change a header of any encoding to Explicit VR Little Endian; keep its bytes.

Converting an element to a Python value and back can lose information: real headers
often have text in a wrong character set, numbers with too many decimals, and wrong
lengths. We do not repair them, so values stay bytes. Only the VR that an implicit
encoding leaves out is added, and big endian words are swapped.
"""

from __future__ import annotations

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from cxr_sr.formats.header.elements import UNDECODABLE, numbers

_WORD_BYTES = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}
"""The VRs whose bytes depend on the byte order, PS3.5 7.3."""

_ENCAPSULATED = tuple(
    b"\xe0\x7f\x10\0" + vr + b"\0\0\xff\xff\xff\xff" for vr in (b"OB", b"OW")
)
"""Pixel data of undefined length, within the bytes of an unparsed sequence."""


def to_explicit_little_endian(dataset: Dataset) -> None:
    """Change the encoding of a data set that was just read, and of its items.

    A sequence that cannot be parsed becomes an element of unknown VR.

    References
    ----------
    DICOM PS3.5 6.2.2 (UN), 7.3 and A
    """
    signed = numbers(dataset, "PixelRepresentation") == (1.0,)
    _convert(dataset, signed=signed)


def encoding_of(dataset: Dataset) -> tuple[bool, bool]:
    """Return (implicit VR, little endian) of a data set that was read from bytes."""
    implicit, little = dataset.original_encoding
    return bool(implicit), bool(little)


def holds_encapsulated(element: DataElement | RawDataElement) -> bool:
    """Tell whether a sequence has compressed pixel data, usually of an icon.

    Only a compressed file may have such a sequence, PS3.5 A.4.
    """
    if isinstance(element, RawDataElement):
        return any(mark in (element.value or b"") for mark in _ENCAPSULATED)
    if isinstance(element.value, Sequence):
        return any(holds_encapsulated(e) for i in element.value for e in i.elements())
    return bool(element.tag == 0x7FE00010 and element.is_undefined_length)


def _convert(dataset: Dataset, *, signed: bool) -> None:
    implicit, little = encoding_of(dataset)
    converts = implicit or not little
    for element in list(dataset.elements()):
        if isinstance(element, DataElement):
            _convert_items(element, signed=signed)
        elif converts:
            dataset[element.tag] = _converted(element, dataset, signed=signed)
    if converts:
        charset = dataset.original_character_set
        dataset.set_original_encoding(False, True, charset)  # noqa: FBT003


def _convert_items(element: DataElement, *, signed: bool) -> None:
    if isinstance(element.value, Sequence):
        for item in element.value:
            _convert(item, signed=signed)


def _converted(
    raw: RawDataElement, dataset: Dataset, *, signed: bool
) -> DataElement | RawDataElement:
    vr = raw.VR or implicit_vr(raw.tag, signed=signed)
    if vr == "SQ":
        return _parsed(raw, dataset, signed=signed)
    value = raw.value
    if value and not raw.is_little_endian and vr in _WORD_BYTES:
        value = _swapped(value, _WORD_BYTES[vr])
    return raw._replace(VR=vr, value=value, is_implicit_VR=False, is_little_endian=True)


def _parsed(
    raw: RawDataElement, dataset: Dataset, *, signed: bool
) -> DataElement | RawDataElement:
    try:
        element = dataset[raw.tag]
    except UNDECODABLE:
        return raw._replace(VR="UN", is_implicit_VR=False, is_little_endian=True)
    _convert_items(element, signed=signed)
    return element


def implicit_vr(tag: BaseTag, *, signed: bool = False) -> str:
    """Return the VR that an implicit encoding left out; UN if it is unknown.

    `signed` says whether PixelRepresentation is 1.
    """
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "UN"
    if vr == "US or SS":
        return "SS" if signed else "US"
    # Every other ambiguous VR may be OW in an implicit encoding: PS3.5 A.1.
    return "OW" if " or " in vr else vr


def _swapped(value: bytes, width: int) -> bytes:
    swapped = bytearray(value)
    for i in range(width):
        whole = len(value) // width * width
        swapped[i:whole:width] = value[width - 1 - i : whole : width]
    return bytes(swapped)
