"""Read the directories of a TIFF file, and the facts in the first directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, Literal

from cxr_sr.formats.raster.orient import UPRIGHT, known

MOST_PAGES = 1000
"""Largest number of directories to read; a longer chain is a circle."""
_LONGEST_FIELD = 2**23
"""Largest field in bytes: enough for the places of a million tiles."""
REDUCED = 1
"""Bit of NewSubfileType: a smaller version of another page."""
PALETTE = 3
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 16: 8}
_RATIONAL = 5
_GRAY_OR_COLOUR = {0, 1, 2, PALETTE}
_YCBCR = 6
_JPEG = {6, 7}
"""The older form (6) is not read, because such a file does not show if it is whole."""
_FAX = {2, 3, 4}
_COMPRESSIONS = {1, *_FAX, 5, 7, 8, 32773, 32946, 34887, 34925, 50000, 50001}
"""Supported compressions: none, facsimile, LZW, JPEG, deflate (two numbers), PackBits,
LERC, LZMA, Zstandard and WebP. Facsimiles have single bits, and are refused for that
reason."""
SOFTWARE = 305
JPEG_TABLES = 347
"""A JPEG stream with only the tables of all strips or tiles."""


@dataclass(frozen=True)
class IfdEntry:
    """One field of a directory."""

    value: int
    """The first value, if it is a whole number."""
    values_at: int
    """Place of the values in the file, in bytes."""
    entry_at: int
    """Place of the four or eight bytes with the value or with its place."""
    count: int
    type: int


class Directory(dict[int, IfdEntry]):
    """The fields of one page by their tags."""

    def __init__(self, file: IO[bytes], order: Literal["little", "big"]) -> None:
        super().__init__()
        self._file = file
        self._order: Literal["little", "big"] = order

    def number(self, tag: int, default: int) -> int:
        """Return the first value of a field; `default` without the field."""
        return self[tag].value if tag in self else default

    def ratio(self, tag: int) -> float:
        """Return the value of a RATIONAL field; 0 without such a field."""
        if tag not in self or self[tag].type != _RATIONAL:
            return 0.0
        raw = self.bytes_of(tag, 8)
        above, below = (int.from_bytes(raw[i : i + 4], self._order) for i in (0, 4))
        return above / below if below else 0.0

    def bytes_of(self, tag: int, most: int) -> bytes:
        """Return at most `most` bytes of a field's values; b"" without the field."""
        if tag not in self:
            return b""
        here = self._file.tell()
        entry = self[tag]
        self._file.seek(entry.values_at)
        found = self._file.read(min(most, entry.count * _WIDTHS.get(entry.type, 0)))
        self._file.seek(here)
        return found

    def numbers(self, tag: int) -> list[int]:
        """Return all values of a field of whole numbers; [] without the field."""
        width = _WIDTHS.get(self[tag].type, 0) if tag in self else 0
        raw = self.bytes_of(tag, _LONGEST_FIELD)
        starts = range(0, len(raw), width or 1)
        return [int.from_bytes(raw[i : i + width], self._order) for i in starts]

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns) as stored."""
        return self[257].value, self[256].value

    @property
    def channels(self) -> int:
        """Number of samples of a decoded pixel, with alpha."""
        return self.number(277, 1)

    @property
    def orientation(self) -> int:
        """1 to 8."""
        return known(self.number(274, UPRIGHT))

    @property
    def is_lossy(self) -> bool:
        """True if the pixels are JPEG."""
        return self.number(259, 1) in _JPEG

    @property
    def oddity(self) -> str:
        """The reason why the page cannot be read, in a few words; "" if it can."""
        photometric = self.number(262, 1)
        gray_or_colour = photometric in _GRAY_OR_COLOUR or (
            photometric == _YCBCR and self.is_lossy
        )
        oddities = {
            "a colour space other than gray or RGB": not gray_or_colour,
            "floating point samples": self.number(339, 1) not in {1, 2},
            "an unsupported compression": self.number(259, 1) not in _COMPRESSIONS,
            "a palette with indices of more than 8 bits": photometric == PALETTE
            and self.number(258, 1) != 8,
        }
        return next((name for name, found in oddities.items() if found), "")


def directories(file: IO[bytes]) -> Iterator[Directory]:
    """Yield the directories of the pages of a TIFF or BigTIFF file.

    References
    ----------
    TIFF 6.0 section 2
    """
    file.seek(0)
    head = file.read(16)
    order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
    number = partial(int.from_bytes, byteorder=order)
    big = number(head[2:4]) == 43
    at = number(head[8:16] if big else head[4:8])
    for _ in range(MOST_PAGES):
        if not at:
            return
        file.seek(at)
        directory = Directory(file, order)
        at = _fill(directory, file, number, big=big)
        yield directory


def first_directory(file: IO[bytes]) -> Directory:
    """Return the directory of the first page; raise EOFError if there is none."""
    for directory in directories(file):
        return directory
    raise EOFError


def _fill(
    directory: Directory,
    file: IO[bytes],
    number: Callable[[bytes], int],
    *,
    big: bool,
) -> int:
    """Read the fields; return the place of the next directory, 0 without one."""
    count_bytes, offset_bytes = (8, 8) if big else (2, 4)
    for _ in range(number(file.read(count_bytes))):
        entry_at = file.tell() + 4 + offset_bytes
        entry = file.read(4 + 2 * offset_bytes)
        if len(entry) < 4 + 2 * offset_bytes:
            raise EOFError
        tag, kind = number(entry[:2]), number(entry[2:4])
        width = _WIDTHS.get(kind, 0)
        count = number(entry[4 : 4 + offset_bytes])
        inside = width * count <= offset_bytes
        at = entry_at if inside else number(entry[4 + offset_bytes :])
        here = file.tell()
        file.seek(at)
        value = number(file.read(min(width, 8)))
        file.seek(here)
        directory[tag] = IfdEntry(value, at, entry_at, count, kind)
    return number(file.read(offset_bytes))
