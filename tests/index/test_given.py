"""A table beside the images names their patients, and its splits are kept."""

import csv

import pytest

from cxr_sr.errors import SettingsError
from cxr_sr.index.given import Manifest
from cxr_sr.index.split import Salt

SALT = Salt.of("a secret of sixteen")


def patient(name: str) -> str:
    return SALT.name("patient", name, "")


@pytest.fixture
def read(tmp_path):
    """Write a manifest somewhere in the data, and read it."""

    def read(text: str, where: str = "manifest.csv", encoding="utf-8") -> Manifest:
        path = tmp_path / where
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding=encoding)
        return Manifest.read([path], tmp_path, SALT)

    return read


def test_patients_are_hashed_as_those_of_headers_are(read):
    told = read("file,patient\na.png,17\nb.png, 17 \nc.png,18\n")
    assert told.patients == {
        "a.png": patient("17"),
        "b.png": patient("17"),
        "c.png": patient("18"),
    }
    assert told.sides == {}


def test_splits_are_kept_by_patient(read):
    told = read("file,patient,split\na.png,17,test\nb.png,18,train\nc.png,17,\n")
    assert told.sides == {patient("17"): "test", patient("18"): "train"}


def test_files_are_named_relative_to_the_manifest(read):
    told = read("file,patient\nx.png,1\n./y.png,1\n../z.png,1\n", "sub/manifest.csv")
    assert set(told.rows) == {"sub/x.png", "sub/y.png", "z.png"}


class TestSeveral:
    @pytest.fixture
    def read(self, tmp_path):
        def read(*texts: str) -> Manifest:
            paths = [tmp_path / f"data{n}" / "manifest.csv" for n in range(len(texts))]
            for path, text in zip(paths, texts, strict=True):
                path.parent.mkdir()
                path.write_text(text)
            return Manifest.read(paths, tmp_path, SALT)

        return read

    def test_none_says_nothing(self, read):
        assert read() == Manifest()

    def test_each_tells_of_its_own_files_and_they_share_patients(self, read):
        told = read("file,patient,split\na.png,17,val\n", "file,patient\na.png,17\n")
        assert set(told.patients) == {"data0/a.png", "data1/a.png"}
        assert told.sides == {patient("17"): "val"}

    def test_the_later_knows_better(self, read):
        told = read("file,patient\na.png,17\n", "file,patient\n../data0/a.png,18\n")
        assert told.patients == {"data0/a.png": patient("18")}

    def test_a_patient_on_two_sides_is_refused(self, read):
        with pytest.raises(
            SettingsError, match=r"data0/a\.png in val and data1/b\.png"
        ):
            read(
                "file,patient,split\na.png,17,val\n",
                "file,patient,split\nb.png,17,train\n",
            )


def test_a_table_that_a_spreadsheet_saved_is_read(read):
    assert read("file,patient\na.png,17\n", encoding="utf-8-sig").patients


def test_what_it_says_besides_is_told_and_missing_is_nothing(read):
    told = read("file,patient,view\na.png,17, PA \nb.png,17\n")
    assert told.tells("a.png", "view") == "PA"
    assert told.tells("b.png", "view") == ""
    assert told.tells("a.png", "age") == ""
    assert told.tells("c.png", "view") == ""


def test_a_file_without_a_patient_but_with_a_side_is_its_own(read):
    told = read("file,patient,split\na.png,,test\nb.png,,train\nc.png,,\n")
    assert sorted(told.patients) == ["a.png", "b.png"]
    assert told.sides[told.patients["a.png"]] == "test"
    assert told.sides[told.patients["b.png"]] == "train"


def test_a_patient_on_two_sides_is_refused_by_the_files_names(read):
    with pytest.raises(SettingsError) as caught:
        read("file,patient,split\na.png,DOE,test\nb.png,DOE,\nc.png,DOE,train\n")
    message = str(caught.value)
    assert "a.png in test and c.png in train" in message
    assert "DOE" not in message


def test_a_side_that_training_does_not_know_is_refused(read):
    with pytest.raises(SettingsError, match=r"'validation'; expected one of train"):
        read("file,patient,split\na.png,1,validation\n")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"file,person\na.png,1\n", "lacks the column"),
        (b"", "lacks the column"),
        (b"file,patient\n\xff\xfe,1\n", "no readable index"),
    ],
)
def test_what_is_no_manifest_is_told_apart(tmp_path, content, reason):
    path = tmp_path / "manifest.csv"
    path.write_bytes(content)
    assert not Manifest.is_one(path)
    with pytest.raises(SettingsError, match=reason):
        Manifest.read([path], tmp_path, SALT)


def test_a_missing_file_is_none(tmp_path):
    assert not Manifest.is_one(tmp_path / "manifest.csv")


def test_the_manifest_of_the_shared_images_is_one(shared_cxr):
    told = Manifest.read([shared_cxr / "manifest.csv"], shared_cxr, SALT)
    with (shared_cxr / "manifest.csv").open(newline="") as file:
        listed = {row["file"]: row["patient"] for row in csv.DictReader(file)}
    assert len(listed) > 300
    assert set(told.rows) == set(listed)
    assert told.patients == {f: patient(name) for f, name in listed.items()}
    assert set(told.sides.values()) == {"train", "val"}
