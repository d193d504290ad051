"""A few hundred hostile files; `python -m tests.fuzz_dicom` makes ten thousand."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_sr.formats import read
from tests import fuzz_dicom
from tests.formats.dicom.mutations import MUTATIONS, mutant, seeds
from tests.fuzz_dicom import fuzz

COUNT = 400


@pytest.mark.slow
def test_every_mutant_is_read_or_refused_in_silence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    findings = fuzz(range(COUNT), seed=2, folder=tmp_path)
    assert findings.wrong == []
    assert findings.ends.total() == COUNT
    assert findings.ends["refused"] > COUNT / 4, "the mutations do too little"
    assert findings.ends["read"] > COUNT / 20, "the mutations destroy everything"
    assert capfd.readouterr() == ("", "")


def test_every_file_is_valid_before_it_is_mutated(tmp_path: Path):
    made = [data for data in seeds() if len(data) < 10_000][:21]
    for data in made:
        (tmp_path / "a.dcm").write_bytes(data)
        read(tmp_path / "a.dcm")


def test_a_mutant_depends_on_its_seed_and_number_alone():
    assert mutant(1, 5) == mutant(1, 5)
    assert mutant(1, 5) != mutant(2, 5) != mutant(2, 6)
    done = " ".join(mutant(2, n)[0] for n in range(COUNT))
    assert [m.__name__ for m in MUTATIONS if m.__name__ not in done] == []


def test_what_is_neither_read_nor_refused_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def hungry(_path: Path) -> None:
        # Far more than what a garbage collection at that moment may give back.
        bytearray(b"\1") * 2**28
        raise KeyError

    monkeypatch.setattr(fuzz_dicom, "inspect", hungry)
    monkeypatch.setattr(fuzz_dicom, "MEMORY_BYTES", 2**24)
    findings = fuzz(range(3), seed=1, folder=tmp_path)
    assert findings.ends == {"traceback": 3}
    assert all("KeyError" in wrong and "MiB" in wrong for wrong in findings.wrong)
    assert len(findings.wrong) == 3
