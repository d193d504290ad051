"""`cxr-sr fetch`: from Orthanc by DICOMweb, and by C-FIND and C-GET."""

from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless

from tests.dicom_files import dicom_file
from tests.files import a_dicom
from tests.pacs.servers import Orthanc, command, free_port

# pynetdicom leaves a socket to the collector where a connection is refused.
IGNORED = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
pytestmark = [pytest.mark.slow, IGNORED]


@pytest.fixture
def archive(tmp_path):
    """Two radiographs of 2026, one of 2020, and a CT."""
    ct = "1.2.840.10008.5.1.4.1.1.2"
    kinds = [
        {"StudyDate": "20260105", "StudyInstanceUID": "1.2.5"},
        {"StudyDate": "20260105", "StudyInstanceUID": "1.2.5"},
        {"StudyDate": "20200101", "StudyInstanceUID": "1.2.6"},
        {"StudyDate": "20260105", "StudyInstanceUID": "1.2.7", "Modality": "CT"},
    ]
    with Orthanc(tmp_path / "orthanc") as archive:
        for n, more in enumerate(kinds):
            more["SeriesInstanceUID"] = f"1.2.3.{more['StudyInstanceUID']}"
            if "Modality" in more:
                more["SOPClassUID"] = ct
            elements: dict[str, Any] = more
            path = a_dicom(tmp_path / "in" / f"{n}", n, **elements)
            archive.post("instances", path.read_bytes())
        yield archive


def test_what_matches_is_fetched_once_by_either_way(tmp_path, archive):
    query = ("--query", "Modality=CR&StudyDate=20260101-", "-o")
    ways = [("--web", archive.web), ("--from", archive.address)]
    for way, target in zip(ways, ("web", "get"), strict=True):
        got = command("fetch", *way, *query, tmp_path / target)
        assert got.exit_code == 0, got.stderr
        files = sorted((tmp_path / target).rglob("*.dcm"))
        assert [str(path) for path in files] == sorted(got.stdout.splitlines())
        assert {dcmread(path).StudyDate for path in files} == {"20260105"}
        assert len(files) == 2
        again = command("fetch", *way, *query, tmp_path / target)
        assert "2 kept" in again.stderr
    assert names(tmp_path / "web") == names(tmp_path / "get")
    upscaled = command("upscale", tmp_path / "get", "-o", tmp_path / "out")
    assert upscaled.exit_code == 0


def test_each_instance_comes_in_the_syntax_that_the_archive_has(tmp_path, archive):
    """JPEG 2000: Orthanc does not decode it for clients that accept no other syntax."""
    path = dicom_file(
        tmp_path / "coded", syntax=JPEG2000Lossless, PatientID="?", StudyDate="19800101"
    )
    archive.post("instances", path.read_bytes())
    for way in (("--web", archive.web), ("--from", archive.address)):
        target = tmp_path / way[0].strip("-")
        # A wildcard: * is not escaped in a URL, or Orthanc would not know it.
        query = ("--query", "PatientID=*&StudyDate=19800101", "-o", target)
        got = command("fetch", *way, *query)
        assert got.exit_code == 0, got.stderr
        found = dcmread(got.stdout.strip())
        assert found.file_meta.TransferSyntaxUID == JPEG2000Lossless
        assert found.PixelData == dcmread(path).PixelData


def names(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*.dcm"))


def test_nothing_found_is_said(tmp_path, archive):
    query = ("--query", "StudyDate=19990101", "-o", tmp_path / "out")
    assert command("fetch", "--web", archive.web, *query).exit_code == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--query", "Colour=red", "--web", "http://localhost:1"), "known keywords"),
        (("--query", "Modality=CR"), "give one of --web"),
        (
            ("--query", "Modality=CR", "--from", f"A@127.0.0.1:{free_port()}"),
            "no connection",
        ),
        (
            ("--query", "Modality=CR", "--web", f"http://127.0.0.1:{free_port()}"),
            "no answer",
        ),
    ],
)
def test_what_cannot_be_asked_is_wrong_usage(tmp_path, words, told):
    result = command("fetch", *words, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert told in result.stderr
