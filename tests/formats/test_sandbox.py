"""A decoder that crashes, hangs, babbles or devours costs one image."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1

from cxr_sr.errors import UnreadableError
from cxr_sr.formats import read, sandbox
from cxr_sr.formats.dicom.coding.apart import decode_apart
from cxr_sr.formats.dicom.layout import PixelLayout
from cxr_sr.formats.raster import decode as raster_decode
from cxr_sr.formats.sandbox import Sandbox
from tests.builders import pixel_format, write_png
from tests.dicom_files import JPEG_LOSSLESS_FRAME, RAMP, dicom_file

LAYOUT = PixelLayout(16, 16, pixel_format(), 11, 0)
HOSTILE = """
import sys; sys.path[:] = sys.argv[1:]
import ctypes, os, signal, time
from cxr_sr.formats import sandbox_child
true = sandbox_child.DECODERS["1.2.840.10008.1.2.4.70"]
def hostile(stream, layout):
    if stream.startswith(b"bad"):
        {harm}
    return true(stream, layout)
sandbox_child.DECODERS = dict.fromkeys(sandbox_child.DECODERS, hostile)
sandbox_child.serve()
"""


@pytest.fixture
def harmed_by(monkeypatch):
    """A process whose decoder does this harm to streams that begin with `bad`."""

    def make(harm: str) -> Sandbox:
        monkeypatch.setattr(sandbox, "_START", HOSTILE.format(harm=harm))
        return Sandbox()

    return make


def decoded(process: Sandbox, stream: bytes = JPEG_LOSSLESS_FRAME):
    return decode_apart(stream, JPEGLosslessSV1, LAYOUT, process)


def pid_of(process: Sandbox) -> int:
    assert process._child is not None
    return process._child._process.pid


def test_what_other_readers_loaded_does_not_count_against_an_image(tmp_path):
    """Libraries fill more address space than a small image may take."""
    png = write_png(tmp_path / "scan.png")
    jpeg = dicom_file(tmp_path / "image.dcm", syntax=JPEG2000Lossless)
    for path in (jpeg, png, jpeg, png, jpeg):
        assert read(path).pixels.size


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("ctypes.string_at(0)", r"crashed \(SIGSEGV\)"),
        ("os.abort()", r"crashed \(SIGABRT\)"),
        ("os._exit(3)", r"crashed \(exit code 3\)"),
        ("raise SystemError('inside')", r"crashed \(exit code 1\)"),
        ("return bytearray(2**34)", "needs more than 256 MiB"),
    ],
)
def test_harm_is_a_refusal_and_the_next_image_is_read(harmed_by, harm, said):
    process = harmed_by(harm)
    with pytest.raises(UnreadableError, match=said):
        decoded(process, b"bad")
    found = decoded(process)
    np.testing.assert_array_equal(found.samples, RAMP)
    assert found.precision == 16  # of the code stream, not the header


@pytest.mark.parametrize("harm", ["time.sleep(60)", "sum(range(10**12))"])
def test_an_endless_decoder_is_ended(harmed_by, monkeypatch, harm):
    monkeypatch.setattr(sandbox, "DEADLINE_S", 1)
    process = harmed_by(harm)
    begun = time.monotonic()
    with pytest.raises(UnreadableError, match="not decoded within 1 s"):
        decoded(process, b"bad")
    assert time.monotonic() - begun < 10
    np.testing.assert_array_equal(decoded(process).samples, RAMP)


def test_the_cause_of_death_is_no_kill_of_ours(harmed_by):
    """However long an end takes: here a second passes after the pipe was closed."""
    process = harmed_by("os.closerange(0, 9); time.sleep(1); os.abort()")
    with pytest.raises(UnreadableError, match=r"crashed \(SIGABRT\)"):
        decoded(process, b"bad")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one process decodes all")
def test_hostile_code_outlives_neither_its_alarm_nor_its_parent(harmed_by, monkeypatch):
    monkeypatch.setattr(sandbox, "DEADLINE_S", 1)
    process = harmed_by("signal.alarm(0); time.sleep(60)")
    begun = time.monotonic()
    with pytest.raises(UnreadableError, match="not decoded within 1 s"):
        decoded(process, b"bad")
    assert time.monotonic() - begun < 20


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one process decodes all")
def test_no_image_is_decoded_where_another_was(harmed_by):
    """A decoder finds no data of the decoder before it in memory."""
    process = harmed_by("import builtins; builtins.left = 'a patient'; return left")
    for _ in range(2):
        decoded(process, JPEG_LOSSLESS_FRAME)
        with pytest.raises(UnreadableError):
            decoded(process, b"bad")
    process = harmed_by("print(left); return left")
    with pytest.raises(UnreadableError, match=r"exit code 1|no decoder here knows"):
        decoded(process, b"bad")


def test_a_decoder_that_says_nothing_is_no_image(harmed_by):
    process = harmed_by("os._exit(0)")
    with pytest.raises(UnreadableError, match="is no image"):
        decoded(process, b"bad")
    np.testing.assert_array_equal(decoded(process).samples, RAMP)


def test_what_a_decoder_prints_reaches_nobody(harmed_by, capfd):
    process = harmed_by(
        "os.write(1, b'junk'); os.write(2, b'junk'); stream = stream[3:]"
    )
    found = decoded(process, b"bad" + JPEG_LOSSLESS_FRAME)
    np.testing.assert_array_equal(found.samples, RAMP)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "answer",
    [
        b"{}",
        b"[]",
        b"\xff",
        b'{"width": 3, "precision": 12}',
        b"1" * 20_000,
        b"[" * 9_000,
    ],
)
def test_a_decoder_that_was_taken_over_can_give_no_more_than_an_image(
    harmed_by, answer
):
    process = harmed_by(
        f"import gc; [f.write({answer + chr(10).encode()!r}) or f.flush() for f in "
        "gc.get_objects() if type(f).__name__ == 'BufferedWriter' and f.name > 2]; "
        "os._exit(0)"
    )
    with pytest.raises(UnreadableError, match="is no image"):
        decoded(process, b"bad")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one process decodes all")
@pytest.mark.parametrize("whom", ["the fork", "its parent"])
@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (signal.SIGKILL, r"image was killed \(SIGKILL\)"),
        (signal.SIGTERM, r"image was stopped from outside \(SIGTERM\)"),
        (signal.SIGBUS, r"image crashed \(SIGBUS\)"),
    ],
)
def test_one_that_is_killed_while_it_decodes_is_told_of(harmed_by, whom, sent, said):
    process = harmed_by("time.sleep(20)")
    decoded(process)
    server = psutil.Process(pid_of(process))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(decoded, process, b"bad")
        while not server.children():
            time.sleep(0.01)
        (fork,) = server.children()
        (fork if whom == "the fork" else server).send_signal(sent)
        if whom != "the fork":
            fork.kill()
        with pytest.raises(UnreadableError, match=said):
            answer.result(30)
    np.testing.assert_array_equal(decoded(process).samples, RAMP)


def test_one_that_died_between_images_is_replaced():
    process = Sandbox()
    decoded(process)
    first = pid_of(process)
    os.kill(first, signal.SIGKILL)
    time.sleep(0.2)
    np.testing.assert_array_equal(decoded(process).samples, RAMP)
    assert pid_of(process) != first


def test_one_process_serves_all_images_and_threads():
    process = Sandbox()
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda _: decoded(process).samples, range(40)))
    assert all((image == RAMP).all() for image in images)
    first = pid_of(process)
    decoded(process)
    assert pid_of(process) == first


def test_after_an_interruption_no_answer_is_taken_for_another(harmed_by):
    process = harmed_by("time.sleep(5)")
    decoded(process)
    threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        decoded(process, b"bad")
    np.testing.assert_array_equal(decoded(process).samples, RAMP)


def test_the_process_ends_with_the_one_that_reads():
    process = Sandbox()
    decoded(process)
    pid = pid_of(process)
    del process
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


READER = """
import os, time
from tests.formats.test_sandbox import Sandbox, decoded, pid_of
process = Sandbox()
decoded(process)
print(pid_of(process), flush=True)
time.sleep(60)
"""


def test_the_process_outlives_no_reader_that_was_killed():
    words = [sys.executable, "-c", READER]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env=paths()
    ) as reader:
        assert reader.stdout
        pid = int(reader.stdout.readline())
        os.kill(pid, 0)
        reader.kill()
    for _ in range(50):
        if not is_running(pid):
            return
        time.sleep(0.1)
    pytest.fail("it is still there")


def paths() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


def is_running(pid: int) -> bool:
    """Whether it is there and no zombie, as which nobody may ever collect it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("ascii")
    except OSError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


def test_a_fork_does_not_share_its_parents_process():
    own = sandbox._own_sandbox(os.getpid())
    assert sandbox._own_sandbox(os.getpid()) is own
    assert sandbox._own_sandbox(os.getpid() + 1) is not own


RASTER = """
import sys; sys.path[:] = sys.argv[1:]
import ctypes, os, time
import numpy as np
import psutil
from cxr_sr.formats import sandbox_child
true = sandbox_child.decode_here
def hostile(data, kind):
    if len(data) == {bad}:
        {harm}
    return true(data, kind)
sandbox_child.decode_here = hostile
sandbox_child.serve()
"""


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("ctypes.string_at(0)", r"decoder of the PNG image crashed \(SIGSEGV\)"),
        ("time.sleep(60)", "PNG image was not decoded within 2 s"),
        ("return bytearray(2**34)", "PNG image cannot be read; the file is damaged"),
        ("return np.zeros(7, 'u1')", "states 6 bytes of samples, but the image has 7"),
        ("return np.zeros(3, 'u2')", "states .* samples of uint8, but the image has"),
        ("raise SystemExit(3)", "(crashed|cannot be read)"),
    ],
)
def test_readers_of_raster_files_may_die_of_them_too(monkeypatch, tmp_path, harm, said):
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    good = write_png(tmp_path / "good.png", pixels)
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes() + b"\0")
    code = RASTER.format(harm=harm, bad=bad.stat().st_size)
    monkeypatch.setattr(sandbox, "_START", code)
    monkeypatch.setattr(sandbox, "DEADLINE_S", 2)
    process = Sandbox()
    monkeypatch.setattr(raster_decode, "own_sandbox", lambda: process)
    with pytest.raises(UnreadableError, match=said):
        read(bad)
    np.testing.assert_array_equal(read(good).pixels, pixels)
