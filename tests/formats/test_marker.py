"""A marker in every attribute of every header: no command repeats it anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cxr_sr.cli.main import app
from tests.files import COMMAND
from tests.formats.marked import chest_file, dicom_files, picture, raster_files
from tests.pacs.servers import Orthanc, Process, StoreScp, store, until
from tests.tasks.builders import chest, lungs

WORD = "XYZZY"
"""The beginning of each marker."""
GROUPS = {
    "files": """
inspect all
inspect all --json
upscale all -o out --model bicubic --json --jobs 2
upscale all -o tiff --model bicubic --format tiff --debug
upscale all -o out --model bicubic --resume
gallery out/cxr-sr-report.jsonl --inputs all -o page.html
export all -o pictures
index all -o all.csv --quiet
evaluate all --model bicubic --scale 2 --degradation bicubic -o measured
""",
    "pictures": """
inspect few --noise --json
upscale few -o png --model fast --format png --report-uids
upscale few -o npy --model bicubic --format npy
upscale few -o heads --head lungs
upscale few -o dry --model bicubic --dry-run
upscale few -o ray --model bicubic --cluster ray
""",
    "training": """
index few -o few.csv --json --split train=0.5,val=0.5 --salt a-fixed-secret-of-tests
train few --run run --scales 2 --crop 24 --batch 2 --max-steps 2 --threads 1
train few.csv --run vdsr --model vdsr --max-steps 2 --threads 1 --scales 2 --crop 48
train few --run run --scales 2 --crop 24 --batch 2 --max-steps 4 --threads 1 --resume
evaluate few.csv --model run --scale 2 --degradation detector -o more --json
task list
task train labels.csv --kind segmentation --run head --size 32 --max-steps 2 \\
--trunk fast --hold-out 1/3
task run few -o masks --head head --jobs 2
task run few -o more-masks --head lungs --format png --json
task evaluate labels.csv --head head -o judged
models list
models show run
models verify fast
models export fast -o exported
""",
    "network": """
upscale few -o out --model bicubic
watch few -o watched --model bicubic --settle 0.2
serve --store store --port 0 --model bicubic --send {pacs}
send out/cxr-sr-report.jsonl --to {pacs}
send few --to {pacs} --json
fetch --query StudyInstanceUID=1.2.3 -o got --from {archive}
fetch --query StudyInstanceUID=1.2.3 -o gotten --web {web} --json
""",
}
"""Each command of the package, in a folder with `all` files and a `few` good ones."""
CHESTS = 4
MAKERS = (
    b'"manufacturer": "XYZZYPLUGH"',
    b'"manufacturer": {"XYZZYPLUGH"',
    b",XYZZYPLUGH,12,MONO",
    b"manufacturer  XYZZYPLUGH",
)
"""An index names and counts the makers."""
SOURCES = {"all", "few", "got", "gotten"}
"""Folders with sources, and copies of sources."""


@dataclass(frozen=True)
class Servers:
    """The addresses that the lines name."""

    pacs: str
    archive: str
    web: str


def lines(group: str) -> list[str]:
    return GROUPS[group].replace("\\\n", "").split("\n")[1:-1]


def test_there_is_a_line_for_each_command():
    """A new command needs one."""
    known = {named(line) for group in GROUPS for line in lines(group)}
    assert known == set(commands(typer.main.get_command(app), ()))


def commands(group: Any, words: tuple[str, ...]) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name))


def named(line: str) -> str:
    """The words of a line that name its command."""
    first, second, *_ = line.split()
    return f"{first} {second}" if first in {"task", "models"} else first


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the lines name; commands run there."""
    monkeypatch.chdir(tmp_path)
    for folder in ("all", "few"):
        (tmp_path / folder).mkdir()
    for n, data in enumerate([*dicom_files(), *raster_files()]):
        (tmp_path / "all" / f"{n:04}").write_bytes(data)
    rows = ["image,mask,patient"]
    for n in range(CHESTS):
        (tmp_path / "few" / f"{n}.dcm").write_bytes(chest_file(n))
        mask = picture(lungs(n).astype("u1") * 255, "png")
        (tmp_path / f"{n}.png").write_bytes(mask)
        rows.append(f"few/{n}.dcm,{n}.png,p{n}")
    (tmp_path / "few" / "a.png").write_bytes(picture(chest(6), "png"))
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    return tmp_path


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A receiver, and an archive that has the chests."""
    folder = tmp_path_factory.mktemp("servers")
    with StoreScp(folder / "pacs", "+xa") as pacs, Orthanc(folder / "db") as archive:
        for n in range(3):
            archive.post("instances", chest_file(n))
        yield Servers(pacs.address, archive.address, archive.web)


@pytest.fixture
def ray_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a short path, in which Ray puts its sockets and logs."""
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as place:
        monkeypatch.setenv("RAY_TMPDIR", place)
        yield Path(place)


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_no_command_repeats_what_a_header_says(
    group: str,
    place: Path,
    request: pytest.FixtureRequest,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
):
    """DICOM results keep their header, and an index counts by maker: both may."""
    given = vars(request.getfixturevalue("servers")) if group == "network" else {}
    ray = request.getfixturevalue("ray_place") if group == "pictures" else place / "ray"
    wrong = []
    for line in lines(group):
        told = said_by(line.format(**given)) + "".join(capfd.readouterr())
        told = without_makers((told + caplog.text).encode()).decode()
        caplog.clear()
        if WORD in told:
            wrong.append(f"{line}: {around(told)}")
        if str(place) in told:
            wrong.append(f"{line}: tells its folder")
    for path in [*place.rglob("*"), *ray.rglob("*")]:
        if path.is_file() and may_not_hold_it(path, place):
            wrong += [f"{path}: {found}" for found in faults(path, place)]
    assert not wrong, "\n".join(wrong)


def test_many_of_the_files_are_read(tmp_path: Path):
    """Otherwise there would be little to repeat."""
    (tmp_path / "in").mkdir()
    for n, data in enumerate([*dicom_files(), *raster_files()]):
        (tmp_path / "in" / f"{n:04}").write_bytes(data)
    ran = CliRunner().invoke(app, ["inspect", str(tmp_path / "in"), "--json"])
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert sum(not line.get("refusal") and "error" not in line for line in found) > 200


def may_not_hold_it(path: Path, place: Path) -> bool:
    """All files but sources, and DICOM files made from them."""
    if path.is_relative_to(place) and path.relative_to(place).parts[0] in SOURCES:
        return False
    is_mask = path.parent == place and path.suffix == ".png"
    return not is_mask and path.read_bytes()[128:132] != b"DICM"


def without_makers(said: bytes) -> bytes:
    for maker in MAKERS:
        said = said.replace(maker, b"")
    return said


def faults(path: Path, place: Path) -> Iterator[str]:
    content = without_makers(path.read_bytes())
    if WORD.encode() in content:
        yield around(content.decode("latin-1"))
    if str(place).encode() in content and path.is_relative_to(place):
        yield "holds the path of its folder"


def said_by(line: str) -> str:
    """Run a line, which may find bad files; return all that it said."""
    command = line.split(maxsplit=1)[0]
    if command in SERVICES:
        return served(line, *SERVICES[command])
    if "--cluster" in line:
        words = [str(COMMAND), *line.split()]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode in {0, 4}, done.stderr[-2000:]
        return done.stdout + done.stderr
    ran = CliRunner().invoke(app, line.split())
    assert ran.exit_code in {0, 4}, (line, ran.stderr[-2000:])
    return ran.stdout + ran.stderr


def served(
    line: str, is_ready: Callable[[str], bool], act: Callable[[str], bool]
) -> str:
    """Run a service until its work is done; return all that it said."""
    with Process(sys.executable, COMMAND, *line.split(), log=Path("log")) as process:
        until(lambda: is_ready(process.said), "it is ready")
        until(lambda: act(process.said), "it has done its work")
        process.stop()
        return process.said


def stored(said: str) -> bool:
    """Send the chests to the node, and wait until they are sent on."""
    port = int(said.rpartition("receiving as ")[2].split(":")[1].split()[0])
    assert store(port, sorted(Path("few").glob("*.dcm"))).returncode == 0
    report = Path("store") / "cxr-sr-report.jsonl"
    until(lambda: report.read_text().count('"sent"') == CHESTS, "all are sent on")
    return True


SERVICES: dict[str, tuple[Callable[[str], bool], Callable[[str], bool]]] = {
    "watch": (
        lambda said: "watching" in said,
        lambda _: len([*Path("watched").glob("*.dcm")]) == CHESTS,
    ),
    "serve": (lambda said: "receiving as " in said and said.endswith("\n"), stored),
}
"""For each service: a function of its output that tells if it is ready; its work."""


def around(text: str) -> str:
    at = text.find(WORD)
    return text[max(at - 200, 0) : at + 60]
