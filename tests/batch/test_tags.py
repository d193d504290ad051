"""`--tags FILE.csv`: pictures become DICOM files of the right patient and study."""

from pathlib import Path
from typing import Any

import pydicom
import pytest

from cxr_sr.batch.tags import TagTable
from cxr_sr.errors import SettingsError
from tests.files import a_dicom, a_png, report_of, upscale

HEAD = "file,PatientID,PatientSex,StudyInstanceUID,StudyDate,Modality"
ROWS = ["a/1.png,17,F,1.2.3.4,2020-01-31,DX", "a/2.png,17,F,1.2.3.4,2020-01-31,DX"]


@pytest.fixture(autouse=True)
def _pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        a_png(Path("in", "a", f"{number}.png"), number)


def table(*rows: str, head: str = HEAD, path: str = "in/tags.csv") -> Path:
    Path(path).write_text("\n".join([head, *(rows or ROWS)]) + "\n", encoding="utf-8")
    return Path(path)


def run(*more: object, tags: str = "in/tags.csv") -> Any:
    return upscale("in", "-o", "out", "--format", "dicom", "--tags", tags, *more)


def result(name: str = "a/1.dcm") -> pydicom.Dataset:
    return pydicom.dcmread(Path("out", name))


def warnings() -> dict[str, list[str]]:
    return {e["file"]: e["warnings"] for e in report_of() if e.get("warnings")}


def test_patient_study_and_modality_come_from_the_table():
    table()
    assert run().exit_code == 0
    header = result()
    assert (header.PatientID, header.PatientSex, header.Modality) == ("17", "F", "DX")
    assert (header.StudyInstanceUID, header.StudyDate) == ("1.2.3.4", "20200131")
    assert header.SeriesDescription == "RESEARCH ONLY (cxr-sr x2)"
    assert warnings() == {}


def test_images_of_a_study_are_one_series_of_several_instances():
    table()
    run()
    first, second = result("a/1.dcm"), result("a/2.dcm")
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID


def test_another_scale_is_another_series_of_the_study():
    table()
    run()
    before = result()
    run("--scale", 3, "--overwrite")
    assert result().StudyInstanceUID == before.StudyInstanceUID
    assert result().SeriesInstanceUID != before.SeriesInstanceUID


def test_a_study_without_a_uid_gets_one_for_all_its_images():
    rows = [f"a/{n}.png,{p},S1" for n, p in ((1, "17"), (2, "17"), (3, "18"))]
    a_png(Path("in/a/3.png"), 3)
    table(*rows, head="file,PatientID,StudyID")
    run()
    studies = [result(f"a/{n}.dcm").StudyInstanceUID for n in (1, 2, 3)]
    assert studies[0] == studies[1] != studies[2]


def test_one_picture_of_two_patients_is_two_instances():
    Path("in/a/2.png").write_bytes(Path("in/a/1.png").read_bytes())
    table("a/1.png,17", "a/2.png,18", head="file,PatientID")
    run()
    assert result("a/1.dcm").SOPInstanceUID != result("a/2.dcm").SOPInstanceUID


@pytest.mark.parametrize("file", ["a/1.png", "./a/1.png", "in/a/1.png"])
def test_files_are_relative_to_the_table_or_to_the_input(file):
    path = table(f"{file},17", head="file,PatientID", path="tags.csv")
    assert run(tags=str(path)).exit_code == 0
    assert result().PatientID == "17"


def test_text_in_any_script_is_declared():
    name = "\u5c71\u7530^\u592a\u90ce"
    table(f"a/1.png,{name}", head="file,PatientName")
    run()
    assert result().SpecificCharacterSet == "ISO_IR 192"
    assert result().PatientName == name


def test_a_picture_of_a_deidentified_cohort_gets_no_date():
    table("a/1.png,YES,2180-01-02", head="file,PatientIdentityRemoved,StudyDate")
    run()
    dates = {str(e.value)[:8] for e in result().iterall() if e.VR in {"DA", "DT"}}
    assert dates - {""} == {"21800102"}
    entry = next(e for e in report_of() if e.get("file") == "a/1.png")
    assert entry["dates"] == "source"


def test_a_picture_without_a_row_and_a_row_without_a_picture_are_told():
    table("a/1.png,17", "a/9.png,18", head="file,PatientID")
    told = run()
    assert told.exit_code == 0
    assert warnings() == {
        "a/2.png": ["tags.csv has no row for it, so its result names no patient"]
    }
    assert "1 rows of tags.csv name no file of the input, the first a/9.png" in (
        told.stderr
    )
    assert result("a/2.dcm").PatientID == ""


def test_a_dicom_file_keeps_its_own_header():
    a_dicom(Path("in/b.dcm"))
    run_without = upscale("in", "-o", "plain", "--format", "dicom")
    assert run_without.exit_code == 0
    table("b.dcm,17", "a/1.png,17", "a/2.png,17", head="file,PatientID")
    run()
    assert result("b.dcm").PatientID == "SECRET-17"
    assert warnings() == {
        "b.dcm": ["its row in tags.csv is not used, because the file has a header"]
    }
    plain = pydicom.dcmread("plain/b.dcm")
    assert result("b.dcm").SOPInstanceUID == plain.SOPInstanceUID


def test_nothing_that_is_stated_gets_into_the_report():
    table("a/1.png,SECRET-17,Secret^Person", head="file,PatientID,PatientName")
    told = run()
    text = Path("out/cxr-sr-report.jsonl").read_text() + told.output
    assert "SECRET" not in text
    assert "Secret" not in text


def test_another_table_is_a_reason_to_do_a_file_again():
    table("a/1.png,17", head="file,PatientID")
    run()
    table("a/1.png,18", head="file,PatientID")
    run("--resume")
    assert result().PatientID == "18"
    run("--resume")
    ends = [e["status"] for e in report_of() if e.get("file") == "a/1.png"]
    assert ends == ["done", "done", "kept"]


@pytest.mark.parametrize(
    ("head", "rows", "reason"),
    [
        ("file,Label", ["a/1.png,x"], "first line: 'Label' is no attribute"),
        ("file,Rows", ["a/1.png,17"], "first line: Rows cannot be stated"),
        ("PatientID", ["17"], "tags.csv is no table of tags"),
        ("file,StudyDate", ["a/1.png,yesterday"], "line 2: the value of StudyDate"),
        ("file,PatientID", ["a/1.png,1", "./a/1.png,2"], "line 3: a second row for"),
    ],
)
def test_a_table_with_a_fault_is_refused_before_any_work(head, rows, reason):
    table(*rows, head=head)
    told = run()
    assert told.exit_code == 2
    assert reason in " ".join(told.stderr.split())
    assert not Path("out").exists()


def test_a_table_is_only_for_dicom():
    table()
    told = upscale("in", "-o", "out", "--tags", "in/tags.csv")
    assert told.exit_code == 2
    assert "--format dicom" in told.stderr


def test_an_unreadable_table_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="no table of tags"):
        TagTable.read(tmp_path / "t.csv")
