"""Refuse headers with too many elements or too deep sequences, before they are parsed.

A file of some megabytes can hold a million elements or items without a value. To parse,
derive and write such a header takes minutes and gigabytes. And sequences can be nested
deeper than Python can recurse. So the heads of elements and items are followed while
pydicom reads them.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Iterable
from typing import BinaryIO, cast

from pydicom.charset import default_encoding
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset, read_sequence
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from cxr_sr.errors import NotARadiographError
from cxr_sr.formats.dicom.encoding import implicit_vr
from cxr_sr.formats.header.elements import UNDECODABLE

MAX_HEADS = 100_000
"""Largest number of elements and items in a header. A radiograph has some hundreds;
with all private groups of its vendor, some thousands."""
MAX_DEPTH = 64
"""Largest number of levels of nested sequences; the standard needs about ten."""
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D)
_ITEM_BYTES = {b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00"}
"""The tag of an item in both byte orders."""

Stop = Callable[[BaseTag, str | None, int], bool]


def read_bounded(
    file: BinaryIO, *, implicit: bool, little: bool, stop_when: Stop | None = None
) -> Dataset:
    """Read a data set, with its sequences of undefined length, up to `stop_when`.

    Raises
    ------
    NotARadiographError
        If the data set has too many elements, or sequences are nested too deep.
    """
    heads = _Heads(file, MAX_HEADS, little=little)
    try:
        return read_dataset(
            cast("BinaryIO", heads), implicit, little, stop_when=stop_when
        )
    finally:  # pydicom replaces an error of a stream by its own error
        heads.check()


def check_sequences(dataset: Dataset) -> None:
    """Refuse a data set with too many elements in unparsed sequences.

    Raises
    ------
    NotARadiographError
        If they have too many elements, or any sequences are nested too deep.
    """
    left = MAX_HEADS
    level = [dataset]
    for _ in range(MAX_DEPTH + 1):
        below: list[Dataset] = []
        for element in (e for item in level for e in item.elements()):
            if isinstance(element, RawDataElement):
                items, left = _items(element, left)
                below += items
            elif isinstance(element.value, Sequence):
                below += element.value
        if not below:
            return
        level = below
    raise too_deep()


def too_deep() -> NotARadiographError:
    """Return the error for sequences that are nested too deep."""
    return NotARadiographError(
        f"its header has sequences nested more than {MAX_DEPTH} deep; the standard "
        "needs about ten: the file is hostile or damaged, leave it out"
    )


def _too_many() -> NotARadiographError:
    return NotARadiographError(
        f"its header has more than {MAX_HEADS} elements; a radiograph has some "
        "hundreds: the file is hostile, damaged or of another kind, leave it out"
    )


class _Heads:
    """A stream that ends after too many heads, or if items are nested too deep."""

    def __init__(self, stream: BinaryIO, left: int, *, little: bool) -> None:
        self._stream, self.left = stream, left
        self.seek, self.tell = stream.seek, stream.tell
        self._head = struct.Struct("<HHL" if little else ">HHL")
        self._ends: list[float] = []
        """The end of each open item; infinite for an item that a delimiter ends."""

    def read(self, size: int = -1) -> bytes:
        """Read bytes; pydicom reads each head as eight bytes at a time."""
        if self.left < 0 or self._is_deep:
            return b""
        data = self._stream.read(size)
        if size == self._head.size == len(data):
            self.left -= 1
            self._follow(*self._head.unpack(data))
        return data

    @property
    def _is_deep(self) -> bool:
        return len(self._ends) > MAX_DEPTH

    def _follow(self, group: int, element: int, length: int) -> None:
        """Open or close items; real values do not look like heads."""
        here = self.tell()
        while self._ends and self._ends[-1] < here:
            self._ends.pop()
        if (group, element) == _ITEM:
            self._ends.append(math.inf if length == _UNDEFINED else here + length)
        elif (group, element) == _ITEM_END and self._ends:
            self._ends.pop()

    def check(self) -> None:
        if self._is_deep:
            raise too_deep()
        if self.left < 0:
            raise _too_many()


def _items(raw: RawDataElement, left: int) -> tuple[Iterable[Dataset], int]:
    """Return a sequence's items, with unparsed sequences, and the remaining heads."""
    value = raw.value or b""
    if not _may_be_sequence(raw, value):
        return (), left
    heads = _Heads(io.BytesIO(value), left, little=raw.is_little_endian)
    try:
        items: Iterable[Dataset] = read_sequence(
            cast("BinaryIO", heads),
            raw.is_implicit_VR,
            raw.is_little_endian,
            len(value),
            default_encoding,
        )
    except UNDECODABLE:
        items = ()  # it stays bytes later on, too
    heads.check()
    return items, heads.left


def _may_be_sequence(raw: RawDataElement, value: bytes) -> bool:
    """Tell whether pydicom may ever parse a value as a sequence."""
    vr = raw.VR if raw.VR and raw.VR != "UN" else implicit_vr(raw.tag)
    return vr == "SQ" or (vr == "UN" and value[:4] in _ITEM_BYTES)
