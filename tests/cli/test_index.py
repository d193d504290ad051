"""`cxr-sr index`: a messy export in, an index that tells nobody's name out."""

import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import cxr_sr
from cxr_sr.cli import output
from cxr_sr.cli.main import app
from cxr_sr.formats.dicom.parse import parse_header
from cxr_sr.formats.header.elements import text
from cxr_sr.formats.registry import kind_of_file
from cxr_sr.index import facts
from cxr_sr.index.facts import Finding
from cxr_sr.index.journal import Journal
from cxr_sr.training.data.images import list_images
from tests.builders import noise, pixel_format, write_png
from tests.dicom_files import dicom_file
from tests.files import EVERY, an_export
from tests.index.export import (
    ANNA,
    BERT,
    KEPT,
    LEFT_OUT,
    SECRETS,
    dicomdir,
    image,
    messy_export,
)

SALT = "--salt=a secret of sixteen"
ENDINGS = {".csv", ".journal.jsonl", ".key", ".png", ".skipped.csv"}
KILLED_AT = 7

KILLING = """
import os, signal, sys
from cxr_sr.index import facts
examine, left = facts.examine, [{count}]

def deadly(*arguments):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return examine(*arguments)

facts.examine = deadly
sys.argv = ["cxr-sr", *{arguments!r}]
from cxr_sr.cli.main import main
main()
"""


@pytest.fixture
def picture():
    """Ask for this to have INDEX.png drawn, which takes a second."""


@pytest.fixture(autouse=True)
def _no_picture_unasked(request, monkeypatch):
    if "picture" not in request.fixturenames:
        monkeypatch.setattr("cxr_sr.evaluation.figures.has_matplotlib", lambda: False)


@pytest.fixture
def export(tmp_path, monkeypatch) -> Path:
    """A messy export in `data`, beside which the working folder is."""
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    return messy_export(tmp_path / "data")


def index(*arguments, jobs=1):
    words = ["index", *map(str, arguments), f"--jobs={jobs}"]
    return CliRunner().invoke(app, words)


def rows(path="index.csv") -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def outputs() -> dict[str, bytes]:
    """The files in the working folder."""
    return {p.name: p.read_bytes() for p in Path().iterdir() if p.is_file()}


class TestMessyExport:
    def test_radiographs_are_kept_and_every_other_file_has_a_reason(self, export):
        result = index(export, "-o", "index.csv", SALT)
        assert result.exit_code == 4, result.stderr
        assert [row["file"] for row in rows()] == [f"../data/{n}" for n in KEPT]
        left = {r["file"]: r["kind"] for r in rows("index.skipped.csv")}
        assert left == LEFT_OUT
        assert all(row["reason"] for row in rows("index.skipped.csv"))

    def test_standard_output_is_the_path_and_all_else_is_talk(self, export):
        result = index(export, "-o", "index.csv")
        assert result.stdout == "index.csv\n"
        for told in ("manufacturer", "MONOCHROME2", "the same pixels", "files left"):
            assert told in result.stderr

    def test_patients_are_kept_together_across_folders(self, export):
        index(export, "-o", "index.csv", SALT)
        by_file = {row["file"].removeprefix("../data/"): row for row in rows()}
        anna = {by_file[n]["patient"] for n in KEPT if n.startswith("a/")}
        assert len(anna) == 1
        assert by_file["s3/IM0001"]["patient"] not in anna
        assert by_file["lost/IM0001"]["patient"] == by_file["lost/IM0002"]["patient"]
        assert len({row["patient"] for row in rows()}) == 4

    @pytest.mark.usefixtures("picture")
    def test_everything_lies_beside_the_index(self, export):
        index(export, "-o", "sub/chests.csv")
        names = {p.name for p in Path("sub").iterdir()}
        assert names == {f"chests{ending}" for ending in ENDINGS}

    def test_processes_find_the_same_as_one(self, export):
        index(export, "-o", "one.csv", SALT)
        index(export, "-o", "two.csv", SALT, jobs=2)
        for ending in (".csv", ".skipped.csv"):
            assert (
                Path(f"one{ending}").read_bytes() == Path(f"two{ending}").read_bytes()
            )

    @pytest.mark.usefixtures("picture")
    def test_an_index_in_the_export_does_not_index_itself(self, export):
        index(export, "-o", export / "index.csv")
        again = index(export, "-o", export / "index.csv", "--overwrite")
        assert again.exit_code == 4
        assert [row["file"] for row in rows(export / "index.csv")] == KEPT
        left = {row["file"] for row in rows(export / "index.skipped.csv")}
        assert left == set(LEFT_OUT)
        assert [e.split for e in list_images(export)] == [
            row["split"] for row in rows(export / "index.csv")
        ]

    def test_json_is_one_object_with_all_counts(self, export):
        result = index(export, "-o", "index.csv", "--json", "-q", "--split=train=1")
        (line,) = result.stdout.splitlines()
        told = json.loads(line)
        assert told["index"] == "index.csv"
        assert (told["images"], told["patients"], told["unnamed"]) == (7, 4, 3)
        assert told["counts"]["view"]["PA"] == {"train": 5}
        assert told["left_out"] == {
            "no image": 4,
            "duplicate": 2,
            "no radiograph": 1,
            "unreadable": 1,
        }

    def test_quiet_says_only_what_is_in_doubt(self, export):
        result = index(export, "-o", "index.csv", "-q", "--split=train=1")
        (doubt,) = result.stderr.splitlines()
        assert "3 images name no patient" in doubt

    def test_a_side_without_images_is_told(self, export):
        result = index(export, "-o", "i.csv", SALT, "--split=train=0.999,val=0.001")
        assert "no image is in val" in result.stderr
        assert "few patients (4)" in result.stderr

    def test_another_seed_deals_anew_without_reading_anew(self, export):
        index(export, "-o", "index.csv", SALT)
        splits = set()
        for seed in range(8):
            result = index(
                export, "-o", "index.csv", SALT, f"--seed={seed}", "--overwrite"
            )
            assert "14 files are known" not in result.stderr  # the broken is not
            assert "10 files are known from an earlier run" in result.stderr
            splits.add(tuple(row["split"] for row in rows()))
        assert len(splits) > 2


class TestNobodyIsNamed:
    @pytest.mark.usefixtures("picture")
    def test_nothing_that_is_written_tells_who(self, export):
        result = index(export, "-o", "index.csv")
        written = outputs() | {
            "stdout": result.stdout.encode(),
            "stderr": result.stderr.encode(),
        }
        assert len(written) == len(ENDINGS) + 2
        for name, content in written.items():
            found = [s for s in SECRETS if s.encode() in content]
            assert not found, name

    def test_nor_do_the_uids_of_real_files(self, shared_dicom, tmp_path, monkeypatch):
        """The test looks for each identifying attribute of every real file."""
        monkeypatch.chdir(tmp_path)
        source = tmp_path / "data"
        source.mkdir()
        secrets: set[str] = set()
        for number, path in enumerate(sorted(shared_dicom.glob("*.dcm"))):
            if path.stat().st_size < 2_000_000:
                shutil.copy(path, source / f"IM{number}")
                secrets |= identities(path)
        assert len(secrets) > 50
        index("data", "-o", "index.csv", "-q")
        everything = b"\n".join(
            c for n, c in outputs_below(tmp_path) if "data" not in n
        )
        assert [s for s in sorted(secrets) if s.encode() in everything] == []

    def test_no_absolute_path_is_written_or_told(self, export, tmp_path):
        result = index(export, "-o", "index.csv")
        for content in [*outputs().values(), result.stderr.encode()]:
            assert str(tmp_path).encode() not in content

    def test_the_salt_is_only_in_the_key(self, export):
        index(export, "-o", "index.csv")
        key = Path("index.key").read_text().strip()
        for name, content in outputs().items():
            assert (key.encode() in content) == (name == "index.key")

    def test_no_key_is_kept_of_a_salt_that_is_given(self, export):
        index(export, "-o", "index.csv", SALT)
        assert not Path("index.key").exists()
        assert b"a secret of sixteen" not in b"".join(outputs().values())

    def test_random_salts_give_one_patient_two_names(self, export):
        index(export, "-o", "one.csv")
        index(export, "-o", "two.csv")
        names = [{row["patient"] for row in rows(f"{n}.csv")} for n in ("one", "two")]
        assert not names[0] & names[1]

    def test_one_salt_gives_one_name_in_two_exports(self, export, tmp_path):
        image(tmp_path / "more" / "IM1", 99)
        index(export, "-o", "one.csv", SALT)
        index(tmp_path / "more", "-o", "two.csv", SALT)
        (row,) = rows("two.csv")
        same = [r["split"] for r in rows("one.csv") if r["patient"] == row["patient"]]
        assert set(same) == {row["split"]}

    def test_without_the_key_patients_get_new_names_and_the_user_is_told(self, export):
        index(export, "-o", "index.csv")
        before = {row["patient"] for row in rows()}
        Path("index.key").unlink()
        result = index(export, "-o", "index.csv", "--overwrite")
        assert "index.key is missing: all patients get new hashes" in result.stderr
        assert not before & {row["patient"] for row in rows()}


def identities(path: Path) -> set[str]:
    """Names, numbers and UIDs of a file, long enough not to be found by chance."""
    kind = kind_of_file(path)
    assert kind is not None
    header = parse_header(path, kind).dataset
    keywords = (
        "PatientName",
        "PatientID",
        "SOPInstanceUID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "AccessionNumber",
        "PatientBirthDate",
        "StudyDate",
        "InstitutionName",
        "ReferringPhysicianName",
        "StationName",
    )
    # One file names its maker as its patient.
    found = {text(header, keyword) for keyword in keywords}
    return {v for v in found - {text(header, "Manufacturer")} if len(v) > 5}


def outputs_below(folder: Path) -> list[tuple[str, bytes]]:
    found = (p for p in folder.rglob("*") if p.is_file())
    return [(p.relative_to(folder).as_posix(), p.read_bytes()) for p in found]


class TestResults:
    @pytest.fixture
    def mixed(self, tmp_path, monkeypatch) -> Path:
        """Two originals, and results of both in a subfolder."""
        monkeypatch.chdir(tmp_path)
        data = tmp_path / "data"
        image(data / "a.dcm", 1, ANNA)
        write_png(data / "b.png")
        model = cxr_sr.load_model("bicubic")
        (data / "finer").mkdir()
        for name in ("a.dcm", "b.png"):
            finer = cxr_sr.upscale(cxr_sr.read(data / name), model, 2)
            cxr_sr.write(finer, data / "finer" / name)
        return Path("data")

    def test_they_are_left_out_with_a_reason(self, mixed):
        result = index(mixed, "-o", "index.csv", SALT)
        assert result.exit_code == 0, result.stderr
        assert [row["file"] for row in rows()] == ["data/a.dcm", "data/b.png"]
        left = rows("index.skipped.csv")
        assert {row["kind"] for row in left} == {"own result"}
        assert [row["file"] for row in left] == ["finer/a.dcm", "finer/b.png"]
        assert "result of cxr-sr" in left[0]["reason"]
        assert "result of cxr-sr" in result.stderr

    def test_they_can_be_taken_all_the_same(self, mixed):
        index(mixed, "-o", "index.csv", SALT)
        index(mixed, "-o", "index.csv", SALT, "--overwrite", "--again")
        assert len(rows()) == 4
        index(mixed, "-o", "index.csv", SALT, "--overwrite")
        assert len(rows()) == 2


class TestKilled:
    @pytest.fixture
    def many(self, tmp_path, monkeypatch) -> Path:
        """Twenty images of four patients."""
        monkeypatch.chdir(tmp_path)
        for n in range(20):
            image(tmp_path / "data" / f"IM{n:02d}", n, ANNA | {"PatientID": str(n % 4)})
        return Path("data")

    def kill(self, *arguments):
        """Run until SIGKILL strikes, in the middle of the work."""
        code = KILLING.format(count=KILLED_AT, arguments=[str(a) for a in arguments])
        done = subprocess.run([sys.executable, "-c", code], check=False)
        assert done.returncode < 0

    def test_what_was_read_is_kept_and_the_rest_is_done(self, many):
        words = ["index", many, "-o", "index.csv", SALT, "--jobs=1", "-q"]
        self.kill(*words)
        assert set(outputs()) == {"index.journal.jsonl"}
        result = index(many, "-o", "index.csv", SALT)
        assert f"{KILLED_AT} files are known from an earlier run" in result.stderr
        index(many, "-o", "whole.csv", SALT)
        assert Path("index.csv").read_bytes() == Path("whole.csv").read_bytes()

    def test_a_run_with_a_random_salt_goes_on_with_it(self, many):
        self.kill("index", many, "-o", "index.csv", "--jobs=1", "-q")
        key = Path("index.key").read_text()
        result = index(many, "-o", "index.csv")
        assert f"{KILLED_AT} files are known" in result.stderr
        assert Path("index.key").read_text() == key
        assert len(rows()) == 20

    def test_a_killed_update_leaves_the_old_index(self, many):
        index(many, "-o", "index.csv", SALT)
        before = Path("index.csv").read_bytes()
        Path("index.journal.jsonl").unlink()
        words = ["index", many, "-o", "index.csv", SALT, "--jobs=1", "-q"]
        self.kill(*words, "--overwrite")
        assert Path("index.csv").read_bytes() == before

    def test_a_worker_that_dies_costs_its_file(self, many, monkeypatch):
        """A worker dies as if a decoder crashed: all other files are indexed."""
        monkeypatch.setattr("cxr_sr.cli.index.command._look", Deadly("IM07"))
        result = index(many, "-o", "index.csv", SALT, jobs=2)
        assert result.exit_code == 4
        (left,) = rows("index.skipped.csv")
        assert (left["file"], left["kind"]) == ("IM07", "unreadable")
        assert "SIGKILL" in left["reason"]
        assert len(rows()) == 19


@dataclasses.dataclass
class Deadly:
    """Work that kills its process at one file; picklable, as work must be."""

    name: str

    def __call__(self, salt, job):
        if job.name == self.name:
            os.kill(os.getpid(), 9)
        return dataclasses.asdict(facts.examine(job.source, salt))


class TestMoreFiles:
    def test_only_they_are_read_and_nobody_changes_sides(self, export):
        index(export, "-o", "index.csv")
        before = {row["patient"]: row["split"] for row in rows()}
        for n in range(10):
            image(export / "new" / f"IM{n}", 100 + n, BERT | {"PatientID": f"new {n}"})
        image(export / "new" / "anna", 200)
        result = index(export, "-o", "index.csv", "--overwrite")
        assert "10 files are known" in result.stderr
        after = {row["patient"]: row["split"] for row in rows()}
        assert len(after) == len(before) + 10
        assert before.items() <= after.items()

    def test_an_index_is_not_replaced_unasked(self, export):
        index(export, "-o", "index.csv", SALT)
        before = outputs()
        result = index(export, "-o", "index.csv", SALT)
        assert result.exit_code == 2
        assert "index.csv exists already; use --overwrite" in result.stderr
        assert outputs() == before


class TestManifest:
    @pytest.fixture
    def pictures(self, tmp_path, monkeypatch) -> Path:
        """Four PNGs without a header between them."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "data").mkdir()
        for n, name in enumerate("abcd"):
            pixels = noise((30, 40), pixel_format(8), seed=n)
            write_png(tmp_path / "data" / f"{name}.png", pixels)
        return Path("data")

    def test_the_one_in_the_data_is_found(self, pictures):
        (pictures / "manifest.csv").write_text(
            "file,patient,split,view\n"
            "a.png,17,test,PA\nb.png,17,test,\nc.png,18,train,\nd.png,19,val,\n"
        )
        result = index(pictures, "-o", "index.csv")
        assert result.exit_code == 0
        assert [row["split"] for row in rows()] == ["test", "test", "train", "val"]
        assert [row["view"] for row in rows()] == ["PA", "", "", ""]
        assert len({row["patient"] for row in rows()}) == 3
        assert "name no patient" not in result.stderr
        assert "no image falls" not in result.stderr

    def test_so_are_those_further_down(self, pictures):
        below = pictures / "nih" / "images"
        below.mkdir(parents=True)
        for name in "ab":
            (pictures / f"{name}.png").rename(below / f"{name}.png")
        (pictures / "nih" / "manifest.csv").write_text(
            "file,patient\nimages/a.png,17\nimages/b.png,18\n"
        )
        (pictures / "manifest.csv").write_text("file,patient\nc.png,18\nd.png,19\n")
        result = index(pictures, "-o", "index.csv")
        assert result.exit_code == 0
        named = {Path(row["file"]).stem: row["patient"] for row in rows()}
        assert named["b"] == named["c"]
        assert len(set(named.values())) == 3
        assert "name no patient" not in result.stderr

    def test_another_may_be_named(self, pictures):
        Path("whose.csv").write_text("file,patient\ndata/a.png,1\ndata/b.png,1\n")
        result = index(pictures, "-o", "index.csv", "--manifest", "whose.csv")
        assert len({row["patient"] for row in rows()}) == 3
        assert "2 images name no patient" in result.stderr

    def test_a_named_one_that_is_none_is_wrong_usage(self, pictures):
        Path("whose.csv").write_text("file,person\n")
        result = index(pictures, "-o", "index.csv", "--manifest", "whose.csv")
        assert result.exit_code == 2
        assert "lacks the column(s) patient" in result.stderr

    def test_a_file_of_the_name_that_is_none_is_passed_over_aloud(self, pictures):
        (pictures / "manifest.csv").write_text("study,date\n1,2\n")
        result = index(pictures, "-o", "index.csv")
        assert result.exit_code == 0
        assert "manifest.csv in the data is not used" in result.stderr
        assert len(rows()) == 4

    def test_without_one_each_picture_is_a_patient(self, pictures):
        result = index(pictures, "-o", "index.csv")
        assert len({row["patient"] for row in rows()}) == 4
        assert "4 images name no patient" in result.stderr

    def test_the_shared_images_keep_their_splits(self, shared_cxr, tmp_path):
        folder = tmp_path / "data"
        folder.mkdir()
        with (shared_cxr / "manifest.csv").open(newline="") as file:
            told = list(csv.DictReader(file))[::40]
        shutil.copy(shared_cxr / "manifest.csv", folder)
        for row in told:
            shutil.copy(shared_cxr / row["file"], folder)
        index(folder, "-o", tmp_path / "index.csv")
        made = {Path(row["file"]).name: row for row in rows(tmp_path / "index.csv")}
        assert {n: r["split"] for n, r in made.items()} == {
            row["file"]: row["split"] for row in told
        }
        for row in told:
            assert made[row["file"]]["licence"] == row["licence"]
            assert row["patient"] not in repr(made[row["file"]]["patient"])


class TestDicomdir:
    def test_it_stands_for_the_images_it_lists(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for n in range(3):
            image(tmp_path / "media" / "PAT0" / f"IM{n}", n)
        dicomdir(tmp_path / "media", ["PAT0/IM0", "PAT0/IM2"])
        result = index("media/DICOMDIR", "-o", "index.csv")
        assert result.exit_code == 0, result.stderr
        assert [row["file"] for row in rows()] == ["media/PAT0/IM0", "media/PAT0/IM2"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (["-o", "index.txt"], "a name that ends in .csv"),
            (["-o", "i.csv", "--split=train=2"], "add up to 1"),
            (["-o", "i.csv", "--salt=short"], "--salt has 5 characters"),
            (["-o", "i.csv", "--manifest=no.csv"], "does not exist"),
            ([], "--output"),
        ],
        ids=" ".join,
    )
    def test_wrong_usage_is_told_before_any_work(self, export, words, reason):
        result = index(export, *words)
        assert result.exit_code == 2
        assert reason in " ".join(result.stderr.split())
        assert outputs() == {}

    def test_no_such_data_is_wrong_usage(self, tmp_path):
        result = index(tmp_path / "none", "-o", tmp_path / "i.csv")
        assert result.exit_code == 2

    def test_nothing_to_index_leaves_no_index_but_the_reasons(
        self, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "notes.txt").write_text("text")
        result = index("data", "-o", "index.csv")
        assert result.exit_code == 3
        assert result.stdout == ""
        assert "no radiograph in the data" in result.stderr
        assert not Path("index.csv").exists()
        assert len(rows("index.skipped.csv")) == 1

    def test_only_broken_files_have_failed(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        path = image(tmp_path / "data" / "IM1")
        path.write_bytes(path.read_bytes()[:-1000])
        assert index("data", "-o", "index.csv").exit_code == 5


def test_without_matplotlib_it_says_how_to_get_the_picture(export):
    result = index(export, "-o", "index.csv")
    assert "pip install 'cxr-sr[figures]'" in result.stderr
    assert not Path("index.png").exists()
    assert Path("index.csv").exists()


def test_a_log_hears_now_and_then_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr(output, "PLAIN_SECONDS", 0.0)
    with output.progress(total=2, quiet=False, plain=True) as tick:
        tick(0)
        tick(1)
    told = capsys.readouterr().err
    assert told == "1 of 2 files, 0 failed\n2 of 2 files, 1 failed\n"
    with output.progress(total=1, quiet=True, plain=True) as tick:
        tick(0)
    assert capsys.readouterr().err == ""


def test_no_torch_is_loaded(export):
    code = (
        "import sys; sys.argv = ['cxr-sr', 'index', sys.argv[1], '-o', 'i.csv', '-q',"
        "'--jobs=1', '--split=train=1']\n"
        "from cxr_sr.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, export], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["i.csv", "False"]


@pytest.mark.usefixtures("views")
class TestWanted:
    """The index holds only the wanted views and body parts; it reports unknown ones."""

    @pytest.fixture
    def views(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("data").mkdir()
        stated = {"pa": "PA", "ap": "AP", "ll": "LL", "none": None}
        for number, (name, view) in enumerate(stated.items()):
            dicom_file(
                Path("data") / f"{name}.dcm",
                noise(seed=number),
                ViewPosition=view,
                BodyPartExamined="CHEST" if name != "ap" else "HAND",
                PatientID=name,
            )

    def run(self, *more):
        arguments = ["index", "data", "-o", "data/index.csv", SALT, "--jobs", "1"]
        ran = CliRunner().invoke(app, [*arguments, "--overwrite", *more])
        path = Path("data/index.csv")
        text = path.read_text() if path.exists() else ""
        return ran, [row["file"] for row in csv.DictReader(text.splitlines())]

    def test_views_and_what_states_none(self):
        ran, files = self.run("--view", "PA,AP")
        assert files == ["ap.dcm", "pa.dcm"]
        assert "its view is LL" in ran.stderr
        assert "1 images are left out because their header states no view" in ran.stderr
        assert "none to --view" in ran.stderr
        assert ran.exit_code == 0

    def test_the_same_files_are_not_read_again_for_another_choice(self):
        self.run()
        ran, files = self.run("--view", "PA,none", "--body-part", "chest")
        assert files == ["none.dcm", "pa.dcm"]
        assert "4 files are known from an earlier run" in ran.stderr

    def test_nothing_wanted_is_nothing_to_do(self):
        ran, files = self.run("--view", "RL")
        assert (ran.exit_code, files) == (3, [])
        assert "that --view and --body-part want" in ran.stderr


@pytest.mark.parametrize("step", [1, 2, "the last"])
@pytest.mark.parametrize("how", ["removed", "renamed", "replaced"])
def test_a_folder_that_vanishes_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int | str, how: str
):
    """One sentence, and never an index of which the key is lost."""
    an_export(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "out"
    folder.mkdir()
    steps = iter(range(1, 100))
    last = len(EVERY) if step == "the last" else step

    def vanish(then: object) -> None:
        if next(steps) == last:
            folder.rename(tmp_path / "gone")
            if how == "removed":
                shutil.rmtree(tmp_path / "gone")
            if how == "replaced":
                folder.mkdir()

    add = Journal.add

    def added(journal: Journal, examined: Finding) -> None:
        if step != "the last":
            vanish(examined)
        add(journal, examined)
        if step == "the last":
            vanish(examined)

    monkeypatch.setattr(Journal, "add", added)
    done = index("in", "-o", "out/index.csv")
    assert done.exit_code == 5
    assert "removed or replaced during the run" in done.stderr
    assert "unexpected" not in done.stderr
    assert not (folder / "index.csv").exists()
