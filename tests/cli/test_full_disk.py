"""Commands whose output folder lies on a disk that gets full: a tmpfs of some KB."""

from __future__ import annotations

import functools
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread

from tests.files import COMMAND, a_dicom
from tests.pacs.servers import Orthanc

pytestmark = pytest.mark.slow
SMALL, LARGE = 32, 400
"""Sides in pixels: eight small results fit on the disk, and none of the large ones."""
ROOM = "384k"


@dataclass
class Ended:
    """What a command left on a full disk, and its repetition on one with room."""

    code: int
    told: str
    files: list[str]
    code_with_room: int
    told_with_room: str


@functools.cache
def own_mounts() -> list[str]:
    """Return the command that gives a shell its own mounts; empty: not possible."""
    user = [] if os.name == "posix" and os.geteuid() == 0 else ["-U", "-r"]
    words = ["unshare", "-m", *user, "bash", "-c"]
    try:
        subprocess.run(
            [*words, "mount -t tmpfs none /mnt"], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return words


def on_full_disk(
    folder: Path, line: str, again: str | None = "", room: str = ROOM
) -> Ended:
    """Run a command with the output folder `disk`; make room, and run it again.

    `again` is added to the second line; None: there is no second run. Where no disk can
    be mounted, the size of each file is limited to `room` instead.
    """
    mounts = own_mounts()
    disk = folder / "disk"
    disk.mkdir()
    command = f"{shlex.quote(str(COMMAND))} {line}"
    full = f"mount -t tmpfs -o size={room} none disk && {command}"
    wide = "mount -o remount,size=50m disk"
    if not mounts:
        mounts = ["bash", "-c"]
        full = f"(ulimit -f {room.removesuffix('k')}; {command})"
        wide = "true"
    second = "true" if again is None else f"{command} {again}"
    script = f"""
        {full} >/dev/null 2>told; echo $? >code; (cd disk; find . -type f) >files
        {wide}; {second} >/dev/null 2>told2; echo $? >code2
        cp -r disk kept"""
    subprocess.run([*mounts, script], cwd=folder, check=True, timeout=300)
    texts = [(folder / name).read_text() for name in ("code", "told", "code2", "told2")]
    files = (folder / "files").read_text().split()
    assert "Traceback" not in texts[1] + texts[3]
    assert str(folder) not in texts[1].replace("report: disk", "")
    return Ended(int(texts[0]), texts[1], sorted(files), int(texts[2]), texts[3])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight small radiographs and, later in the alphabet, three large ones."""
    sides = [SMALL] * 8 + [LARGE] * 3
    for n, side in enumerate(sides):
        pixels = np.random.default_rng(n).integers(0, 4096, (side, side), np.uint16)
        more: dict[str, Any] = {
            "Rows": side,
            "Columns": side,
            "PixelData": pixels.tobytes(),
        }
        more |= {"PatientID": str(n), "StudyInstanceUID": f"1.2.{n}"}
        a_dicom(tmp_path / "in" / f"{n:02}.dcm", n, **more)
    return tmp_path


@pytest.mark.parametrize(
    ("form", "jobs"), [("dicom", "1"), ("png", "2"), ("tiff", "1"), ("npy", "2")]
)
def test_upscale_keeps_what_is_done_and_goes_on(folder: Path, form: str, jobs: str):
    line = f"upscale in -o disk/out --model bicubic --format {form} --jobs {jobs}"
    ended = on_full_disk(folder, line, "--resume")
    assert ended.code == 4
    assert "8 done, 3 failed" in ended.told
    assert ended.told.count("the output cannot be written: ") == 3
    assert len(ended.files) == 8 + 1
    assert not [name for name in ended.files if "/." in name]
    assert ended.code_with_room == 0
    assert "3 done, 8 kept" in ended.told_with_room


def test_export_keeps_what_is_done(folder: Path):
    ended = on_full_disk(folder, "export in -o disk/out", "--overwrite", "100k")
    assert ended.code == 4
    assert "8 done, 3 failed" in ended.told
    assert len(ended.files) == 8
    assert ended.code_with_room == 0


def test_a_report_without_room_costs_no_result(folder: Path):
    line = "upscale in -o out --report disk/report.jsonl --model bicubic"
    ended = on_full_disk(folder, line, "--resume", room="4k")
    assert ended.code == 4
    assert "the report report.jsonl cannot be written: " in ended.told
    assert ended.code_with_room == 0
    assert len(list((folder / "out").glob("*.dcm"))) == 11


@pytest.mark.parametrize("room", ["8k", "16k"])
def test_index_keeps_what_was_read(folder: Path, room: str):
    ended = on_full_disk(folder, "index in -o disk/index.csv --jobs 1", room=room)
    assert ended.code == 4
    assert "cannot be written" in ended.told
    assert "./index.csv" not in ended.files
    assert not [name for name in ended.files if "/." in name]
    assert ended.code_with_room == 0
    assert "files are known from an earlier run" in ended.told_with_room
    assert len((folder / "kept" / "index.csv").read_text().splitlines()) == 1 + 11


def test_evaluate_prints_what_it_measured(folder: Path):
    line = "evaluate in --model bicubic --scale 2 --limit 3 -o disk/tables"
    ended = on_full_disk(folder, line, room="4k")
    assert ended.code == 4
    assert "the tables are not written" in ended.told
    assert ended.code_with_room == 0


def test_copies_of_a_model_are_whole(folder: Path):
    ended = on_full_disk(folder, "models export fast -o disk/copy", room="600k")
    assert ended.code == 4
    assert ended.files == ["./copy/fast.onnx", "./copy/fast.safetensors"]
    assert ended.code_with_room == 2  # what is there is never replaced


def test_fetch_keeps_what_has_come(folder: Path):
    query = "--query Modality=CR -o disk/out"
    with Orthanc(folder / "orthanc") as archive:
        for path in (folder / "in").glob("*.dcm"):
            archive.post("instances", path.read_bytes())
        ended = on_full_disk(folder, f"fetch --web {archive.web} {query}")
    assert ended.code == 4
    assert "failed" in ended.told
    fetched = list((folder / "kept").rglob("*.dcm"))
    assert len(fetched) == 11
    assert all(len(dcmread(path).PixelData) for path in fetched)
    assert not [name for name in ended.files if "/." in name]
    assert ended.code_with_room == 0
    assert f"{len(ended.files)} kept" in ended.told_with_room


@pytest.mark.parametrize("room", ["110k", "4k"])
def test_train_goes_on_from_its_last_checkpoint(folder: Path, room: str):
    """If it has none, --resume is not named; test_fit.py begins such a run again."""
    pytest.importorskip("lightning")
    table = "file,split,patient\n" + "".join(
        f"in/{n:02}.dcm,{split},{n}\n" for n, split in ((8, "train"), (9, "val"))
    )
    (folder / "data.csv").write_text(table)
    line = (
        "train data.csv --run disk/run --scales 2 --width 4 --depth 2 --crop 48 "
        "--batch 1 --epoch 2 --max-steps 4 -q"
    )
    kept = room != "4k"
    ended = on_full_disk(folder, line, "--resume" if kept else None, room)
    assert ended.code == 5
    assert ("--resume" in ended.told) == kept
    assert not [name for name in ended.files if name.endswith(".onnx")]
    assert ended.code_with_room == 0, ended.told_with_room
    assert (folder / "kept" / "run" / "trunk.onnx").is_file() == kept
