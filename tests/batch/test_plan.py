"""Before any work, each output has its own path outside the input."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_sr.batch.outputs import apart, output_name
from cxr_sr.batch.plan import Shard, check_absent, check_places, gather
from cxr_sr.errors import OutputError, SettingsError
from cxr_sr.files import PREFIX
from cxr_sr.formats.kind import Kind
from cxr_sr.report.outcome import Job

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=40
)


WHOLE = Shard(1, 1)


@pytest.fixture
def folders(tmp_path):
    """An input folder, an output folder, and a function that makes jobs."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()

    def job(name: str, target: str | None = None) -> Job:
        target = target or name
        return Job(name, tmp_path / "in" / name, target, tmp_path / "out" / target)

    return job


@pytest.fixture
def check(tmp_path):
    def check(*jobs: Job, report: str = "out/report.jsonl") -> None:
        check_places(jobs, tmp_path / report, [tmp_path / "in"])

    return check


def an_image(path: Path) -> Path:
    """The first bytes of a PNG file; enough to recognise the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    return path


@pytest.mark.parametrize(
    ("name", "form", "expected"),
    [
        ("a/chest.dcm", "same", "a/chest.dcm"),
        ("a/IM0001", "same", "a/IM0001"),
        ("1.2.840.5", "same", "1.2.840.5"),
        ("chest.PNG", "same", "chest.PNG"),
        ("a/chest.jpg", "same", "a/chest.png"),
        ("a/scan.nii", "same", "a/scan.mha"),
        ("a/scan.nii.gz", "same", "a/scan.mha"),
        ("a/scan.nii.gz", "png", "a/scan.png"),
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


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Kind.PNG, "a/chest.png"), (Kind.JPEG, "a/chest.png"), (Kind.DICOM, "a/chest")],
)
def test_without_a_known_ending_the_contents_decide(kind, expected):
    assert output_name("a/chest", "same", kind) == expected


def test_a_folder_is_mirrored_and_what_is_no_image_is_left_out(tmp_path):
    an_image(tmp_path / "in" / "a" / "1.png")
    (tmp_path / "in" / "notes.txt").write_text("nothing to see")
    batch = gather([tmp_path / "in"], tmp_path / "out", "dicom", WHOLE)
    (job,) = batch.jobs
    assert (job.name, job.output) == ("a/1.png", "a/1.dcm")
    assert job.target == tmp_path / "out" / "a" / "1.dcm"
    assert not job.asked
    (left_out,) = batch.left_out
    assert (left_out.job.name, left_out.status) == ("notes.txt", "skipped")


def test_what_was_named_itself_and_cannot_be_read_has_failed(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to see")
    inputs = [tmp_path / "notes.txt", tmp_path / "gone.dcm"]
    batch = gather(inputs, tmp_path / "out", "same", WHOLE)
    assert [o.status for o in batch.left_out] == ["failed", "failed"]
    assert "no such file" in batch.left_out[1].reason


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["in/1.png"], ["1.png"]),
        (["in/a/1.png", "in/b/1.png"], ["a/1.png", "b/1.png"]),
        (["in/1.png", "in/b/1.png"], ["1.png", "b/1.png"]),
        (["in/1.png", "in/../in/b/1.png"], ["1.png", "b/1.png"]),
    ],
)
def test_files_named_one_by_one_are_mirrored_from_their_common_folder(
    tmp_path, monkeypatch, files, names
):
    monkeypatch.chdir(tmp_path)
    paths = [an_image(Path(name)) for name in files]
    batch = gather(paths, Path("out"), "same", WHOLE)
    assert [job.name for job in batch.jobs] == names


def test_a_file_that_is_given_twice_is_done_once(tmp_path):
    image = an_image(tmp_path / "in" / "1.png")
    batch = gather([tmp_path / "in", image, image], tmp_path / "out", "same", WHOLE)
    assert len(batch.jobs) == 1


def test_only_the_files_of_the_part_are_gathered(tmp_path):
    for n in range(12):
        an_image(tmp_path / "in" / f"{n}.png")
    parts = [
        gather([tmp_path / "in"], Path("out"), "same", Shard(i, 3)) for i in (1, 2, 3)
    ]
    names = [job.name for part in parts for job in part.jobs]
    assert sorted(names) == sorted(f"{n}.png" for n in range(12))


def test_outputs_with_places_of_their_own_are_fine(folders, check):
    check(folders("a/1.dcm"), folders("b/1.dcm"), folders("2.dcm"))


def test_results_of_one_name_are_named_by_the_whole_name_of_their_sources(tmp_path):
    for name in ("a.dcm", "a.png", "a.dicom", "b.png", "c"):
        an_image(tmp_path / "in" / name)
    names = {}
    for form in ("png", "dicom"):
        batch = gather([tmp_path / "in"], tmp_path / "out", form, WHOLE)
        assert batch.left_out == []
        assert all(j.target == tmp_path / "out" / j.output for j in batch.jobs)
        names[form] = {job.name: job.output for job in batch.jobs}
    assert names["png"] == {
        "a.dcm": "a.dcm.png",
        "a.dicom": "a.dicom.png",
        "a.png": "a.png",
        "b.png": "b.png",
        "c": "c.png",
    }
    assert names["dicom"]["a.png"] == "a.png.dcm"
    assert names["dicom"]["a.dcm"] == "a.dcm"


def test_every_part_names_them_alike(tmp_path):
    for name in ("a.dcm", "a.png", "a.dicom"):
        an_image(tmp_path / "in" / name)
    parts = [
        gather([tmp_path / "in"], Path("out"), "png", Shard(n, 9)) for n in range(1, 10)
    ]
    outputs = {job.output for part in parts for job in part.jobs}
    assert outputs == {"a.dcm.png", "a.png", "a.dicom.png"}


def test_one_name_in_two_inputs_fails_for_the_second_alone(tmp_path):
    for folder in ("one", "two"):
        an_image(tmp_path / folder / "a.png")
    an_image(tmp_path / "two" / "b.png")
    inputs = [tmp_path / "one", tmp_path / "two"]
    batch = gather(inputs, tmp_path / "out", "same", WHOLE)
    assert [job.source.parent.name for job in batch.jobs] == ["one", "two"]
    (left_out,) = batch.left_out
    assert left_out.status == "failed"
    assert "would be written to a.png, too" in left_out.reason


ALIKE = pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("a.png", "A.png", id="but for case"),
        pytest.param("Ma\u0308dchen.png", "M\u00e4dchen.png", id="but for composition"),
    ],
)


@ALIKE
def test_names_that_differ_have_places_of_their_own(folders, tmp_path, one, other):
    jobs = [folders("first", one), folders("second", other)]
    assert apart(jobs) == (jobs, [])
    assert list(tmp_path.rglob(f"{PREFIX}*")) == []


@ALIKE
def test_the_second_fails_where_the_file_system_takes_them_for_the_same(
    folders, monkeypatch, one, other
):
    monkeypatch.setattr(Path, "exists", lambda _: True)
    kept, (clash,) = apart([folders("first", one), folders("second", other)])
    assert [job.name for job in kept] == ["first"]
    assert clash.reason.startswith(
        "its output and the output of first would be the same file"
    )


@ALIKE
def test_the_second_fails_where_nobody_can_tell(folders, monkeypatch, one, other):
    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr(Path, "touch", refuse)
    kept, (clash,) = apart([folders("first", one), folders("second", other)])
    assert [job.name for job in kept] == ["first"]
    assert clash.reason.startswith(
        "its output and the output of first would be the same file"
    )


def test_an_output_within_an_input_folder_is_refused(folders, check):
    with pytest.raises(OutputError, match="would be written into the input"):
        check(folders("a.dcm", "../in/results/a.dcm"))


def test_a_report_within_an_input_folder_is_refused(folders, check):
    with pytest.raises(OutputError, match="the report would be written into the input"):
        check(folders("a.dcm"), report="in/report.jsonl")


def test_an_output_that_gets_into_an_input_folder_by_a_link_is_refused(
    folders, check, tmp_path
):
    (tmp_path / "out" / "link").symlink_to(tmp_path / "in")
    with pytest.raises(OutputError, match="would be written into the input"):
        check(folders("a.dcm", "link/b.dcm"))


def test_an_output_that_is_another_input_is_refused(folders, tmp_path):
    jobs = [folders("a.dcm", "../in/b.dcm"), folders("b.dcm")]
    with pytest.raises(OutputError, match=r"a\.dcm would be written into the input"):
        check_places(jobs, tmp_path / "report.jsonl", [job.source for job in jobs])


def test_an_output_folder_beside_the_input_may_begin_with_its_name(folders, check):
    check(folders("a.dcm", "../in-finer/a.dcm"))


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


@pytest.mark.parametrize(
    "name", ["Zo\u00eb \U0001fac1 (1).png", os.fsdecode(b"R\xf6ntgen.png"), "-.png"]
)
def test_names_may_be_anything_a_file_system_takes(tmp_path, name):
    an_image(tmp_path / "in" / name)
    (job,) = gather([tmp_path / "in"], tmp_path / "out", "same", WHOLE).jobs
    assert job.target.name == name
