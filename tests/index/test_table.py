"""Training and evaluation read an index with the same function."""

from pathlib import Path

import pytest

from cxr_sr.errors import SettingsError
from cxr_sr.evaluation.cases import find_cases
from cxr_sr.index.table import find_index, read_index, read_table
from cxr_sr.training.data.images import list_images
from tests.builders import write_png


@pytest.fixture
def index(tmp_path: Path) -> Path:
    path = tmp_path / "index.csv"
    path.write_text("file,split,patient\na.png,train,p\nb.png,val\nc.png,val,q\n")
    return path


def test_training_and_evaluation_see_the_same_rows(index):
    trained = [(e.path, e.patient) for e in list_images(index) if e.split == "val"]
    assert [(c.path, c.patient) for c in find_cases(index)] == trained
    assert len(trained) == 2


@pytest.mark.parametrize("text", ["file,fold\n", "", "\x00,\x00\n"])
def test_training_and_evaluation_refuse_alike(index, text):
    index.write_text(text)
    told = []
    for read in (find_cases, list_images):
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


def both_sides(folder):
    text = "file,split,patient\n1.png,train,p1\n2.png,val,p2\n3.png,val,p1\n"
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_patient_on_two_sides_is_refused_without_being_named(tmp_path):
    with pytest.raises(
        SettingsError, match=r"rows 1 and 3 of list\.csv put the same patient"
    ):
        read_index(both_sides(tmp_path))
    with pytest.raises(SettingsError) as refused:
        find_cases(both_sides(tmp_path))
    assert "p1" not in str(refused.value)


def test_images_of_nobody_known_are_nobodys(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("file,split,patient\n1.png,train,\n2.png,val,\n", encoding="utf-8")
    assert [entry.split for entry in read_index(path)] == ["train", "val"]


def test_a_folder_is_measured_whole_or_as_a_training_splits_it(tmp_path):
    for number in range(25):
        write_png(tmp_path / f"{number}.png")
    (tmp_path / "notes.txt").touch()
    assert len(find_cases(tmp_path)) == 25
    kept = {case.name for case in find_cases(tmp_path, "val")}
    trained = {case.name for case in find_cases(tmp_path, "train")}
    assert len(kept) == 2
    assert len(trained) == 23
    assert kept == {e.name for e in list_images(tmp_path) if e.split == "val"}
    with pytest.raises(SettingsError, match="no image in the split 'test'"):
        find_cases(tmp_path, "test")
