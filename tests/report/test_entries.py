"""Each line that is read has the types in its class."""

import json
from typing import get_type_hints

import pytest

from cxr_sr.report.entries import FileEntry, RunEntry, read_entries
from tests.files import a_png, report_of, upscale

RUN = {"type": "run", "version": 1, "clock": None, "settings": {"model": "fine"}}
FILE = {
    "type": "file",
    "file": "a.dcm",
    "status": "done",
    "input_size": [4, 6],
    "input_spacing_mm": [0.5, 1],
    "seconds": {"read": 1},
    "later": "a key of a later release",
}


def read(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return list(read_entries(path))


def test_lines_of_the_right_types_are_read_as_they_are(tmp_path):
    spacing_unknown = FILE | {"input_spacing_mm": None}
    lines = [RUN, FILE, spacing_unknown]
    assert read(tmp_path / "r", *lines) == lines


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("file", 7),
        ("status", "perhaps"),
        ("status", ["done"]),
        ("output", ["a"]),
        ("output_sha256", 7),
        ("input_size", "4 x 6"),
        ("input_size", [4, 6, 1]),
        ("input_size", [4, "6"]),
        ("input_spacing_mm", [0.5, None]),
        ("seconds", 3),
        ("minimum", 0.5),
        ("factors", {"0": 2, "1": 2}),
    ],
)
def test_a_line_with_a_value_of_another_type_is_passed_over(tmp_path, key, value):
    assert read(tmp_path / "r", FILE | {key: value}, RUN) == [RUN]


@pytest.mark.parametrize("key", ["type", "file", "status"])
def test_a_line_without_what_every_line_has_is_passed_over(tmp_path, key):
    torn = {k: v for k, v in FILE.items() if k != key}
    assert read(tmp_path / "r", torn, RUN) == [RUN]


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"type": ["file"]}', '{"type": "run", "version": "1"}']
)
def test_a_line_that_is_none_is_passed_over(tmp_path, text):
    path = tmp_path / "r"
    path.write_text(f"{text}\n{json.dumps(FILE)}\n")
    assert list(read_entries(path)) == [FILE]


def test_upscale_writes_no_key_without_a_type(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    upscale(a_png(tmp_path / "in" / "a.png"), "-o", "out")
    run, file, _ = report_of()
    assert set(run) == set(get_type_hints(RunEntry))
    assert set(file) <= set(get_type_hints(FileEntry))
    report = tmp_path / "out" / "cxr-sr-report.jsonl"
    assert list(read_entries(report)) == [run, file]
