"""Write foreign texts (file names, facts, model names) safely into lines and tables.

A control character could move a terminal's cursor or split a line. A cell that looks
like a formula is a formula to a spreadsheet. So both are escaped; `original` restores
the text of a cell.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import IO, Any

Row = dict[str, str]
"""A row of a CSV table, by column."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""C0, DEL and C1; line separators; and marks of the direction of writing."""
_FORMULA = re.compile("'*[=+\\-@\uff0b\uff0d\uff1d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_ESCAPE = "\u241b"
"""Marks the number of a character in a cell: the picture of ESC, which is harmless in a
spreadsheet and does not occur in texts."""
_ESCAPED = re.compile(f"{_ESCAPE}([0-9a-f]+);")


def escaped(text: str, keep: str = "") -> str:
    r"""Return a text on one line, control characters as \x0a or \u2028.

    Parameters
    ----------
    keep : control characters that stay
    """
    return _CONTROL.sub(lambda m: m[0] if m[0] in keep else ascii(m[0])[1:-1], text)


def cell(value: object) -> object:
    """Return a value in a safe form for a CSV file that a spreadsheet may open.

    Numbers stay. A text that looks like a formula gets an apostrophe before it. A
    control character becomes its number between two marks.

    References
    ----------
    OWASP, "CSV Injection".
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    text = value.replace(_ESCAPE, f"{_ESCAPE}{ord(_ESCAPE):x};")
    text = _CONTROL.sub(lambda m: f"{_ESCAPE}{ord(m[0]):x};", text)
    return f"'{text}" if _FORMULA.match(text) else text


def original(text: str) -> str:
    """Return the text that `cell` has changed; other texts stay."""
    if text.startswith("'") and _FORMULA.match(text):
        text = text[1:]
    return _ESCAPED.sub(lambda m: _character(int(m[1], 16), m[0]), text)


def _character(number: int, otherwise: str) -> str:
    known = number == ord(_ESCAPE) or number <= ord("\u2069")
    return chr(number) if known else otherwise


def is_unicode(name: str) -> bool:
    """Tell whether the name of a file is Unicode; on Linux a name may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def part_of(text: str) -> tuple[int, int] | None:
    """Return I and N of a text "I/N" with 1 <= I <= N; None for another text."""
    index, _, count = text.partition("/")
    if index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count):
        return int(index), int(count)
    return None


DELIMITERS = (",", ";", "\t")
"""Characters that separate the cells of a table; at equal counts, the first."""


def write_rows(
    file: IO[str], columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write a CSV table with safe cells; a missing cell is empty."""
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: cell(v) for k, v in row.items()} for row in rows)


def markdown_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0
) -> str:
    """Return a Markdown table, without a line break at its end.

    Parameters
    ----------
    numbers : number of last columns that are aligned to the right
    """
    rule = "|" + "---|" * (len(columns) - numbers) + "--:|" * numbers
    head, *lines = (f"| {' | '.join(cells)} |" for cells in (columns, *rows))
    return "\n".join([head, rule, *lines])


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the text that `write_rows` would write."""
    file = io.StringIO()
    write_rows(file, columns, rows)
    return file.getvalue()


def read_rows(file: IO[str]) -> tuple[Sequence[str], list[Row]]:
    """Return the columns and rows of a CSV table, with the original texts of cells.

    A missing cell is "", and cells beyond the columns are left out. The delimiter is
    the most frequent of `DELIMITERS` in the first line: Excel writes semicolons where
    a comma is the decimal sign.

    Raises
    ------
    csv.Error
        If the file is no CSV.
    """
    head = file.readline()
    delimiter = max(DELIMITERS, key=head.count)
    reader = csv.DictReader(chain([head], file), restval="", delimiter=delimiter)
    rows = [
        {k: original(v) for k, v in row.items() if isinstance(k, str)} for row in reader
    ]
    return reader.fieldnames or (), rows
