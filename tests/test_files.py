"""Files appear whole, and temporary files of killed writers are removed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cxr_sr import files
from cxr_sr.files import PREFIX, is_still_at, lock, replacing, sweep

KILLED = """
import os, signal, sys
from pathlib import Path
from cxr_sr.files import replacing

with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
HOUR_S = 3600.0


def left_over(folder: Path, age_s: float = HOUR_S) -> Path:
    """The unfinished file of a process that was killed in its middle."""
    command = [sys.executable, "-c", KILLED, str(folder / "x.dcm")]
    assert subprocess.run(command, check=False).returncode != 0
    (path,) = folder.glob(f"{PREFIX}*")
    aged(path, age_s)
    return path


def aged(path: Path, age_s: float) -> Path:
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def test_what_a_killed_process_left_is_swept(tmp_path: Path):
    left_over(tmp_path)
    (tmp_path / "done.dcm").write_bytes(b"whole")
    assert sweep([tmp_path]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["done.dcm"]


def test_what_a_living_process_writes_is_not(tmp_path: Path):
    with replacing(tmp_path / "x.dcm") as temporary:
        temporary.write_bytes(b"half")
        aged(temporary, HOUR_S)
        assert sweep([tmp_path]) == 0
    assert (tmp_path / "x.dcm").read_bytes() == b"half"


def test_what_has_just_changed_is_not(tmp_path: Path):
    left_over(tmp_path, age_s=0)
    assert sweep([tmp_path]) == 0


@pytest.mark.parametrize(("age_s", "swept"), [(HOUR_S, 0), (25 * HOUR_S, 1)])
def test_another_machines_files_go_when_they_are_a_day_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_s: float, swept: int
):
    left_over(tmp_path, age_s)
    monkeypatch.setattr(files, "_machine", lambda: "another")
    assert sweep([tmp_path]) == swept


def test_names_of_an_earlier_version_go_too(tmp_path: Path):
    old = tmp_path / f"{PREFIX}0011223344556677.dcm"
    old.touch()
    assert sweep([tmp_path]) == 0
    aged(old, 25 * HOUR_S)
    assert sweep([tmp_path]) == 1


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path):
    assert sweep([tmp_path / "nowhere"]) == 0


def test_the_name_tells_nobody_the_machines(tmp_path: Path):
    import platform  # noqa: PLC0415

    with replacing(tmp_path / "x.png") as temporary:
        temporary.touch()
        assert platform.node().lower() not in temporary.name.lower()
        assert temporary.suffix == ".png"


def test_an_open_file_is_known_by_its_place(tmp_path: Path):
    path = tmp_path / "a"
    with path.open("w") as file:
        assert is_still_at(file.fileno(), path)
        path.rename(tmp_path / "b")
        assert not is_still_at(file.fileno(), path)
        path.touch()
        assert not is_still_at(file.fileno(), path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other locks")
def test_a_lock_ends_when_its_file_is_closed(tmp_path: Path):
    path = tmp_path / "a"
    with path.open("w") as first:
        assert lock(first.fileno())
        with path.open("w") as second:
            assert not lock(second.fileno())
    with path.open("w") as third:
        assert lock(third.fileno())
