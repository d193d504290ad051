"""Every output has a place of its own, outside the input, before any work."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_sr.batch.plan import Shard, check_absent, check_places, output_name
from cxr_sr.batch.runner import Job
from cxr_sr.errors import OutputError, SettingsError

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=40
)


@pytest.fixture
def folders(tmp_path):
    """An input and an output folder, and a builder of jobs from one to the other."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()

    def job(name: str, target: str | None = None, *, folder: str = "in") -> Job:
        source = tmp_path / folder / name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.touch()
        return Job(name, source, tmp_path / "out" / (target or name))

    return job


@pytest.mark.parametrize(
    ("name", "form", "expected"),
    [
        ("a/chest.dcm", "same", "a/chest.dcm"),
        ("a/IM0001", "same", "a/IM0001"),
        ("1.2.840.5", "same", "1.2.840.5"),
        ("chest.PNG", "same", "chest.PNG"),
        ("a/IM0001", "dicom", "a/IM0001"),
        ("1.2.840.5", "dicom", "1.2.840.5"),
        ("chest.IMA", "dicom", "chest.IMA"),
        ("a/chest.png", "dicom", "a/chest.dcm"),
        ("a/chest.TIFF", "dicom", "a/chest.dcm"),
        ("a/chest.dcm", "png", "a/chest.png"),
        ("a/IM0001", "png", "a/IM0001.png"),
        ("1.2.840.5", "png", "1.2.840.5.png"),
        ("a.b/chest.v2", "tiff", "a.b/chest.v2.tif"),
        ("chest.nrrd", "npy", "chest.npy"),
    ],
)
def test_the_output_is_named_by_the_input_with_an_ending_by_format(
    name, form, expected
):
    assert output_name(name, form) == expected


def test_different_inputs_have_places_of_their_own(folders):
    jobs = [folders("a/1.dcm"), folders("b/1.dcm"), folders("2.dcm")]
    assert check_places(jobs, []) == jobs


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("a.png", "a.png", id="the same name"),
        pytest.param("a.png", "A.png", id="but for case"),
        pytest.param("Ma\u0308dchen.png", "M\u00e4dchen.png", id="but for composition"),
    ],
)
def test_two_inputs_for_one_output_are_refused(folders, one, other):
    jobs = [folders("first", one), folders("second", other)]
    with pytest.raises(OutputError, match="first and second would both be written"):
        check_places(jobs, [])


def test_a_file_that_is_given_twice_is_done_once(folders):
    assert len(check_places([folders("a.dcm"), folders("a.dcm")], [])) == 1


def test_an_output_within_an_input_folder_is_refused(folders, tmp_path):
    job = folders("a.dcm", "../in/results/a.dcm")
    with pytest.raises(OutputError, match="would be written into the input"):
        check_places([job], [tmp_path / "in"])


def test_an_output_that_gets_into_an_input_folder_by_a_link_is_refused(
    folders, tmp_path
):
    (tmp_path / "out" / "link").symlink_to(tmp_path / "in")
    with pytest.raises(OutputError, match="would be written into the input"):
        check_places([folders("a.dcm", "link/b.dcm")], [tmp_path / "in"])


def test_an_output_that_is_another_input_is_refused(folders):
    jobs = [folders("a.dcm", "../in/b.dcm"), folders("b.dcm")]
    with pytest.raises(OutputError, match=r"a\.dcm would be written into the input"):
        check_places(jobs, [])


def test_an_output_folder_beside_the_input_may_begin_with_its_name(folders, tmp_path):
    jobs = [folders("a.dcm", "../in-finer/a.dcm")]
    assert check_places(jobs, [tmp_path / "in"]) == jobs


def test_outputs_that_exist_are_named_with_what_to_do(folders):
    jobs = [folders(f"{n}.dcm") for n in range(6)]
    check_absent(jobs)
    for job in jobs[1:]:
        job.target.touch()
    with pytest.raises(OutputError, match="--resume") as refused:
        check_absent(jobs)
    assert "1.dcm, 2.dcm, 3.dcm and 2 more exists" in str(refused.value)


@given(st.sets(NAMES, max_size=50), st.integers(1, 9))
def test_shards_are_disjoint_and_complete(names, count):
    shards = [Shard(i, count) for i in range(1, count + 1)]
    for name in names:
        assert [s.holds(name) for s in shards].count(True) == 1


def test_a_shard_holds_the_same_files_on_every_machine():
    held = [n for n in range(20) if Shard.parse("2/3").holds(f"a/{n}.dcm")]
    assert held == [0, 2, 4, 5, 6, 8, 9, 17, 19]  # by sha256sum


def test_a_name_that_is_no_unicode_has_a_shard_too():
    assert Shard(1, 1).holds(os.fsdecode(b"R\xf6ntgen.dcm"))


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "a/b", "1/0", "-1/3", "1/3/5"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(SettingsError, match="expected I/N"):
        Shard.parse(text)


def test_names_may_be_anything_a_file_system_takes(folders):
    name = "Zo\u00eb \U0001fac1 (1).dcm"
    (job,) = check_places([folders(name)], [])
    assert Path(job.target).name == name
