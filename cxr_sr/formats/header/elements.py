"""Read and write single elements of headers that may be damaged.

Real headers have empty elements, wrong VRs, text in place of numbers, and bytes outside
their character set. The functions here raise no errors for these faults. An unreadable
value reads as absent, so the caller leaves it unchanged. pydicom does not convert
values that are only copied, so it gives no warnings about them.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from typing import Any

from pydicom import config
from pydicom.charset import decode_bytes, default_encoding, encode_string
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import TEXT_VR_DELIMS

from cxr_sr.errors import UnreadableError

Keyword = str | int
"""An element's keyword; its tag if the keyword would be ambiguous (60xx)."""
PIXEL_DATA = 0x7FE00010
"""The tag of PixelData."""
OVERLAY_GROUPS = range(0x6000, 0x6100, 2)
"""PS3.3 C.9.2 ends at 601E (60xx in PS3.6); older files use more."""

UNDECODABLE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    EOFError,
    OSError,
    struct.error,
    BytesLengthException,
    UserWarning,  # if the caller has turned warnings into errors
)
"""Errors of pydicom when a raw value does not fit its VR."""

LARGEST_NUMBER = 1e15
"""Largest plausible number of pixels or millimetres; beyond it, arithmetic may
overflow."""

INTEGER_STRING = range(-(2**31), 2**31)
"""Range of an integer string (IS), PS3.5 6.2."""

VALID_UID = re.compile(r"[012](\.(0|[1-9][0-9]*))+")

_ESCAPE = b"\x1b"


def undecoded(header: Dataset, keyword: Keyword) -> DataElement | RawDataElement | None:
    """Return an element without converting its bytes; None if absent."""
    tag = Tag(keyword)
    return header.get_item(tag) if tag in header else None


def text(header: Dataset, keyword: Keyword) -> str:
    r"""Return an element as text; "" if it is absent or holds no text.

    Several values are joined by ``\``. Bytes outside the header's character set become
    "?".
    """
    element = undecoded(header, keyword)
    value = None if element is None else element.value
    if value is None or isinstance(value, Sequence):
        return ""
    if isinstance(value, bytes):
        value = _decoded(value, header)
    elif isinstance(value, MultiValue | list | tuple):
        value = "\\".join(str(v) for v in value)
    return str(value).strip("\0 ")


def cut(header: Dataset, words: str, limit: int) -> str:
    """Return the beginning of a text that fits `limit` bytes in the character set.

    PS3.5 6.2 counts characters, but many databases and validators count bytes.
    """
    words = words[:limit]
    while _encoded_length(header, words) > limit:
        words = words[:-1]
    return words.rstrip()


def numbers(header: Dataset, keyword: Keyword) -> tuple[float, ...]:
    """Return an element's numbers; () if it is absent, empty, or no valid number.

    Infinity and implausibly large numbers are not valid.
    """
    try:
        values = [float(v) for v in _values(header, keyword)]
    except UNDECODABLE:
        return ()
    return tuple(values) if all(abs(v) < LARGEST_NUMBER for v in values) else ()


def uid(header: Dataset, keyword: Keyword) -> str:
    """Return a UID that other elements may refer to; "" if absent or invalid.

    References
    ----------
    DICOM PS3.5 9.1; ISO/IEC 9834-1 has only the roots 0, 1 and 2
    """
    value = text(header, keyword)
    return value if len(value) <= 64 and VALID_UID.fullmatch(value) else ""


def items(header: Dataset, keyword: Keyword) -> list[Dataset] | None:
    """Return a sequence's items, [] if it is empty, None if it is no sequence."""
    tag = Tag(keyword)
    try:
        value = header[tag].value if tag in header else None
    except UNDECODABLE:
        return None
    if not value:
        return []
    return list(value) if isinstance(value, Sequence) else None


def put(dataset: Dataset, keyword: Keyword, value: Any, vr: str = "") -> None:  # noqa: ANN401 - whatever the VR holds
    """Set or replace an element; `vr` is needed if the dictionary lists several VRs.

    Values are not validated, because values of the source are copied with their faults.
    """
    tag = Tag(keyword)
    dataset[tag] = DataElement(
        tag, vr or dictionary_VR(tag), value, validation_mode=config.IGNORE
    )


def remove(dataset: Dataset, keyword: Keyword) -> None:
    """Remove an element, if it is present."""
    tag = Tag(keyword)
    if tag in dataset:
        del dataset[tag]


def remove_tags(dataset: Dataset, unwanted: Callable[[BaseTag], bool]) -> None:
    """Remove all elements with the tags in `unwanted`, without decoding the others."""
    for tag in [t for t in dataset.keys() if unwanted(t)]:  # noqa: SIM118 - not decoded
        del dataset[tag]


def append(dataset: Dataset, keyword: Keyword, item: Dataset) -> None:
    """Add an item to a sequence; an unreadable sequence stays unchanged.

    Raises
    ------
    UnreadableError
        If PixelRepresentation is damaged, because pydicom copies it to new items.
    """
    present = items(dataset, keyword)
    if present is None:
        return
    try:
        put(dataset, keyword, Sequence([*present, item]))
    except UNDECODABLE as error:
        raise UnreadableError(
            f"PixelRepresentation (0028,0103) cannot be decoded ({error}); expected 0 "
            "or 1: the file is damaged, export it again"
        ) from error


def new_item(like: Dataset, **values: Any) -> Dataset:  # noqa: ANN401 - see put
    """Return a sequence item that can hold undecoded elements of `like`."""
    charset = like.original_character_set or default_encoding
    item = Dataset(parent_encoding=charset)
    implicit, little_endian = like.original_encoding
    item.set_original_encoding(implicit, little_endian, charset)
    for keyword, value in values.items():
        put(item, keyword, value)
    return item


def _values(header: Dataset, keyword: Keyword) -> Iterable[Any]:
    tag = Tag(keyword)
    if tag not in header:
        return ()
    if dictionary_VR(tag) in {"DS", "IS"}:
        return text(header, keyword).split("\\")
    value = header[tag].value
    return value if isinstance(value, MultiValue | list | tuple) else (value,)


def _encodings(header: Dataset) -> list[str]:
    charset = header.original_character_set or default_encoding
    return [charset] if isinstance(charset, str) else list(charset)


def _encoded_length(header: Dataset, words: str) -> int:
    try:
        if header.original_character_set and not words.isascii():
            return len(encode_string(words, _encodings(header)))
    except UNDECODABLE:
        pass
    return len(words.encode(errors="replace"))


def _decoded(value: bytes, header: Dataset) -> str:
    encodings = _encodings(header)
    try:
        if _ESCAPE in value:
            return decode_bytes(value, encodings, TEXT_VR_DELIMS)
        return value.decode(encodings[0])
    except UNDECODABLE:
        return value.decode("ascii", "replace").replace(
            "\N{REPLACEMENT CHARACTER}", "?"
        )
