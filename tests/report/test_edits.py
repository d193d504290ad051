"""An edited or damaged report may lose lines, but it never ends a run."""

import json
import random
from typing import Any

import pytest

from cxr_sr.report.earlier import EarlierRuns
from cxr_sr.report.outcome import Job

RUN: dict[str, Any] = {
    "type": "run",
    "version": 1,
    "clock": "2026-01-01T00:00:00+00:00",
}
FILE: dict[str, Any] = {"type": "file", "file": "a.dcm", "status": "done"}
FILE["input_sha256"] = "a"
RUN["settings_sha256"] = FILE["settings_sha256"] = "s"
VALUES: list[Any] = [
    None,
    True,
    -1,
    1e400,
    "",
    "\0",
    "\ud800",
    [],
    {},
    [[]],
    {"a": 1},
    "../x",
    9**99,
]
TEXT = "".join(json.dumps(line) + "\n" for line in (RUN, FILE))


def edits():
    """Remove every key, and replace every value by a value of each other type."""
    for number, line in enumerate((RUN, FILE)):
        for key in line:
            for value in VALUES:
                lines = [RUN, FILE]
                lines[number] = line | {key: value}
                yield lines
            lines = [RUN, FILE]
            lines[number] = {k: v for k, v in line.items() if k != key}
            yield lines


def history(path):
    """Read the report like a resumed run, and sift one job."""
    earlier = EarlierRuns.read(path, "s")
    assert earlier.clock is None or earlier.clock.tzinfo
    job = Job("a.dcm", path, "a.dcm", path.with_name("a.dcm"))
    assert [*earlier.sift([job], lambda _: None)] == [job]


@pytest.mark.parametrize("lines", [*edits()])
def test_a_value_of_another_kind(tmp_path, lines):
    path = tmp_path / "report.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    history(path)


WHOLE = {
    "nothing": b"",
    "zeros": bytes(5000),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "UTF-16": TEXT.encode("utf-16"),
    "deep": b"[" * 10**5,
    "a number without end": b"1" * 10**5,
    "a clock without a zone": TEXT.replace("+00:00", "").encode(),
    "half": TEXT[: len(TEXT) // 2].encode(),
    "one line": TEXT.replace("\n", "").encode(),
    "a list": json.dumps([RUN, FILE]).encode(),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_file_of_another_kind(tmp_path, kind):
    path = tmp_path / "report.jsonl"
    path.write_bytes(WHOLE[kind])
    history(path)


def test_an_editors_mark_costs_nothing(tmp_path):
    path = tmp_path / "report.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert EarlierRuns.read(path, "s").clock is not None


def test_bytes_changed_by_chance(tmp_path):
    path, chance = tmp_path / "report.jsonl", random.Random(0)  # noqa: S311
    for _ in range(300):
        content = bytearray(TEXT.encode())
        for _ in range(chance.randint(1, 6)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)
        history(path)
