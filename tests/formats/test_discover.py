"""Every file is found once, by its content, or left out for a reason that is told."""

from __future__ import annotations

import os
import shutil
from pathlib import Path, PurePath

import numpy as np
import pydicom.data
import pytest
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import MediaStorageDirectoryStorage

from cxr_sr.files import PREFIX
from cxr_sr.formats.discover import Candidate, Found, Skipped, discover
from cxr_sr.formats.kind import Kind
from tests.builders import write_png
from tests.dicom_files import dicom_file, saved
from tests.header_builders import make_item


def found(*inputs: Path) -> list[str]:
    """The candidates, as their places below the output."""
    return [f.relative.as_posix() for f in discover(inputs) if isinstance(f, Candidate)]


def skipped(*inputs: Path) -> dict[str, str]:
    """The others, and why."""
    return {
        f.relative.as_posix(): f.reason
        for f in discover(inputs)
        if isinstance(f, Skipped)
    }


def one(path: Path) -> Found:
    (only,) = discover([path])
    return only


@pytest.fixture
def dicom(tmp_path: Path) -> Path:
    """A DICOM file to copy from, outside of `folder`."""
    return dicom_file(tmp_path / "one.dcm")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


# ---- folders -------------------------------------------------------------------------


def test_a_folder_is_walked_in_the_order_of_names(folder: Path, dicom: Path):
    for name in ("b/2.dcm", "b/10.dcm", "a/IM1", "c.dcm", "a/x/y.dcm"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(dicom, folder / name)
    assert found(folder) == ["c.dcm", "a/IM1", "a/x/y.dcm", "b/10.dcm", "b/2.dcm"]
    assert found(folder) == found(folder)


def test_a_file_is_known_by_its_content(folder: Path, dicom: Path):
    shutil.copy(dicom, folder / "no_ending")
    shutil.copy(dicom, folder / "wrong.txt")
    write_png(folder / "a.png")
    (folder / "not.dcm").write_text("a text")
    candidates = [f for f in discover([folder]) if isinstance(f, Candidate)]
    assert {f.relative.name: f.kind for f in candidates} == {
        "no_ending": Kind.DICOM,
        "wrong.txt": Kind.DICOM,
        "a.png": Kind.PNG,
    }
    reason = "text (.dcm); there is no image in it"
    assert skipped(folder) == {"not.dcm": reason}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".DS_Store", "hidden or system"),
        ("._chest.dcm", "hidden or system"),
        ("Thumbs.db", "hidden or system"),
        ("desktop.ini", "hidden or system"),
        ("DICOMDIR", "found without it"),
        (f"{PREFIX}0011.dcm", "a temporary file of a killed run"),
        ("empty.dcm", "an empty file"),
    ],
)
def test_what_is_no_image_is_left_out_with_a_reason(
    folder: Path, name: str, reason: str
):
    (folder / name).touch()
    (only,) = discover([folder])
    assert isinstance(only, Skipped)
    assert reason in only.reason
    assert not only.asked


def test_hidden_folders_are_not_entered(folder: Path, dicom: Path):
    (folder / ".Trashes").mkdir()
    shutil.copy(dicom, folder / ".Trashes" / "a.dcm")
    assert list(discover([folder])) == []


def test_links_are_followed_and_circles_are_not(folder: Path, dicom: Path):
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(dicom, elsewhere / "a.dcm")
    (folder / "link").symlink_to(elsewhere)
    (folder / "up").symlink_to(folder)
    (elsewhere / "round").symlink_to(elsewhere)
    assert found(folder) == ["link/a.dcm"]


def test_a_folder_is_met_by_its_own_name_before_a_links(folder: Path, dicom: Path):
    (folder / "study" / "series").mkdir(parents=True)
    shutil.copy(dicom, folder / "study" / "series" / "a.dcm")
    (folder / "first").symlink_to(folder / "study" / "series")
    (folder / "study" / "again").symlink_to(folder / "study")
    assert found(folder) == ["study/series/a.dcm"]


def test_a_link_to_a_hidden_folder_is_followed(folder: Path, dicom: Path):
    (folder / ".kept").mkdir()
    shutil.copy(dicom, folder / ".kept" / "a.dcm")
    (folder / "link").symlink_to(folder / ".kept")
    assert found(folder) == ["link/a.dcm"]


def test_a_link_to_nothing_is_told(folder: Path):
    (folder / "a.dcm").symlink_to(folder / "gone.dcm")
    assert skipped(folder) == {"a.dcm": "there is no such file"}


def test_a_folder_that_may_not_be_listed_is_missed(folder: Path, dicom: Path):
    closed = folder / "closed"
    closed.mkdir()
    shutil.copy(dicom, folder / "a.dcm")
    closed.chmod(0)
    try:
        if os.access(closed, os.R_OK):
            pytest.skip("whoever runs this may list anything")
        reasons = skipped(folder)
    finally:
        closed.chmod(0o755)
    assert reasons == {"closed": "the folder cannot be listed: Permission denied"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(folder: Path):
    os.mkfifo(folder / "pipe")
    assert skipped(folder) == {"pipe": "not a regular file"}


def test_names_may_be_anything_a_file_system_allows(folder: Path, dicom: Path):
    names = ["Röntgen thorax.dcm", "胸部.dcm", "a\nb.dcm", "-o", "n" * 255]
    for name in names:
        shutil.copy(dicom, folder / name)
    assert sorted(found(folder)) == sorted(names)


# ---- inputs --------------------------------------------------------------------------


def test_a_file_is_placed_by_its_name_and_a_folder_by_what_is_below(
    folder: Path, dicom: Path
):
    shutil.copy(dicom, folder / "a.dcm")
    assert found(dicom, folder) == ["one.dcm", "a.dcm"]


def test_what_the_user_named_is_missed_if_it_is_not_there(folder: Path):
    assert one(folder / "gone.dcm") == Skipped(
        folder / "gone.dcm", PurePath("gone.dcm"), "there is no such file", asked=True
    )


def test_what_the_user_named_is_not_passed_over_for_its_name(folder: Path, dicom: Path):
    shutil.copy(dicom, folder / ".hidden")
    assert one(folder / ".hidden") == Candidate(
        folder / ".hidden", PurePath(".hidden"), Kind.DICOM, asked=True
    )


def test_nothing_is_opened_before_it_is_asked_for(folder: Path, dicom: Path):
    endless = discover(iter([dicom, folder / "gone"]))
    assert isinstance(next(endless), Candidate)
    assert isinstance(next(endless), Skipped)


# ---- DICOMDIR ------------------------------------------------------------------------


def record(*components: str, kind: str = "IMAGE") -> Dataset:
    item = make_item(DirectoryRecordType=kind)
    # Hostile discs ignore the rules of the VR CS.
    item.add(DataElement(0x00041500, "CS", list(components), validation_mode=IGNORE))
    return item


def dicomdir(folder: Path, *records: Dataset) -> Path:
    header = make_item(
        SOPClassUID=MediaStorageDirectoryStorage,
        FileSetID="EXPORT",
        DirectoryRecordSequence=list(records),
    )
    return saved(folder / "DICOMDIR", header)


def test_a_dicomdir_stands_for_the_images_it_refers_to(folder: Path, dicom: Path):
    (folder / "IMAGES").mkdir()
    for name in ("IM2", "IM1", "IM9"):
        shutil.copy(dicom, folder / "IMAGES" / name)
    index = dicomdir(
        folder,
        make_item(DirectoryRecordType="PATIENT", PatientName="Doe^Jane"),
        record("IMAGES", "IM2"),
        record("IMAGES", "IM1"),
        record("IMAGES", "IM1"),
        record("IMAGES", "IM9", kind="PRESENTATION"),
    )
    assert found(index) == ["IMAGES/IM2", "IMAGES/IM1"]
    assert all(f.asked for f in discover([index]))


def test_an_image_that_a_dicomdir_misses_is_told(folder: Path):
    (only,) = discover([dicomdir(folder, record("IMAGES", "IM1"))])
    assert isinstance(only, Skipped)
    assert only.asked
    assert only.relative.as_posix() == "IMAGES/IM1"
    assert "no such file" in only.reason


@pytest.mark.parametrize(
    "components",
    [("..", "SECRET"), ("/etc", "passwd"), ("A", "..", "..", "SECRET"), ("C:", "X")],
    ids=str,
)
def test_a_dicomdir_leads_nowhere_but_into_its_folder(
    folder: Path, components: tuple[str, ...]
):
    dicom_file(folder.parent / "SECRET")
    (only,) = discover([dicomdir(folder, record(*components))])
    assert isinstance(only, Skipped)
    assert only.reason == "the DICOMDIR refers to a file outside of its folder"


def test_nor_through_a_link(folder: Path, dicom: Path):
    (folder / "LINK").symlink_to(dicom.parent)
    (only,) = discover([dicomdir(folder, record("LINK", "one.dcm"))])
    assert isinstance(only, Skipped)
    assert "leads out" in only.reason


def test_names_on_a_disc_may_have_become_lower_case(folder: Path, dicom: Path):
    (folder / "images").mkdir()
    shutil.copy(dicom, folder / "images" / "im1")
    assert found(dicomdir(folder, record("IMAGES", "IM1"))) == ["images/im1"]


def test_a_damaged_dicomdir_is_told_and_not_raised(folder: Path):
    index = dicomdir(folder, record("IM1"))
    index.write_bytes(index.read_bytes()[:-20])
    (only,) = discover([index])
    assert isinstance(only, Skipped)
    assert only.asked


def test_a_file_that_is_merely_called_dicomdir_is_told(folder: Path, dicom: Path):
    shutil.copy(dicom, folder / "DICOMDIR")
    assert "this is no DICOMDIR" in skipped(folder / "DICOMDIR")["DICOMDIR"]


def test_a_real_dicomdir_in_any_encoding():
    data = Path(pydicom.data.get_testdata_file("dicomdirtests/DICOMDIR") or "")
    images = found(data)
    assert len(images) == 31
    assert images[0] == "77654033/CR1/6154"
    walked = {name for name in found(data.parent) if name.startswith(("77", "98"))}
    assert walked == set(images)


def test_every_one_of_many_records_is_told_once(folder: Path):
    records = [record("D", f"I{n}") for n in range(2000)]
    index = dicomdir(folder, *records)
    reasons = [f for f in discover([index]) if isinstance(f, Skipped)]
    assert len(reasons) == len(records)
    assert np.unique([str(f.relative) for f in reasons]).size == len(records)
