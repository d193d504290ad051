"""Texts from outside are seen as they are: on one line, no formula, and come back."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_sr.texts import (
    cell,
    escaped,
    markdown_table,
    original,
    read_rows,
    write_rows,
)

FORMULAS = ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "=cmd|'/C calc'!A0", "\uff1d1"]
CONTROLS = ["\t=1", "\r=1", "\n=1", "\x00", "a\nb", "a\x1b[31mb", "a\x9bb", "\u2028"]


@pytest.mark.parametrize("text", [*FORMULAS, *CONTROLS])
def test_no_cell_is_a_formula_or_has_a_control_character(text):
    written = str(cell(text))
    assert written[0] not in "=+-@\t\r\n\uff1d"
    assert written.isprintable()
    assert original(written) == text


@given(st.text() | st.sampled_from(FORMULAS).map("'".__add__))
def test_any_cell_comes_back(text):
    assert original(str(cell(text))) == text


@pytest.mark.parametrize("text", ["-0.25", "+3", "-1e-05", ".5", "", "a.dcm", "it's"])
def test_numbers_and_plain_texts_stay(text):
    assert cell(text) == text == original(text)


@pytest.mark.parametrize("value", [-0.5, 3, None, True])
def test_what_is_no_text_stays(value):
    assert cell(value) is value


@pytest.mark.parametrize("text", ["'quoted'", "\u241b", "\u241b123456;", "\u241bff"])
def test_what_others_wrote_is_not_changed_by_reading(text):
    assert original(text) == text


@given(st.lists(st.tuples(st.text(), st.text())))
def test_a_table_comes_back_a_row_a_line(pairs):
    rows = [dict(zip("ab", pair, strict=True)) for pair in pairs]
    file = io.StringIO(newline="")
    write_rows(file, ["a", "b"], rows)
    assert file.getvalue().count("\n") == 1 + len(rows)
    assert "\r" not in file.getvalue()
    file.seek(0)
    assert read_rows(file) == (["a", "b"], rows)


def test_cells_beyond_the_columns_are_left_out():
    assert read_rows(io.StringIO("a\n1,2,3\n"))[1] == [{"a": "1"}]


def test_what_is_no_csv_is_refused_as_csv_does():
    with pytest.raises(csv.Error):
        read_rows(io.StringIO("a\n" + "x" * 200_000))


@pytest.mark.parametrize("text", CONTROLS)
def test_a_line_stays_one_line(text):
    assert escaped(text).isprintable()
    assert len(escaped(text).splitlines()) == 1


def test_what_is_kept_is_kept():
    assert escaped("a\tb\nc", keep="\n") == "a\\tb\nc"


def test_a_markdown_table_has_numbers_on_the_right():
    table = markdown_table(("model", "dB"), [("fine", "40.1"), ("fast", "39.2")], 1)
    assert table.splitlines() == [
        "| model | dB |",
        "|---|--:|",
        "| fine | 40.1 |",
        "| fast | 39.2 |",
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_first_line_tells_the_delimiter(delimiter):
    """Excel writes semicolons in countries with a decimal comma."""
    lines = [
        ("file", "patient"),
        ("a.png", "1,5;2") if delimiter == "\t" else ("a", "p"),
    ]
    text = "".join(delimiter.join(line) + "\r\n" for line in lines)
    columns, rows = read_rows(io.StringIO(text, newline=""))
    assert columns == ["file", "patient"]
    assert [tuple(row.values()) for row in rows] == lines[1:]
