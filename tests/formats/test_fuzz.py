"""Some hundreds of hostile files; `python -m tests.fuzz` makes ten thousand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cxr_sr.formats import read
from tests import fuzz as command
from tests.formats.dicom.mutations import MUTATIONS, mutant, seeds
from tests.formats.raster import mutations as raster
from tests.fuzz import KINDS, fuzz, kind_of

COUNTS = {"dicom": 300, "raster": 250, "report": 300, "weights": 60}
"""How many of each kind; about a minute on two processors."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_mutant_is_read_or_refused_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
):
    findings = fuzz(range(COUNTS[kind]), 2, tmp_path, kind)
    assert findings.wrong == []
    assert findings.ends.total() == COUNTS[kind]
    refused = findings.ends[f"{kind} refused"]
    assert refused > COUNTS[kind] / 9, "the mutations do too little"
    assert refused < COUNTS[kind] * 0.95, "the mutations destroy everything"
    assert capfd.readouterr() == ("", "")


def test_ten_thousand_are_of_every_kind():
    kinds = [kind_of(number) for number in range(10_000)]
    assert {kind: kinds.count(kind) for kind in KINDS} == {
        "dicom": 4000,
        "raster": 3800,
        "report": 2000,
        "weights": 200,
    }


@pytest.mark.parametrize("made", [seeds, raster.seeds], ids=["DICOM", "others"])
def test_every_file_is_valid_before_it_is_mutated(tmp_path: Path, made):
    for data in [data for data in made() if len(data) < 10_000][:21]:
        (tmp_path / "a.dcm").write_bytes(data)
        read(tmp_path / "a.dcm")


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutant_depends_on_its_seed_and_number_alone(kind: str):
    made = KINDS[kind].mutant
    assert made(1, 5) == made(1, 5)
    assert made(1, 5) != made(2, 5) != made(2, 6)


def test_every_mutation_is_made():
    done = " ".join(mutant(2, n)[0] for n in range(400))
    assert [m.__name__ for m in MUTATIONS if m.__name__ not in done] == []
    done = " ".join(raster.mutant(2, n)[0] for n in range(1000))
    mutations = raster.TEXT | raster.BYTES
    assert [m.__name__ for m in mutations if m.__name__ not in done] == []


def test_what_is_neither_read_nor_refused_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def hungry(_path: Path) -> None:
        # This is far more memory than a garbage collection may free at that moment.
        bytearray(b"\1") * 2**28
        raise KeyError

    monkeypatch.setattr(command, "inspect", hungry)
    monkeypatch.setattr(command, "MEMORY_BYTES", 2**24)
    findings = fuzz(range(3), 1, tmp_path, "dicom")
    assert findings.ends == {"dicom traceback": 3}
    assert all("KeyError" in wrong and "MiB" in wrong for wrong in findings.wrong)
    assert len(findings.wrong) == 3


def test_a_reader_that_opens_another_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """ITK's reader once opened another file in this way."""

    def careless(path: Path) -> SimpleNamespace:
        other = path.with_name(raster.OUTSIDE).read_bytes()
        return SimpleNamespace(pixels=np.frombuffer(other, np.uint16))

    monkeypatch.setattr(command, "inspect", lambda _path: None)
    monkeypatch.setattr(command, "read", careless)
    (wrong,) = fuzz(range(1), 1, tmp_path, "raster").wrong
    assert "the content of another file" in wrong
