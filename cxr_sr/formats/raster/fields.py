"""Read the text headers of raster files: only known fields, each once.

If this program skipped an unknown line, another program might still use it, for example
as the name of a second file. So a file with an unknown line is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import IO, TypeVar

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.header.elements import LARGEST_NUMBER
from cxr_sr.formats.kind import Kind

MAX_HEADER_BYTES = 2**20
"""Largest header. Usual headers have some hundreds of bytes; with a copy of a DICOM
header, some thousands."""
DESCRIPTION = "Description"
"""Key of a free text, in MetaImage, NRRD and PNG."""


_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_VECTOR = re.compile(r"none|\([^()]*\)")
_COUNT = re.compile(r"0*[1-9]\d{0,8}", re.ASCII)
Meaning = TypeVar("Meaning")


def header_lines(file: IO[bytes], kind: Kind) -> Iterator[str]:
    """Yield the lines of a header without their ends; read no byte after them.

    Parameters
    ----------
    file : open at the start of the first line

    Raises
    ------
    UnreadableError
        If the file ends within a line, or the header is longer than
        `MAX_HEADER_BYTES`.
    """
    left = MAX_HEADER_BYTES
    while left > 0:
        line = file.readline(left)
        left -= len(line)
        if left > 0 and not line.endswith(b"\n"):
            raise damaged_header(kind, "ends before its samples begin")
        if line.endswith(b"\n"):
            yield line[:-1].removesuffix(b"\r").decode("latin-1")
    raise damaged_header(kind, f"is longer than {MAX_HEADER_BYTES >> 10} KiB")


class Fields:
    """The fields of a header; each method checks a value when it returns the value."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._values: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def add(self, name: str, value: str) -> None:
        """Add a field; raise UnreadableError if the header has it already."""
        if name in self._values:
            raise self.damaged(f"states {name} twice")
        self._values[name] = value

    def text(self, name: str) -> str:
        """Return the text of a field without outer blanks.

        A message must not quote the text, because it may name a patient.

        Raises
        ------
        UnreadableError
            If the header lacks the field.
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
        """Return the meaning of the text of a field; `default` if the field is missing.

        Raises
        ------
        UnreadableError
            If the text is unknown, or the field is missing and has no default.
        """
        if default is not None and name not in self:
            return default
        text = self.text(name)
        if text not in meanings:
            raise self.damaged(f"states {name} in no known words")
        return meanings[text]

    def numbers(self, name: str, count: int) -> tuple[float, ...]:
        """Return `count` finite numbers; raise UnreadableError for another value."""
        return self.finite(name, self.text(name).split(), count)

    def vectors(self, name: str, count: int) -> list[tuple[float, ...] | None]:
        """Return vectors of `count` numbers, such as "(1,0) (0,1)"; None for "none"."""
        text = self.text(name)
        if re.sub(_VECTOR, "", text).strip(" \t"):
            raise self.damaged(f"states {name} in a form other than vectors")
        return [
            None
            if word == "none"
            else self.finite(name, re.split(r"[\s,]+", word.strip("() \t")), count)
            for word in re.findall(_VECTOR, text)
        ]

    def finite(self, name: str, words: list[str], count: int) -> tuple[float, ...]:
        """Return the words of a field as numbers; raise UnreadableError for others."""
        if len(words) != count or not all(map(_NUMBER.fullmatch, words)):
            raise self.damaged(f"states {name} in a form other than {count} numbers")
        values = tuple(map(float, words))
        if any(abs(v) > LARGEST_NUMBER for v in values):
            raise self.damaged(f"states {name} above {LARGEST_NUMBER:g}")
        return values

    def counts(self, name: str, count: int | None = None) -> tuple[int, ...]:
        """Return `count` positive whole numbers; None: any number of them."""
        words = self.text(name).split()
        fits = count is None or len(words) == count
        if not words or not fits or not all(map(_COUNT.fullmatch, words)):
            raise self.damaged(
                f"states {name} in a form other than positive whole numbers"
            )
        return tuple(map(int, words))

    def damaged(self, what: str) -> UnreadableError:
        """Return the error for this header; see `damaged_header`."""
        return damaged_header(self._kind, what)


def damaged_header(kind: Kind, what: str) -> UnreadableError:
    """Return the error for a damaged header; it quotes no value of the header.

    Parameters
    ----------
    what : the fault, such as "states no size"
    """
    return UnreadableError(
        f"the {kind.value} header {what}; the file is damaged, or has an unsupported "
        "form: export it again"
    )
