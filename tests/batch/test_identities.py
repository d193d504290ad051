"""A run warns if two of its results would have the same UID in an archive."""

from pathlib import Path
from typing import Any

import pydicom
import pytest

from tests.files import a_dicom, a_png, report_of, upscale

UID = "1.2.826.0.1.3680043.8.498.1"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def files() -> dict[str, dict[str, Any]]:
    return {e["file"]: e for e in report_of() if e["type"] == "file"}


def warnings() -> dict[str, list[str]]:
    return {name: e.get("warnings", []) for name, e in files().items()}


def uids(path: str) -> tuple[str, str]:
    header = pydicom.dcmread(path, stop_before_pixels=True)
    return header.SOPInstanceUID, header.SeriesInstanceUID


@pytest.mark.parametrize("jobs", [1, 2])
def test_two_inputs_of_one_uid_are_named_and_their_results_stay_apart(jobs):
    for n, name in enumerate(("a.dcm", "b.dcm", "c.dcm")):
        a_dicom(Path("in", name), n, SOPInstanceUID="1.2.9" if n == 2 else UID)
    result = upscale("in", "-o", "out", "--jobs", jobs)
    assert result.exit_code == 0
    told = {name: said for name, said in warnings().items() if said}
    ((name, (said,)),) = told.items()
    other = {"a.dcm": "b.dcm", "b.dcm": "a.dcm"}[name]
    assert said.startswith(f"it has the SOP Instance UID of {other}, but is another")
    assert f"{name}: {said}" in result.stderr
    assert len({uids(f"out/{n}.dcm")[0] for n in "abc"}) == 3


def test_the_same_file_twice_is_one_instance_written_twice():
    a_dicom(Path("in/a.dcm"))
    Path("in/copy.dcm").write_bytes(Path("in/a.dcm").read_bytes())
    upscale("in", "-o", "out")
    assert warnings()["a.dcm"] == []
    (said,) = warnings()["copy.dcm"]
    assert said.startswith("its result has the SOP Instance UID of the result of a.dcm")
    assert uids("out/a.dcm") == uids("out/copy.dcm")


def test_pictures_written_as_dicom_clash_too():
    a_png(Path("in/a.png"))
    a_png(Path("in/b.png"))
    upscale("in", "-o", "out", "--format", "dicom")
    assert "the result of a.png" in warnings()["b.png"][0]


def test_files_without_a_uid_do_not_clash():
    for n, name in enumerate(("a.dcm", "b.dcm")):
        a_dicom(Path("in", name), n, SOPInstanceUID="")
    upscale("in", "-o", "out")
    for said in warnings().values():
        assert len(said) == 1
        assert said[0].startswith("it has no valid SOP Instance UID")
    assert uids("out/a.dcm")[0] != uids("out/b.dcm")[0]


def test_one_text_in_place_of_all_uids_is_told_and_tells_nothing_apart():
    for n, name in enumerate(("a.dcm", "b.dcm")):
        a_dicom(Path("in", name), n, SOPInstanceUID="1.2")
        data = Path("in", name).read_bytes()
        Path("in", name).write_bytes(data.replace(b"1.2\0", b"gone"))
    upscale("in", "-o", "out")
    told = warnings()
    assert len(told["a.dcm"]) + len(told["b.dcm"]) == 3
    assert uids("out/a.dcm")[0] != uids("out/b.dcm")[0]


def test_a_file_that_is_replaced_does_not_clash_with_itself():
    from cxr_sr.batch.identities import Identities, uid_facts  # noqa: PLC0415
    from cxr_sr.formats.dicom.header import Uids  # noqa: PLC0415
    from cxr_sr.report.outcome import Job, Outcome  # noqa: PLC0415

    watched = Identities(reported=False)
    for sha in ("a", "b"):
        facts = uid_facts(Uids(UID, "1.2"), Uids(f"{UID}.{sha == 'a':d}", "1.3"))
        job = Job("a.dcm", Path("a.dcm"))
        noted = watched.noted(Outcome(job, "done", {"input_sha256": sha, **facts}))
        assert "warnings" not in noted.facts


def test_a_file_that_joins_those_of_an_earlier_run_is_compared_with_them():
    a_dicom(Path("in/a.dcm"), 1, SOPInstanceUID=UID)
    upscale("in", "-o", "out")
    a_dicom(Path("in/b.dcm"), 2, SOPInstanceUID=UID)
    upscale("in", "-o", "out", "--resume")
    assert "the SOP Instance UID of a.dcm" in warnings()["b.dcm"][0]


def test_pictures_have_no_uids_to_clash():
    a_png(Path("in/a.png"))
    a_png(Path("in/b.png"))
    upscale("in", "-o", "out")
    assert warnings() == {"a.png": [], "b.png": []}


def test_uids_are_reported_only_where_they_are_asked_for():
    a_dicom(Path("in/a.dcm"), SOPInstanceUID=UID)
    a_png(Path("in/b.png"))
    upscale("in", "-o", "out")
    text = Path("out/cxr-sr-report.jsonl").read_text()
    assert UID not in text
    assert uids("out/a.dcm")[0] not in text
    assert uids("out/a.dcm")[1] not in text
    assert "instance_uid" not in text


@pytest.mark.parametrize("how", ["--overwrite", "--resume"])
def test_the_uids_of_both_sides_are_reported_on_request(how):
    """They are also reported for a file that an earlier run wrote without them."""
    a_dicom(Path("in/a.dcm"), SOPInstanceUID=UID)
    a_png(Path("in/b.png"))
    upscale("in", "-o", "out")
    upscale("in", "-o", "out", "--report-uids", how)
    said = {k: v for k, v in files()["a.dcm"].items() if k.endswith("instance_uid")}
    instance, series = uids("out/a.dcm")
    assert said == {
        "input_sop_instance_uid": UID,
        "input_series_instance_uid": "1.2.3.4",
        "output_sop_instance_uid": instance,
        "output_series_instance_uid": series,
    }
    picture = {k: v for k, v in files()["b.png"].items() if k.endswith("instance_uid")}
    assert set(picture.values()) <= {None}


def test_a_report_says_where_the_dates_come_from():
    shifted = {"PatientIdentityRemoved": "YES"}
    a_dicom(Path("in/a.dcm"), 1, **shifted)  # type: ignore[arg-type]
    a_dicom(Path("in/b.dcm"), 2)
    a_png(Path("in/c.png"))
    result = upscale("in", "-o", "out")
    because = "PatientIdentityRemoved (0012,0062) is YES"
    told = {n: (e.get("dates"), e.get("dates_because")) for n, e in files().items()}
    assert told == {
        "a.dcm": ("source", because),
        "b.dcm": ("now", None),
        "c.png": (None, None),
    }
    assert f"1 of the results keep the dates of their source, as {because}" in (
        result.stderr
    )
