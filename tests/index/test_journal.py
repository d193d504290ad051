"""A file is read once; it is read again if it changed, failed or was interrupted."""

import dataclasses
import json
import os
from typing import Any

import pytest

from cxr_sr.errors import OutputError
from cxr_sr.formats.discover import Candidate, discover
from cxr_sr.index.build import IndexSettings, assemble
from cxr_sr.index.facts import Facts, Finding
from cxr_sr.index.given import Manifest
from cxr_sr.index.journal import Journal
from cxr_sr.index.split import Salt, Shares
from cxr_sr.index.summary import IndexSummary
from tests.builders import write_png
from tests.index.builders import some_facts

SALT = Salt.of("a secret of sixteen")


@pytest.fixture
def files(tmp_path) -> list[Candidate]:
    """Three files that may be images."""
    (tmp_path / "data").mkdir()
    for name in "abc":
        write_png(tmp_path / "data" / f"{name}.png")
    return [c for c in discover([tmp_path / "data"]) if isinstance(c, Candidate)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "index.journal.jsonl"


def journal(path, salt=SALT, tool="1.0") -> Journal:
    return Journal(path, salt, tool)


def found(candidate: Candidate, facts: Facts | None = None, **more) -> Finding:
    name = candidate.relative.as_posix()
    return Finding(name, facts if more else facts or some_facts(view=name), **more)


def run(path, files, **changes):
    """Do a whole run; return the known files, and the files that the run read."""
    with journal(path, **changes) as running:
        known, todo = running.sift(files)
        for candidate in todo:
            running.add(found(candidate))
    return known, todo


def test_a_first_run_reads_everything(path, files):
    assert run(path, files) == ([], files)


def test_a_second_run_reads_nothing_and_knows_the_same(path, files):
    run(path, files)
    known, todo = run(path, files)
    assert todo == []
    assert known == [found(candidate) for candidate in files]


def test_only_new_files_are_read(path, files):
    run(path, files[:2])
    assert run(path, files)[1] == files[2:]


def test_a_file_that_is_gone_is_forgotten(path, files):
    run(path, files)
    assert [k.file for k in run(path, files[1:])[0]] == ["b.png", "c.png"]


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_file_that_has_changed_is_read_again(path, files, change):
    run(path, files)
    changed = files[1].path
    status = changed.stat()
    if change == "size":
        changed.write_bytes(changed.read_bytes() + b"x")
        os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert run(path, files)[1] == [files[1]]
    assert run(path, files)[1] == []


def test_what_was_said_last_holds(path, files):
    run(path, files)
    os.utime(files[0].path, ns=(1, 1))
    with journal(path) as running:
        running.sift(files)
        running.add(found(files[0], some_facts(view="LL")))
    known, _ = run(path, files)
    assert {k.file: k.facts.view for k in known}["a.png"] == "LL"


@pytest.mark.parametrize(
    "change", [{"salt": Salt.of("another secret!!")}, {"tool": "1.1"}], ids=str
)
def test_another_salt_or_version_begins_anew(path, files, change):
    run(path, files)
    assert run(path, files, **change)[1] == files
    assert run(path, files, **change)[1] == []


def test_refusals_are_remembered(path, files):
    with journal(path) as running:
        running.sift(files)
        refused = found(files[0], kind="no radiograph", reason="a CT")
        running.add(refused)
    assert run(path, files)[0] == [refused]


def test_what_could_not_be_read_is_tried_again(path, files):
    with journal(path) as running:
        running.sift(files)
        running.add(found(files[0], kind="unreadable", reason="the disk is busy"))
    assert run(path, files) == ([], files)


def test_a_file_that_went_away_meanwhile_is_not_kept(path, files):
    files[0].path.unlink()
    with journal(path) as running:
        running.sift(files)
        running.add(found(files[0]))
    write_png(files[0].path)
    assert run(path, files)[1] == files


def test_lines_are_on_their_way_before_the_next_file_is(path, files):
    with journal(path) as running:
        running.sift(files)
        running.add(found(files[0]))
        assert path.read_text().endswith("\n")
        assert json.loads(path.read_text().splitlines()[-1])["file"] == "a.png"


def test_a_kill_in_the_middle_of_a_line_costs_that_line_only(path, files):
    """The kill comes after any byte of the last two lines."""
    run(path, files)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    complete = len(whole) - len(lines[-1])
    for length in range(complete - len(lines[-2]), len(whole)):
        path.write_bytes(whole[:length])
        known, todo = run(path, files)
        # A line is whole as soon as its last brace is there.
        lost = 1 if length >= complete - 1 else 2
        lost -= length >= len(whole) - 1
        assert (len(known), len(todo)) == (3 - lost, lost)
        assert run(path, files)[1] == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 100,
        b"not JSON\n",
        b"[1]\n",
        b'{"journal": 0}\n',
        b"\xff\xfe\n",
    ],
    ids=repr,
)
def test_what_is_no_journal_is_begun_anew(path, files, content):
    path.write_bytes(content)
    assert run(path, files) == ([], files)
    assert run(path, files)[1] == []


def test_lines_that_are_not_ours_are_passed_over(path, files):
    run(path, files)
    with path.open("a") as file:
        file.write('{"file": "a.png"}\n[1]\n"text"\n')
        line = {"file": "a.png", "size": 1, "mtime_ns": 1, "facts": {"who": 1}}
        file.write(json.dumps(line | {"kind": "", "reason": ""}) + "\n")
    assert run(path, files)[1] == []


WRONG: list[Any] = [
    None,
    True,
    1.5,
    -1,
    "",
    "\0",
    [],
    {},
    {"a": 1},
    9**400,
    float("nan"),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda w: repr(w)[:9])
def test_a_line_of_another_type_is_read_anew_and_ends_nothing(path, files, wrong):
    """After an edit of any value of any key, the index equals a whole run's index."""
    run(path, files)
    *others, last = path.read_text().splitlines(keepends=True)
    line = json.loads(last)
    edits = [line | {key: wrong} for key in line]
    edits += [line | {"facts": line["facts"] | {k: wrong}} for k in line["facts"]]
    edits += [{k: v for k, v in line.items() if k != key} for key in line]
    for edited in edits:
        path.write_text("".join([*others, json.dumps(edited) + "\n"]))
        known, todo = run(path, files)
        assert {k.file for k in known} | {c.relative.name for c in todo} >= {
            "a.png",
            "b.png",
        }
        settings = IndexSettings(
            SALT, Shares.parse("train=0.8,val=0.1,test=0.1"), Manifest()
        )
        IndexSummary.of(assemble(known, settings))


def test_a_fifo_is_refused_and_not_waited_for(path):
    os.mkfifo(path)
    with pytest.raises(OutputError, match="no regular file"), journal(path):
        pass


def test_it_holds_no_salt_and_no_absolute_path(path, files, tmp_path):
    run(path, files)
    text = path.read_text()
    assert SALT.secret.decode() not in text
    assert str(tmp_path) not in text


def test_every_fact_survives(path, files):
    facts = some_facts(row_spacing_mm=0.1234, column_spacing_mm=None, age="90+")
    with journal(path) as running:
        running.sift(files)
        running.add(found(files[0], facts))
    (known,) = run(path, files)[0]
    assert dataclasses.asdict(known.facts) == dataclasses.asdict(facts)
