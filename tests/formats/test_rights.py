"""A decoder that was taken over finds nothing to take."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from cxr_sr.errors import UnreadableError
from cxr_sr.formats import sandbox
from cxr_sr.formats.dicom.apart import decode_apart
from cxr_sr.formats.raster import scan as raster_scan
from cxr_sr.formats.raster.scan import scan
from cxr_sr.formats.sandbox import Sandbox
from cxr_sr.formats.sniff import Kind
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
def test_a_decoder_of_png_can_read_its_input_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: Path, deed: str
):
    """It ends with 42 at the deed, after its input could be read."""
    harm = (
        "open(path, 'rb').read(8)[0] == 0x89 or os._exit(44)\n"
        f"        try: {deed.format(own=str(own))}\n"
        "        except (OSError, ValueError): os._exit(42)\n"
        "        os._exit(43)"
    )
    monkeypatch.setattr(sandbox, "_START", RASTER.format(harm=harm))
    process = Sandbox()
    monkeypatch.setattr(raster_scan, "own_sandbox", lambda: process)
    bad = write_png(tmp_path / "bad.png")
    with pytest.raises(UnreadableError, match=r"crashed \(exit code 42\)"):
        scan(bad, Kind.PNG, 3000)
    assert own.read_text("ascii") == "mine"


AS_ANYONE = """
import os, sys; sys.path[:] = sys.argv[1:]
from cxr_sr.formats import sandbox_child
sandbox_child.load_codecs(); sandbox_child.simple_itk()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sandbox_child.serve()
"""


@pytest.mark.skipif(os.getuid() != 0, reason="all other tests run as a user already")
def test_images_are_decoded_without_root_too(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    """Without root the limit of processes holds, too: no decoder may need a thread."""
    monkeypatch.setattr(sandbox, "_START", AS_ANYONE)
    process = Sandbox()
    monkeypatch.setattr(raster_scan, "own_sandbox", lambda: process)
    pixels = noise((300, 400))
    folder = tempfile.TemporaryDirectory()
    request.addfinalizer(folder.cleanup)
    Path(folder.name).chmod(0o755)
    path = write_png(Path(folder.name) / "a.png", pixels)
    found, samples = scan(path, Kind.PNG, 240_000)
    assert found.size == (400, 300)
    np.testing.assert_array_equal(samples, pixels)
    for syntax, frame in FRAMES.items():
        image = decode_apart(frame, syntax, LAYOUT, process).samples
        assert abs(image.astype(int) - RAMP).max() < 100
