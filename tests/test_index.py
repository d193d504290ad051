"""One reader of indexes serves training and evaluation."""

from pathlib import Path

import pytest

from cxr_sr.errors import SettingsError
from cxr_sr.evaluation.cases import find_cases
from cxr_sr.index import find_index, read_index, read_table
from cxr_sr.training.index import read_entries


@pytest.fixture
def index(tmp_path: Path) -> Path:
    path = tmp_path / "index.csv"
    path.write_text("file,split,patient\na.png,train,p\nb.png,val\nc.png,val,q\n")
    return path


def test_training_and_evaluation_see_the_same_rows(index):
    trained = [(e.path, e.patient) for e in read_entries(index) if e.split == "val"]
    assert [(c.path, c.patient) for c in find_cases(index)] == trained
    assert len(trained) == 2


@pytest.mark.parametrize("text", ["file,fold\n", "", "\x00,\x00\n"])
def test_training_and_evaluation_refuse_alike(index, text):
    index.write_text(text)
    told = []
    for read in (find_cases, read_entries):
        with pytest.raises(SettingsError) as caught:
            read(index)
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert "`cxr-sr index` writes" in told[0]


def test_a_cell_that_is_missing_is_empty(index):
    assert [e.patient for e in read_index(index)] == ["p", "", "q"]


def test_an_index_in_a_folder_goes_before_a_manifest(index):
    (index.parent / "manifest.csv").write_text("file,split,patient\n")
    assert find_index(index.parent) == index
    index.unlink()
    assert find_index(index.parent) == index.parent / "manifest.csv"
    (index.parent / "manifest.csv").unlink()
    assert find_index(index.parent) is None


def test_a_table_may_need_fewer_columns(index):
    assert read_table(index, ["patient"])[0]["patient"] == "p"
