"""Tables of labels: which columns are masks or findings, and who is held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from cxr_sr.errors import SettingsError
from cxr_sr.tasks.labels import Fold, Labels


def table(folder: Path, *lines: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


class TestColumns:
    def test_masks_are_found_by_the_names_of_their_columns(self, tmp_path: Path):
        """A column with the licence of the masks is not a class."""
        rows = ("image,mask_heart,mask_lungs,mask_licence,patient", "a,h,l,free,1")
        labels = Labels.read(table(tmp_path, *rows), "segmentation", None, "none")
        assert labels.classes == ("heart", "lungs")
        assert labels.rows[0].masks == (tmp_path / "h", tmp_path / "l")
        assert labels.rows[0].mask_licence == "free"

    def test_a_class_may_have_another_name_than_its_column(self, tmp_path: Path):
        rows = ("file,mask,patient", "a,m,1")
        labels = Labels.read(
            table(tmp_path, *rows), "segmentation", "lungs=mask", "none"
        )
        assert labels.classes == ("lungs",)

    def test_each_word_in_a_column_of_findings_is_a_class(self, tmp_path: Path):
        rows = ("file,patient,finding", "a,1,Mass|Edema", "b,2,No Finding", "c,3,")
        labels = Labels.read(table(tmp_path, *rows), "classification", None, "none")
        assert labels.classes == ("Edema", "Mass")
        assert [row.findings for row in labels.rows] == [(1.0, 1.0), (0.0, 0.0)]

    def test_one_word_may_be_asked_for(self, tmp_path: Path):
        rows = ("file,patient,finding", "a,1,Mass|Edema", "b,2,Edema")
        labels = Labels.read(
            table(tmp_path, *rows), "classification", "Mass=finding", "none"
        )
        assert [row.findings for row in labels.rows] == [(1.0,), (0.0,)]

    @pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("yes", "no"), ("1.0", "0.0")])
    def test_a_column_of_yes_and_no_is_one_class(self, tmp_path: Path, yes, no):
        rows = ("file,patient,ill", f"a,1,{yes}", f"b,2,{no}")
        labels = Labels.read(table(tmp_path, *rows), "classification", "ill", "none")
        assert labels.classes == ("ill",)
        assert [row.findings for row in labels.rows] == [(1.0,), (0.0,)]

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            (("image,mask", "a,m"), "lacks the column.*it has image, mask"),
            (("mask,patient", "m,1"), "lacks a column of images"),
            (("image,patient", "a,1"), r"lacks the column\(s\) mask; it has image"),
            (("image,mask,patient", "a,m,"), "row 1 of labels.csv names no patient"),
            (("image,mask,patient",), "lists no image"),
        ],
    )
    def test_what_is_missing_is_told(self, tmp_path: Path, rows, message):
        with pytest.raises(SettingsError, match=message):
            Labels.read(table(tmp_path, *rows), "segmentation", None, None)


class TestSplits:
    def test_all_images_of_a_patient_are_on_one_side(self):
        patients = [f"p{n // 3}" for n in range(60)]
        folds = [Fold(index, 5).split(patients) for index in range(1, 6)]
        held_out = [{p for p, s in fold.items() if s == "val"} for fold in folds]
        assert sorted(p for part in held_out for p in part) == sorted(set(patients))
        assert {len(part) for part in held_out} == {4}

    def test_the_split_of_the_table_is_kept(self, tmp_path: Path):
        rows = ("file,patient,split,ill", "a,1,val,1", "b,2,train,0", "c,3,test,0")
        labels = Labels.read(table(tmp_path, *rows), "classification", "ill", None)
        assert [row.split for row in labels.rows] == ["val", "train", "test"]
        other = Labels.read(table(tmp_path, *rows), "classification", "ill", "none")
        assert {row.split for row in other.rows} == {"train"}

    def test_a_patient_on_two_sides_is_refused(self, tmp_path: Path):
        rows = ("file,patient,split,ill", "a,1,val,1", "b,1,train,0")
        with pytest.raises(SettingsError, match=r"row 2 .* same for all images"):
            Labels.read(table(tmp_path, *rows), "classification", "ill", None)

    @pytest.mark.parametrize("text", ["1", "0/5", "6/5", "1/1", "a/b"])
    def test_what_is_no_part_is_refused(self, text: str):
        with pytest.raises(SettingsError, match="--hold-out"):
            Fold.parse(text)
