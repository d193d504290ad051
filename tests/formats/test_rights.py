"""A decoder that was taken over finds nothing to take."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from cxr_sr.errors import UnreadableError
from cxr_sr.formats import read, sandbox
from cxr_sr.formats.dicom.coding.apart import decode_apart
from cxr_sr.formats.raster import decode as raster_decode
from cxr_sr.formats.sandbox import Sandbox
from tests.builders import noise, write_png
from tests.dicom_files import FRAMES, RAMP
from tests.formats.test_sandbox import HOSTILE, LAYOUT, RASTER, decoded

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="see cxr_sr.formats.rights"
)

DEEDS = {
    "read a file": "open('/etc/hosts')",
    "read the program": "open(sys.executable, 'rb')",
    "list a folder": "os.listdir('/')",
    "write a file": "open('/tmp/left-behind', 'w')",
    "delete a file": "os.unlink({own!r})",
    "change a mode": "os.chmod({own!r}, 0o600)",
    "change a time": "os.utime({own!r})",
    "start a process": "os.fork()",
    "start a program": "os.execv(sys.executable, ['python'])",
    "signal a process": "os.kill(os.getppid(), 0)",
    "make a socket": "__import__('_socket').socket(2, 2, 0)",
    "raise a limit": "__import__('resource').setrlimit(7, (99, 99))",
    "use a file that the parent had open": "os.read(5, 1)",
}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file of the user's."""
    path = tmp_path / "own.txt"
    path.write_text("mine", encoding="ascii")
    return path


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_a_decoder_of_dicom_can_do_no_harm(
    monkeypatch: pytest.MonkeyPatch, own: Path, deed: str
):
    """An exit code of 43 would mean that it could."""
    harm = f"import _socket, resource; {deed.format(own=str(own))}; os._exit(43)"
    monkeypatch.setattr(sandbox, "_START", HOSTILE.format(harm=harm))
    with pytest.raises(UnreadableError, match="cannot be read"):
        decoded(Sandbox(), b"bad")
    assert own.read_text("ascii") == "mine"


@pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)
def test_a_decoder_of_png_can_do_no_harm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: Path, deed: str
):
    """The process ends with exit code 42 when it tries the deed."""
    harm = (
        f"try: import _socket, resource; {deed.format(own=str(own))}\n"
        "        except (OSError, ValueError): os._exit(42)\n"
        "        os._exit(43)"
    )
    bad = write_png(tmp_path / "bad.png")
    code = RASTER.format(harm=harm, bad=bad.stat().st_size)
    monkeypatch.setattr(sandbox, "_START", code)
    process = Sandbox()
    monkeypatch.setattr(raster_decode, "own_sandbox", lambda: process)
    with pytest.raises(UnreadableError, match=r"crashed \(exit code 42\)"):
        read(bad)
    assert own.read_text("ascii") == "mine"


AS_ANYONE = """
import os, sys; sys.path[:] = sys.argv[1:]
from cxr_sr.formats import sandbox_child
sandbox_child.load_codecs(); sandbox_child.image_codecs()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sandbox_child.serve()
"""


@pytest.mark.skipif(os.getuid() != 0, reason="all other tests run as a user already")
def test_images_are_decoded_without_root_too(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    """The limit of processes also holds without root: no decoder may need a thread."""
    monkeypatch.setattr(sandbox, "_START", AS_ANYONE)
    process = Sandbox()
    monkeypatch.setattr(raster_decode, "own_sandbox", lambda: process)
    pixels = noise((300, 400))
    folder = tempfile.TemporaryDirectory()
    request.addfinalizer(folder.cleanup)
    Path(folder.name).chmod(0o755)
    path = write_png(Path(folder.name) / "a.png", pixels)
    np.testing.assert_array_equal(read(path).pixels, pixels)
    for syntax, frame in FRAMES.items():
        image = decode_apart(frame, syntax, LAYOUT, process).samples
        assert abs(image.astype(int) - RAMP).max() < 100
