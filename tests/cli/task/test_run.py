"""`cxr-sr task run`: masks and probabilities of files; bad files."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.uid import (
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)
from typer.testing import CliRunner, Result

from cxr_sr.cli.main import app
from cxr_sr.formats import read, write
from cxr_sr.radiograph import Geometry
from tests.builders import write_png
from tests.files import a_dicom
from tests.tasks.builders import chest

ROOT = Path(__file__).parents[3]


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["task", "run", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A DICOM file, a picture below it, and a file that is damaged."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    dicom_chest(folder / "a.dcm", StudyDate="20200131")
    write_png(folder / "deep" / "b.png", chest(2))
    return folder


def dicom_chest(path: Path, **more: Any) -> Path:
    pixels = chest(1).astype(np.uint16) * 16
    return a_dicom(
        path,
        Rows=pixels.shape[0],
        Columns=pixels.shape[1],
        PixelData=pixels.tobytes(),
        **more,
    )


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "probabilities.csv").open(newline="") as file:
        return list(csv.DictReader(file))


class TestMasks:
    def test_each_file_gets_a_mask_of_its_kind(self, folder, masker, tmp_path):
        out = tmp_path / "out"
        told = invoke(folder, "-o", out, "--head", masker)
        assert told.exit_code == 0, told.output
        lines = [str(out / "a.dcm"), str(out / "deep" / "b.png")]
        assert told.stdout.splitlines() == lines
        picture = sitk.GetArrayFromImage(sitk.ReadImage(lines[1]))
        assert picture.shape == chest(2).shape
        assert set(np.unique(picture)) <= {0, 255}
        rows = table(out)
        assert [row["file"] for row in rows] == ["a.dcm", "deep/b.png"]
        assert float(rows[1]["lungs share"]) == pytest.approx(
            (picture > 0).mean(), abs=1e-5
        )

    def test_a_segmentation_refers_to_its_source(self, folder, masker, tmp_path):
        """highdicom finds the mask for the source; patient and study are the same."""
        out = tmp_path / "out"
        assert invoke(folder / "a.dcm", "-o", out, "--head", masker).exit_code == 0
        made = highdicom.seg.segread(out / "a.dcm")
        source = pydicom.dcmread(folder / "a.dcm")
        (series,) = made.ReferencedSeriesSequence
        (reference,) = series.ReferencedInstanceSequence
        assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
        assert series.SeriesInstanceUID == source.SeriesInstanceUID
        for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate"):
            assert made.get(keyword) == source.get(keyword), keyword
        assert made.SOPInstanceUID != source.SOPInstanceUID
        assert made.SegmentSequence[0].SegmentLabel == "lungs"
        masks = made.pixel_array
        assert masks.shape[-2:] == (source.Rows, source.Columns)
        picture = tmp_path / "png"
        invoke(folder / "a.dcm", "-o", picture, "--head", masker, "--format", "png")
        same = sitk.GetArrayFromImage(sitk.ReadImage(str(picture / "a.png"))) > 0
        assert (np.squeeze(masks) == same).all()

    @pytest.mark.conformance
    @pytest.mark.parametrize(
        "more",
        [
            {},
            {"PatientOrientation": ["L", "F"], "Laterality": ""},
            {"PatientName": "山田^太郎", "SpecificCharacterSet": "ISO_IR 192"},
            {"StudyDate": "", "PatientSex": "X", "NumberOfFrames": 1},
            {"PatientIdentityRemoved": "YES", "DeidentificationMethod": "ours"},
            {"SeriesNumber": str(2**31 - 1)},
            {"sop_class": XRayRadiofluoroscopicImageStorage, "Modality": "RF"},
            {"sop_class": XRayAngiographicImageStorage, "NumberOfFrames": 1},
            {"sop_class": MultiFrameGrayscaleWordSecondaryCaptureImageStorage},
        ],
    )
    def test_a_segmentation_obeys_the_standard(self, masker, tmp_path, more):
        if not shutil.which("dciodvfy"):
            pytest.skip("no dciodvfy: install the Debian package dicom3tools")
        source, out = dicom_chest(tmp_path / "a.dcm", **more), tmp_path / "out"
        told = invoke(source, "-o", out, "--head", masker)
        assert told.exit_code == 0, told.output
        found = subprocess.run(
            ["dciodvfy", out / "a.dcm"], capture_output=True, text=True, check=False
        )
        errors = [line for line in found.stderr.splitlines() if "Error" in line]
        assert [line for line in errors if "Patient's Sex" not in line] == []
        made, original = pydicom.dcmread(out / "a.dcm"), pydicom.dcmread(source)
        assert made.PatientName == original.PatientName
        named = [
            e.value for e in made.iterall() if e.keyword == "ReferencedSOPClassUID"
        ]
        assert set(named) == {original.SOPClassUID}

    def test_the_same_run_makes_the_same_bytes(
        self, folder, masker, tmp_path, monkeypatch
    ):
        """At one clock, an instance has one content."""
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
        made = set()
        for name in ("one", "two"):
            invoke(folder / "a.dcm", "-o", tmp_path / name, "--head", masker)
            made.add((tmp_path / name / "a.dcm").read_bytes())
        assert len(made) == 1

    def test_a_mask_of_a_source_without_its_dates_tells_no_date(self, masker, tmp_path):
        """Wherever in the object one may stand."""
        hidden = {"PatientIdentityRemoved": "YES", "StudyDate": "19990101"}
        source = dicom_chest(tmp_path / "a.dcm", **hidden)
        invoke(source, "-o", tmp_path / "out", "--head", masker)
        made = pydicom.dcmread(tmp_path / "out" / "a.dcm")
        told = {e.value for e in made.iterall() if e.VR in {"DA", "DT"} and e.value}
        assert told <= {"19990101", "19000101"}

    def test_a_mask_keeps_the_place_of_its_image(self, masker, tmp_path):
        source = tmp_path / "a.mha"
        picture = read(write_png(tmp_path / "a.png", chest(2)))
        write(picture.replace(geometry=Geometry((0.2, 0.2))), source)
        assert invoke(source, "-o", tmp_path / "out", "--head", masker).exit_code == 0
        made = sitk.ReadImage(str(tmp_path / "out" / "a.mha"))
        assert made.GetSize() == sitk.ReadImage(str(source)).GetSize()

    def test_what_no_segmentation_can_refer_to_is_told(self, masker, tmp_path):
        source = write_png(tmp_path / "a.png", chest(2))
        told = invoke(
            source, "-o", tmp_path / "out", "--head", masker, "--format", "dicom"
        )
        assert told.exit_code == 5
        assert "use --format png" in told.stderr
        assert not list((tmp_path / "out").glob("*.dcm"))


class TestClassification:
    def test_probabilities_of_each_file(self, folder, classifier, tmp_path):
        out = tmp_path / "out"
        told = invoke(folder, "-o", out, "--head", classifier)
        assert told.exit_code == 0, told.output
        rows = table(out)
        assert list(rows[0]) == ["file", "Edema", "Mass"]
        written = json.loads((out / "deep" / "b.png.json").read_text())
        assert written == {k: float(rows[1][k]) for k in ("Edema", "Mass")}


class TestBatch:
    def test_a_bad_file_is_a_line(self, folder, masker, tmp_path):
        (folder / "c.png").write_bytes((folder / "deep" / "b.png").read_bytes()[:60])
        told = invoke(folder, "-o", tmp_path / "out", "--head", masker)
        assert told.exit_code == 4
        assert sum("c.png" in line for line in told.stderr.splitlines()) == 1
        assert [row["file"] for row in table(tmp_path / "out")] == [
            "a.dcm",
            "deep/b.png",
        ]

    def test_nothing_is_replaced_unasked(self, folder, masker, tmp_path):
        out = tmp_path / "out"
        assert invoke(folder, "-o", out, "--head", masker).exit_code == 0
        again = invoke(folder, "-o", out, "--head", masker)
        assert again.exit_code == 2
        assert "exists already" in again.stderr
        assert invoke(folder, "-o", out, "--head", masker, "--overwrite").exit_code == 0

    def test_resume_keeps_what_stands(self, folder, masker, tmp_path):
        out = tmp_path / "out"
        invoke(folder, "-o", out, "--head", masker)
        (out / "deep" / "b.png").unlink()
        before = (out / "a.dcm").stat().st_mtime_ns
        told = invoke(folder, "-o", out, "--head", masker, "--resume")
        assert told.exit_code == 0
        assert "1 done, 1 kept" in told.stderr
        assert (out / "a.dcm").stat().st_mtime_ns == before
        assert len(table(out)) == 2

    def test_a_resumed_part_keeps_the_rows_of_the_others(
        self, folder, masker, tmp_path
    ):
        out = tmp_path / "out"
        invoke(folder, "-o", out, "--head", masker)
        before = table(out)
        told = invoke(folder / "a.dcm", "-o", out, "--head", masker, "--resume")
        assert told.exit_code == 0
        assert "1 kept" in told.stderr
        assert table(out) == before

    def test_nothing_is_written_into_the_input(self, folder, masker):
        told = invoke(folder, "-o", folder / "out", "--head", masker)
        assert told.exit_code == 2
        assert "choose an --output folder outside" in told.stderr

    def test_an_empty_folder_is_told(self, masker, tmp_path):
        (tmp_path / "in").mkdir()
        told = invoke(tmp_path / "in", "-o", tmp_path / "out", "--head", masker)
        assert told.exit_code == 3

    def test_without_highdicom_it_says_what_to_install(self, folder, masker, tmp_path):
        (tmp_path / "none").mkdir()
        script = (
            "import importlib.util as u; find = u.find_spec\n"
            "u.find_spec = lambda n, *a: None if n == 'highdicom' else find(n, *a)\n"
            "from cxr_sr.cli.main import main; main()\n"
        )
        words = ["task", "run", folder, "-o", tmp_path / "out", "--head", masker]
        told = subprocess.run(
            [sys.executable, "-c", script, *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert told.returncode == 2
        assert "pip install 'cxr-sr[tasks]'" in told.stderr
        assert not (tmp_path / "out").exists()
