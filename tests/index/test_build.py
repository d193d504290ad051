"""An index has each image once, each patient in one split; other files get a reason."""

import csv
import dataclasses
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_sr.evaluation.cases import find_cases
from cxr_sr.index.build import (
    Index,
    IndexRow,
    IndexSettings,
    assemble,
    survey,
    write_index,
    write_skipped,
)
from cxr_sr.index.facts import Finding
from cxr_sr.index.given import Manifest
from cxr_sr.index.split import Salt, Shares
from cxr_sr.training.data.images import list_images
from tests.index.builders import some_image
from tests.index.export import KEPT, LEFT_OUT, messy_export

SALT = Salt.of("a secret of sixteen")
THIRDS = Shares({"train": 0.4, "val": 0.3, "test": 0.3})

NAMES = st.text("abc/", min_size=1, max_size=6)
IMAGES = st.dictionaries(
    NAMES,
    st.tuples(st.sampled_from(["", *"pqrst"]), st.sampled_from(range(6))),
    max_size=12,
).map(
    lambda found: [
        some_image(name, patient=patient, pixel_hash=f"pixels {pixels}")
        for name, (patient, pixels) in found.items()
    ]
)
"""Exports of a few patients, with duplicates within and between them."""


def rules(manifest: Manifest | None = None, folder: str = "") -> IndexSettings:
    return IndexSettings(SALT, THIRDS, manifest or Manifest(), folder)


def manifest(**rows: tuple[str, str]) -> Manifest:
    """Return a manifest of a.png, b.png, ..., each with a patient hash and a split."""
    files = {
        f"{name}.png": {"patient": patient, "split": side}
        for name, (patient, side) in rows.items()
    }
    patients = {name: row["patient"] for name, row in files.items()}
    sides = {row["patient"]: row["split"] for row in files.values() if row["split"]}
    return Manifest(files, patients, sides)


def files(index: Index) -> list[str]:
    return [row.file for row in index.rows]


class TestDuplicates:
    def test_the_first_by_path_is_kept_and_the_others_say_of_what(self):
        same = [some_image(name, pixel_hash="same") for name in ("b/2", "b/1", "a/9")]
        index = assemble([*same, some_image("c")], rules())
        assert files(index) == ["a/9", "c"]
        assert [(left.file, left.kind, left.reason) for left in index.left_out] == [
            ("b/1", "duplicate", "the same pixels as a/9"),
            ("b/2", "duplicate", "the same pixels as a/9"),
        ]

    def test_two_names_for_one_image_are_told(self):
        pair = [
            some_image("a", pixel_hash="same", patient="anna"),
            some_image("b", pixel_hash="same", patient="bert"),
        ]
        (left,) = assemble(pair, rules()).left_out
        assert left.reason == "the same pixels as a, under another patient or none"

    def test_what_a_manifest_lists_is_kept_first(self):
        """Otherwise training could use an image that was put aside for testing."""
        pair = [some_image("a", pixel_hash="x"), some_image("b.png", pixel_hash="x")]
        index = assemble(pair, rules(manifest(b=("p", "test"))))
        assert [(row.file, row.split) for row in index.rows] == [("b.png", "test")]

    @given(IMAGES)
    def test_every_image_is_kept_once_and_every_file_accounted_for(self, images):
        index = assemble(images, rules())
        hashes = [row.pixel_hash for row in index.rows]
        assert len(hashes) == len(set(hashes))
        assert set(hashes) == {e.facts.pixel_hash for e in images}
        assert len(index.rows) + len(index.left_out) == len(images)


class TestPatients:
    @given(IMAGES, st.integers())
    def test_no_patient_is_on_two_sides(self, images, seed):
        dealt = dataclasses.replace(rules(), shares=Shares(THIRDS.parts, seed))
        index = assemble(images, dealt)
        sides = {(row.patient, row.split) for row in index.rows}
        assert len(sides) == len({patient for patient, _ in sides})

    @given(IMAGES, IMAGES)
    def test_nobody_changes_sides_when_files_are_added(self, images, more):
        before = {r.patient: r.split for r in assemble(images, rules()).rows}
        names = {e.file for e in images}
        added = [e for e in more if e.file not in names]
        after = {r.patient: r.split for r in assemble([*images, *added], rules()).rows}
        assert all(after[p] == before[p] for p in set(after) & set(before))

    @given(IMAGES, st.randoms(use_true_random=False))
    def test_the_order_in_which_files_were_read_does_not_count(self, images, order):
        shuffled = list(images)
        order.shuffle(shuffled)
        assert assemble(shuffled, rules()) == assemble(images, rules())

    def test_who_is_not_named_is_grouped_by_study(self):
        images = [
            some_image("a/1", patient="", study="s"),
            some_image("b/1", patient="", study="s"),
        ]
        index = assemble(images, rules())
        assert [row.patient for row in index.rows] == ["s", "s"]
        assert index.unnamed == 2

    def test_else_by_subfolder_and_at_the_top_by_file(self):
        names = ["x/1", "x/2", "y/1", "1", "2"]
        index = assemble([some_image(n, patient="") for n in names], rules())
        by_name = {row.file: row.patient for row in index.rows}
        assert by_name["x/1"] == by_name["x/2"]
        assert len(set(by_name.values())) == 4

    def test_a_folder_is_not_named_in_a_patient(self):
        (row,) = assemble([some_image("anna/1", patient="")], rules()).rows
        assert row.patient == SALT.name("folder", "anna")

    def test_a_file_and_a_folder_of_one_name_are_two(self):
        images = [some_image("a", patient=""), some_image("a/b", patient="")]
        assert len({row.patient for row in assemble(images, rules()).rows}) == 2


class TestManifests:
    def test_its_patient_counts_more_than_the_headers(self):
        index = assemble([some_image("a.png")], rules(manifest(a=("told", ""))))
        assert index.rows[0].patient == "told"
        assert index.unnamed == 0

    def test_all_images_of_a_patient_follow_the_one_with_a_side(self):
        told = manifest(a=("anna", "test"))
        names = ["a.png", "b.png", "c/1"]
        index = assemble([some_image(n) for n in names], rules(told))
        assert [row.split for row in index.rows] == ["test"] * 3

    def test_it_tells_what_files_do_not_say(self):
        row = {
            "patient": "p",
            "view": "pa",
            "age": "93",
            "sex": "M",
            "pixel_spacing_mm": "0.2",
            "source": "ChestX-ray8",
            "licence": "free",
            "finding": "Edema",
        }
        told = Manifest({"a.png": row}, {"a.png": "p"})
        silent = {"view": "", "age": "", "sex": ""}
        spacing = {"row_spacing_mm": None, "column_spacing_mm": None}
        index = assemble([some_image("a.png", **silent, **spacing)], rules(told))
        (made,) = index.rows
        assert (made.view, made.age, made.sex) == ("PA", "90+", "M")
        assert (made.row_spacing_mm, made.column_spacing_mm) == (0.2, 0.2)
        assert (made.source, made.licence) == ("ChestX-ray8", "free")
        assert "Edema" not in repr(made)

    def test_a_file_is_believed_before_it(self):
        row = {"view": "AP", "age": "5", "sex": "M", "pixel_spacing_mm": "9"}
        told = Manifest({"a.png": row})
        (made,) = assemble([some_image("a.png")], rules(told)).rows
        assert (made.view, made.age, made.sex) == ("PA", "88", "F")
        assert made.row_spacing_mm == 0.143

    @pytest.mark.parametrize("spacing", ["", "?", "0", "-1", "nan", "inf"])
    def test_a_spacing_that_is_none_is_not_told(self, spacing):
        told = Manifest({"a.png": {"pixel_spacing_mm": spacing}})
        image = some_image("a.png", row_spacing_mm=None, column_spacing_mm=None)
        assert assemble([image], rules(told)).rows[0].row_spacing_mm is None


class TestSurvey:
    def test_every_file_is_met_once(self, tmp_path):
        candidates, others = survey(messy_export(tmp_path), lambda _: False)
        names = [c.relative.as_posix() for c in candidates] + [e.file for e in others]
        assert sorted(names) == sorted([*KEPT, *LEFT_OUT])
        assert {e.kind for e in others} == {"no image"}

    def test_our_own_files_are_passed_over(self, tmp_path):
        messy_export(tmp_path)
        _, others = survey(tmp_path, lambda path: path.name == "notes.txt")
        assert "notes.txt" not in [e.file for e in others]

    def test_a_dicomdir_that_names_nothing_is_missed(self, tmp_path):
        (tmp_path / "DICOMDIR").write_bytes(b"x")
        candidates, (other,) = survey(tmp_path / "DICOMDIR", lambda _: False)
        assert candidates == []
        assert other.kind == "unreadable"

    @pytest.mark.skipif(os.name != "posix", reason="names are Unicode elsewhere")
    def test_a_name_that_is_no_text_is_left_out_legibly(self, tmp_path):
        (tmp_path / os.fsdecode(b"M\xfcller")).write_bytes(b"x")
        candidates, (other,) = survey(tmp_path, lambda _: False)
        assert candidates == []
        assert other.file == r"M\udcfcller"
        assert "not UTF-8" in other.reason


class TestTables:
    def write(self, tmp_path, index: Index):
        path = tmp_path / "index.csv"
        write_index(index, path)
        write_skipped(index, tmp_path / "skipped.csv")
        return path

    def some(self, count=20):
        names = [f"d/{n:02d}.dcm" for n in range(count)]
        return [some_image(name, patient=f"p{n}") for n, name in enumerate(names)]

    def test_training_and_evaluation_read_it(self, tmp_path):
        index = assemble(self.some(), rules(folder="../export"))
        path = self.write(tmp_path, index)
        entries = list_images(path)
        assert [(e.name, e.split, e.patient) for e in entries] == [
            (row.file, row.split, row.patient) for row in index.rows
        ]
        assert entries[0].path == tmp_path / "../export/d/00.dcm"
        cases = [c for side in THIRDS.parts for c in find_cases(path, side)]
        assert sorted(c.name for c in cases) == sorted(files(index))

    def test_its_columns_are_these(self, tmp_path):
        """Another column could identify a patient."""
        path = self.write(tmp_path, assemble(self.some(1), rules()))
        assert path.read_text().splitlines()[0] == (
            "file,split,patient,view,age,sex,modality,body_part,manufacturer,bits,"
            "photometric,rows,columns,row_spacing_mm,column_spacing_mm,pixel_hash,"
            "lossy,source,licence"
        )
        assert len(dataclasses.fields(IndexRow)) == 19

    def test_source_and_licence_reach_the_training(self, tmp_path):
        row = {"source": "Here", "licence": 'CC BY, "4.0"\nor so'}
        index = assemble([some_image("a.png")], rules(Manifest({"a.png": row})))
        (entry,) = list_images(self.write(tmp_path, index))
        assert (entry.source, entry.licence) == ("Here", 'CC BY, "4.0"\nor so')

    def test_names_with_everything_that_csv_minds_come_back(self, tmp_path):
        names = ['a,"b"\nc', "ü 1", "=1+1", " x "]
        index = assemble([some_image(n) for n in names], rules())
        entries = list_images(self.write(tmp_path, index))
        assert sorted(e.name for e in entries) == sorted(names)

    def test_the_skipped_are_named_below_the_data_with_a_reason(self, tmp_path):
        refused = Finding("b/ct", None, "no radiograph", "a CT, not this")
        images = [some_image(n, pixel_hash="x") for n in ("a", "c")]
        self.write(tmp_path, assemble([refused, *images], rules(folder="../far/away")))
        with (tmp_path / "skipped.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows == [
            {"file": "b/ct", "kind": "no radiograph", "reason": "a CT, not this"},
            {"file": "c", "kind": "duplicate", "reason": "the same pixels as a"},
        ]

    def test_the_same_images_give_the_same_bytes(self, tmp_path):
        images = self.some()
        first = self.write(tmp_path, assemble(images, rules())).read_bytes()
        again = self.write(tmp_path, assemble(images[::-1], rules()))
        assert again.read_bytes() == first

    def test_a_table_that_cannot_be_written_leaves_the_old_one(
        self, tmp_path, monkeypatch
    ):
        path = self.write(tmp_path, assemble(self.some(2), rules()))
        before = path.read_bytes()
        monkeypatch.setattr("csv.DictWriter.writerows", full_disk)
        with pytest.raises(Exception, match="No space left"):
            self.write(tmp_path, assemble(self.some(3), rules()))
        assert path.read_bytes() == before
        assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def full_disk(*_):
    raise OSError(28, "No space left on device")
