"""Refuse headers with too many elements, before they are parsed.

A file of some megabytes can hold a million elements or items without a value. To parse,
derive and write such a header takes minutes and gigabytes. So the heads of elements and
items are counted first.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import BinaryIO, cast

from pydicom.charset import default_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset, read_sequence
from pydicom.tag import BaseTag

from cxr_sr.errors import NotARadiographError
from cxr_sr.formats.dicom.encoding import implicit_vr
from cxr_sr.formats.header.elements import UNDECODABLE

MAX_HEADS = 100_000
"""Largest number of elements and items in a header. A radiograph has some hundreds;
with all private groups of its vendor, some thousands."""
MAX_DEPTH = 64
"""Largest number of levels of nested sequences; the standard needs about ten."""
_HEAD_BYTES = 8

Stop = Callable[[BaseTag, str | None, int], bool]


def read_bounded(
    file: BinaryIO, *, implicit: bool, little: bool, stop_when: Stop | None = None
) -> Dataset:
    """Read a data set, with its sequences of undefined length, up to `stop_when`.

    Raises
    ------
    NotARadiographError
        If the data set has too many elements.
    """
    heads = _CountedHeads(file, MAX_HEADS)
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
        If they have too many elements, or are nested too deep.
    """
    left = MAX_HEADS
    sequences = _unparsed(dataset.elements())
    for _ in range(MAX_DEPTH):
        if not sequences:
            return
        below: list[RawDataElement] = []
        for raw in sequences:
            items, left = _items(raw, left)
            below += _unparsed(element for item in items for element in item.elements())
        sequences = below
    raise _too_much()


def _too_much() -> NotARadiographError:
    return NotARadiographError(
        f"its header has more than {MAX_HEADS} elements, or sequences more than "
        f"{MAX_DEPTH} deep; a radiograph has some hundreds of elements: the file is "
        "hostile, damaged or of another kind, leave it out"
    )


class _CountedHeads:
    """A stream that ends after a given number of heads."""

    def __init__(self, stream: BinaryIO, left: int) -> None:
        self._stream = stream
        self.left = left
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """Read bytes; pydicom reads each head as eight bytes at a time."""
        self.left -= size == _HEAD_BYTES
        return b"" if self.left < 0 else self._stream.read(size)

    def check(self) -> None:
        if self.left < 0:
            raise _too_much()


def _items(raw: RawDataElement, left: int) -> tuple[Iterable[Dataset], int]:
    """Return a sequence's items, with unparsed sequences, and the remaining heads."""
    value = raw.value or b""
    heads = _CountedHeads(io.BytesIO(value), left)
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


def _unparsed(
    elements: Iterable[DataElement | RawDataElement],
) -> list[RawDataElement]:
    return [
        element
        for element in elements
        if isinstance(element, RawDataElement)
        and element.value
        and (element.VR or implicit_vr(element.tag)) == "SQ"
    ]
