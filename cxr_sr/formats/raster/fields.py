"""Text headers of raster files, read by an allow-list: known fields, each once.

Another program may understand a line that this one skips, for instance as the name of
a second file. So a line is either understood here, or the file is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import IO, TypeVar

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.kind import Kind

MAX_HEADER_BYTES = 2**20
"""Real headers have some hundreds, and some thousands with a copy of a DICOM header."""
DESCRIPTION = "Description"
"""A key of free words, in MetaImage, NRRD and PNG."""
LARGEST_NUMBER = 1e15
"""Beyond it lies nothing in pixels or millimetres, and arithmetic might overflow."""

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_VECTOR = re.compile(r"none|\([^()]*\)")
_COUNT = re.compile(r"0*[1-9]\d{0,8}", re.ASCII)
Meaning = TypeVar("Meaning")


def header_lines(file: IO[bytes], kind: Kind) -> Iterator[str]:
    """Yield the lines from where `file` is, without their ends; nothing is read ahead.

    Raises
    ------
    UnreadableError
        If the file ends within a line, or the header goes on beyond
        `MAX_HEADER_BYTES`.
    """
    left = MAX_HEADER_BYTES
    while left > 0:
        line = file.readline(left)
        left -= len(line)
        if left > 0 and not line.endswith(b"\n"):
            raise _damaged(kind, "ends before its samples begin")
        if line.endswith(b"\n"):
            yield line[:-1].removesuffix(b"\r").decode("latin-1")
    raise _damaged(kind, f"is longer than {MAX_HEADER_BYTES >> 10} KiB")


class Fields:
    """The fields of one header; their values are checked when they are asked for."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._values: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def add(self, name: str, value: str) -> None:
        """Take in a field; UnreadableError if it is there already."""
        if name in self._values:
            raise self.damaged(f"states {name} twice")
        self._values[name] = value

    def text(self, name: str) -> str:
        """Return a field's text, without blanks around it; UnreadableError if absent.

        It must not be quoted: anything may be in it.
        """
        if name not in self._values:
            raise self.damaged(f"does not state {name}")
        return self._values[name].strip(" \t")

    def one_of(
        self,
        name: str,
        meanings: Mapping[str, Meaning],
        default: Meaning | None = None,
    ) -> Meaning:
        """Return the meaning of a field's text, `default` if it is absent.

        Raises
        ------
        UnreadableError
            If the text is none of the known ones, or absent without a default.
        """
        if default is not None and name not in self:
            return default
        text = self.text(name)
        if text not in meanings:
            raise self.damaged(f"states {name} in no known words")
        return meanings[text]

    def numbers(self, name: str, count: int) -> tuple[float, ...]:
        """Return `count` finite numbers; UnreadableError if anything else is there."""
        return self.finite(name, self.text(name).split(), count)

    def vectors(self, name: str, count: int) -> list[tuple[float, ...] | None]:
        """Return vectors of `count` numbers, such as "(1,0) (0,1)"; None for "none"."""
        text = self.text(name)
        if re.sub(_VECTOR, "", text).strip(" \t"):
            raise self.damaged(f"states {name}, but not as vectors")
        return [
            None
            if word == "none"
            else self.finite(name, re.split(r"[\s,]+", word.strip("() \t")), count)
            for word in re.findall(_VECTOR, text)
        ]

    def finite(self, name: str, words: list[str], count: int) -> tuple[float, ...]:
        """Return a field's words as numbers; UnreadableError if they are none."""
        if len(words) != count or not all(map(_NUMBER.fullmatch, words)):
            raise self.damaged(f"states {name}, but not as {count} numbers")
        values = tuple(map(float, words))
        if any(abs(v) > LARGEST_NUMBER for v in values):
            raise self.damaged(f"states {name} larger than anything in an image")
        return values

    def counts(self, name: str, count: int | None = None) -> tuple[int, ...]:
        """Return `count` positive whole numbers, any number of them if it is None."""
        words = self.text(name).split()
        fits = count is None or len(words) == count
        if not words or not fits or not all(map(_COUNT.fullmatch, words)):
            raise self.damaged(f"states {name}, but not as positive whole numbers")
        return tuple(map(int, words))

    def damaged(self, what: str) -> UnreadableError:
        """Return the error for a header that has this fault; no value is quoted."""
        return _damaged(self._kind, what)


def _damaged(kind: Kind, what: str) -> UnreadableError:
    return UnreadableError(
        f"the {kind.value} header {what}; the file is damaged, or of a form that is "
        "not read here: export it anew"
    )
