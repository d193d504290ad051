"""`cxr-sr send`: results of a run, to receivers that we did not write."""

import json

import pytest
from pydicom import dcmread

from cxr_sr.report.entries import read_deliveries
from tests.cli.task.test_run import dicom_chest
from tests.files import a_dicom, a_png, damage
from tests.pacs.servers import Orthanc, command, free_port

# pynetdicom leaves a socket to the collector where a connection is refused.
IGNORED = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
pytestmark = [pytest.mark.slow, IGNORED]

REPORT = "cxr-sr-report.jsonl"


@pytest.fixture
def results(tmp_path, images):
    """Six results and their report; one of the inputs is no DICOM file."""
    a_png(tmp_path / "in" / "picture.png")
    words = ("upscale", tmp_path / "in", "-o", tmp_path / "out", "--model", "nearest")
    assert command(*words).exit_code == 0
    return tmp_path / "out"


def test_what_the_report_says_was_sent_is_not_sent_again(results, pacs):
    (results / "0.dcm").write_bytes(b"changed")
    for _ in range(2):
        sent = command("send", results / REPORT, "--to", pacs.address)
        assert sent.exit_code == 4
        assert len(pacs.received) == 5
        assert "0.dcm: it differs from the file in the report" in sent.stderr
        assert "picture.png" in sent.stderr
    assert len(list(read_deliveries(results / REPORT))) == 5
    again = command("send", results / REPORT, "--to", pacs.address, "--again")
    assert again.exit_code == 4
    assert len(pacs.received) == 10


def test_files_and_folders_are_sent_too(results, pacs):
    sent = command("send", results, "--to", pacs.address, "--json")
    assert sent.exit_code == 0, sent.stderr
    lines = [json.loads(line) for line in sent.stdout.splitlines()]
    assert {line["status"] for line in lines} == {"done"}
    assert len(pacs.received) == len(lines) == 6


def test_a_receiver_that_is_not_there_is_a_line_for_each_file(results):
    sent = command("send", results, "--to", f"PACS@127.0.0.1:{free_port()}")
    assert sent.exit_code == 5
    assert sent.stderr.count("not sent") == 6


def test_a_dicomweb_server_gets_them_and_its_refusal_is_a_line(tmp_path, results):
    nameless = a_dicom(tmp_path / "odd" / "one.dcm", StudyInstanceUID="")
    with Orthanc(tmp_path / "orthanc") as pacs:
        sent = command("send", results / REPORT, "--to", pacs.web)
        assert sent.exit_code == 4, sent.stderr  # the picture is no DICOM file
        assert len(pacs.instances()) == 6
        refused = command("send", nameless, "--to", pacs.web)
        assert refused.exit_code == 5
        assert "neither as stored nor as failed" in refused.stderr
        refused = command("send", results / "0.dcm", "--to", f"{pacs.web}/no")
        assert refused.exit_code == 5
        assert "HTTP status 404" in refused.stderr


def test_nothing_but_an_address_will_do(results):
    sent = command("send", results, "--to", "PACS")
    assert sent.exit_code == 2
    assert "AET@HOST:PORT" in sent.stderr


def test_a_file_that_is_no_dicom_is_named(tmp_path, pacs):
    picture = a_png(tmp_path / "a.png")
    sent = command("send", picture, "--to", pacs.address)
    assert sent.exit_code == 5
    assert "no DICOM file" in sent.stderr


def test_what_is_sent_is_the_result(results, pacs):
    assert command("send", results / "1.dcm", "--to", pacs.address).exit_code == 0
    (got,) = pacs.received
    expected = dcmread(results / "1.dcm")
    assert dcmread(got).SOPInstanceUID == expected.SOPInstanceUID
    assert (dcmread(got).pixel_array == expected.pixel_array).all()


@pytest.fixture
def masked(tmp_path):
    """Results with masks: of a DICOM file, and of a file without a study."""
    dicom_chest(tmp_path / "in" / "a.dcm")
    dicom_chest(tmp_path / "in" / "b.dcm", StudyInstanceUID="")
    words = ("upscale", tmp_path / "in", "-o", tmp_path / "out", "--model", "nearest")
    assert command(*words, "--head", "lungs").exit_code == 0
    return tmp_path / "out"


@pytest.mark.parametrize("web", [False, True])
def test_masks_are_sent_with_their_results(tmp_path, masked, web):
    """The PACS has the mask in the study of its image; a PNG mask stays here."""
    with Orthanc(tmp_path / "orthanc") as pacs:
        where = pacs.web if web else pacs.address
        (masked / "b.dcm").unlink()  # Orthanc refuses it, for want of a study
        sent = command("send", masked / REPORT, "--to", where)
        assert sent.stdout.splitlines() == ["a.dcm", "a_mask.dcm"]
        assert "b_mask.png: it is no DICOM file" in sent.stderr
        tags = [
            pacs.get(f"instances/{i}/tags?simplify").json() for i in pacs.instances()
        ]
        assert {tag["Modality"] for tag in tags} == {"CR", "SEG"}
        assert len({tag["StudyInstanceUID"] for tag in tags}) == 1
    lines = list(read_deliveries(masked / REPORT))
    assert [line.get("mask") for line in lines] == [None, "a_mask.dcm"]
    assert {line["file"] for line in lines} == {"a.dcm"}


def test_a_mask_that_was_sent_or_changed_is_not_sent(masked, pacs):
    first = command("send", masked / REPORT, "--to", pacs.address)
    assert first.exit_code == 0, first.stderr
    assert len(pacs.received) == 3
    again = command("send", masked / REPORT, "--to", pacs.address)
    assert "3 kept" in again.stderr
    damage(masked / "a_mask.dcm")
    again = command("send", masked / REPORT, "--to", pacs.address, "--again")
    assert again.exit_code == 4
    assert "a_mask.dcm: it differs from the file in the report" in again.stderr
    assert len(pacs.received) == 5
