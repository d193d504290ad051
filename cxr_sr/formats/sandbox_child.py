"""Run the decoding process: read requests, and answer with samples.

The codecs are C and C++. Damaged bytes can make them crash, loop, allocate without end,
or run foreign code. So each image is decoded in a separate process: a fork of a process
that has loaded the codecs and has never decoded an image. The fork keeps only the
rights after `rights.give_up`, and its memory has never held another image. Memory for C
libraries is filled with zeros (see `sandbox`), so a gap in an image can only be black.

A request and an answer are a line of JSON each, followed by bytes. They are never a
pickle: a process that decoded hostile bytes must return only an image. An empty line
follows an answer if its process has ended without error.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from pydicom.uid import UID

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.dicom.coding.codecs import DECODERS, Decoded, load_codecs
from cxr_sr.formats.dicom.coding.jpeg import tells_of_damage
from cxr_sr.formats.dicom.layout import PixelLayout
from cxr_sr.formats.guard import readable
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster.decode import decode_here, image_codecs
from cxr_sr.formats.rights import give_up
from cxr_sr.radiograph import PixelFormat

BASE_BYTES = 2**28
"""Memory for any image in bytes: the first image of a kind loads its codecs."""
BYTES_PER_PIXEL = 32
"""Additional memory for an image, as a multiple of its bytes; real radiographs needed
at most 13."""
_ANSWERS = 3
"""The handle for answers in a decoding process."""
_DAMAGED = (
    "the decoder reports that the compressed image ends early or is damaged; copy or "
    "export the file again"
)
_GRACE_S = 3
"""Additional seconds before a process is ended that has switched off its own alarm."""


def serve() -> None:
    """Decode the images of all requests on standard input."""
    # Ctrl-C reaches the whole process group; the parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # codecs must not print between two answers
    requests = sys.stdin.buffer
    while line := requests.readline():
        request = json.loads(line)
        payload = requests.read(request.get("bytes", 0))
        _load(request)
        if sys.platform == "linux":
            _in_fork(request, payload, answers)
        else:  # libraries do not survive a fork, or the system has no fork
            _decode(request, payload, answers)
        answers.write(b"\n")
        answers.flush()


def _load(request: dict[str, Any]) -> None:
    """Load all decoders; later, nothing more can be loaded."""
    if "raster" in request:
        image_codecs()
    else:
        load_codecs()


def _in_fork(request: dict[str, Any], payload: bytes, answers: BinaryIO) -> None:
    """Decode in a fork; if the fork fails, end in the same way."""
    decoder = os.fork()
    if not decoder:
        _end_with(lambda: _decode(request, payload, _only(answers)))
    # Hostile code may have switched off the alarm of its own process.
    signal.alarm(request["seconds"] + _GRACE_S)
    ended = os.waitstatus_to_exitcode(os.waitpid(decoder, 0)[1])
    signal.alarm(0)
    if ended:
        _die_of(ended)


def _end_with(work: Callable[[], None]) -> None:
    """Run the last function of this process, and end."""
    try:
        work()
    except BaseException:  # noqa: BLE001 - after any error, the fork must not serve
        os._exit(1)
    os._exit(0)


def _only(answers: BinaryIO) -> BinaryIO:
    """Close all handles except standard output, standard error and `answers`."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if answers.fileno() != _ANSWERS:
        os.dup2(answers.fileno(), _ANSWERS)
    os.closerange(_ANSWERS + 1, os.sysconf("SC_OPEN_MAX"))
    return os.fdopen(_ANSWERS, "wb")


def _die_of(exit_code: int) -> None:
    """End with an exit code; if it is negative, by the signal of this number."""
    if exit_code < 0:
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-exit_code, signal.SIG_DFL)
        os.kill(os.getpid(), -exit_code)
    os._exit(exit_code)


def memory_limit(layout: PixelLayout, stream_bytes: int) -> int:
    """Return the number of bytes that the decoder of an image may allocate."""
    return BASE_BYTES + BYTES_PER_PIXEL * layout.samples + 4 * stream_bytes


def raster_limit(request: dict[str, Any]) -> int:
    """Return the number of bytes that the decoder of a raster file may allocate."""
    pixels: int = request["samples"]  # of one byte or more
    return BASE_BYTES + BYTES_PER_PIXEL * pixels + 4 * int(request["bytes"])


def layout_from(facts: dict[str, Any]) -> PixelLayout:
    """Return the layout from the result of `dataclasses.asdict`."""
    return PixelLayout(**facts | {"format": PixelFormat(**facts["format"])})


def _decode(request: dict[str, Any], payload: bytes, answers: BinaryIO) -> None:
    """Give up all rights, decode one image, and answer."""
    printed = _Printed()
    if "raster" in request:
        limit = raster_limit(request)
        _restrict(limit, request["seconds"])
        facts, data = _raster(request, payload)
    else:
        layout = layout_from(request["layout"])
        limit = memory_limit(layout, len(payload))
        _restrict(limit, request["seconds"])
        facts, data = _coded(UID(request["syntax"]), payload, layout)
    if "refused" not in facts and tells_of_damage(printed.text()):
        facts, data = {"refused": _DAMAGED}, b""
    answers.write(json.dumps(facts).encode() + b"\n")
    answers.write(data)
    answers.flush()


def _restrict(limit: int, seconds: int) -> None:
    if sys.platform == "linux":  # on other systems, this process decodes more images
        give_up(_address_space() + limit, seconds)


class _Printed:
    """The text that libraries print to standard error from now on."""

    def __init__(self) -> None:
        self._end, other = os.pipe()
        for end in (self._end, other):
            os.set_blocking(end, False)  # a library may print more than the pipe holds
        os.dup2(other, 2)
        os.close(other)

    def text(self) -> bytes:
        """Return the text, at most 64 KiB."""
        try:
            return os.read(self._end, 2**16)
        except BlockingIOError:
            return b""
        finally:
            os.close(self._end)


def _coded(
    syntax: UID, stream: bytes, layout: PixelLayout
) -> tuple[dict[str, Any], bytes]:
    try:
        with readable(f"the {syntax.name} image"):
            decoded = DECODERS[syntax](stream, layout)
    except UnreadableError as error:
        message = str(error)
        if isinstance(error.__cause__, MemoryError):
            message = out_of_memory(syntax, memory_limit(layout, len(stream)))
        return {"refused": message}, b""
    return _facts(decoded), decoded.samples.tobytes()


def _raster(request: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
    kind, stated = Kind(request["raster"]), request["samples"]
    try:
        samples = decode_here(payload, kind)
    except UnreadableError as error:
        return {"refused": str(error)}, b""
    except Exception:  # noqa: BLE001 - each codec has errors of its own
        refused = (
            f"the {kind.value} image cannot be read; the file is damaged or "
            "truncated: export it again"
        )
        return {"refused": refused}, b""
    if samples.nbytes != stated:
        refused = (
            f"the {kind.value} header states {stated} bytes of samples, but the image "
            f"has {samples.nbytes}; save it again"
        )
        return {"refused": refused}, b""
    return {"dtype": samples.dtype.str, "shape": samples.shape}, samples.tobytes()


def out_of_memory(syntax: UID, limit: int) -> str:
    """Return the message for an image whose decoder needs too much memory."""
    return (
        f"the decoder of the {syntax.name} image needs more than {limit >> 20} MiB, "
        "the limit for an image of this size; the file is damaged or hostile: export "
        "it again"
    )


def _facts(decoded: Decoded) -> dict[str, int]:
    return {"precision": decoded.precision, "width": decoded.samples.itemsize}


def _address_space() -> int:
    """Return the address space in use, in bytes; 0 if the system does not state it."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
