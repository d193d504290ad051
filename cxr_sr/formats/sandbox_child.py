"""The program of the decoding process: it reads requests, and answers with samples.

The codecs are C and C++, and damaged bytes can make them crash, loop, allocate without
end, or worse. So each image is decoded in a process of its own, a fork of one that has
loaded the codecs and has never decoded anything: it has no rights but those of
`rights.give_up`, and no other image ever was in its memory. Memory that C libraries get
is zero at first (see `sandbox`), so that a gap in an image could only be black.

A request and an answer are a line of JSON each, followed by bytes. They are never a
pickle: a process that decoded hostile bytes must not return more than an image. An
empty line follows an answer when its process has ended well.
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
from cxr_sr.formats.rights import Limits, give_up
from cxr_sr.radiograph import PixelFormat

BASE_BYTES = 2**28
"""Memory that any image may need: the first image of a kind loads its codecs."""
BYTES_PER_PIXEL = 32
"""Memory that an image may need beyond that, as a multiple of its bytes; real
radiographs needed at most 13."""
_ANSWERS = 3
"""The handle that answers are written to, in a process that decodes."""
_DAMAGED = (
    "the compressed image ends early or is damaged, says its decoder; copy or export "
    "the file anew"
)
_GRACE_S = 3
"""Seconds after which one that has switched off its own alarm is ended."""


def serve() -> None:
    """Decode the images of the requests on standard input, until it ends."""
    # Ctrl-C reaches the whole process group; the parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # text of codecs must not get between answers
    requests = sys.stdin.buffer
    while line := requests.readline():
        request = json.loads(line)
        payload = requests.read(request.get("bytes", 0))
        _load(request)
        if sys.platform == "linux":
            _in_fork(request, payload, answers)
        else:  # where libraries do not survive a fork, or there is none
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
    """Decode in a fork; end as it has ended, if that was not well."""
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
    except BaseException:  # noqa: BLE001 - whatever it is, it must not go on as a server
        os._exit(1)
    os._exit(0)


def _only(answers: BinaryIO) -> BinaryIO:
    """Close all handles but that for the answers, and standard output and error."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if answers.fileno() != _ANSWERS:
        os.dup2(answers.fileno(), _ANSWERS)
    os.closerange(_ANSWERS + 1, os.sysconf("SC_OPEN_MAX"))
    return os.fdopen(_ANSWERS, "wb")


def _die_of(exit_code: int) -> None:
    """End with this exit code, or (below zero) of this signal."""
    if exit_code < 0:
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-exit_code, signal.SIG_DFL)
        os.kill(os.getpid(), -exit_code)
    os._exit(exit_code)


def memory_limit(layout: PixelLayout, stream_bytes: int) -> int:
    """Return the number of bytes that the decoder of such an image may allocate."""
    return BASE_BYTES + BYTES_PER_PIXEL * layout.samples + 4 * stream_bytes


def raster_limit(request: dict[str, Any]) -> int:
    """Return the number of bytes that the decoder of such a file may allocate."""
    pixels: int = request["samples"]  # of one byte or more
    return BASE_BYTES + BYTES_PER_PIXEL * pixels + 4 * int(request["bytes"])


def layout_from(facts: dict[str, Any]) -> PixelLayout:
    """Return the layout that `dataclasses.asdict` made these facts of."""
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
    if sys.platform == "linux":  # elsewhere this process has more images to decode
        give_up(Limits(_address_space() + limit, seconds))


class _Printed:
    """The text that libraries print to standard error from now on."""

    def __init__(self) -> None:
        self._end, other = os.pipe()
        for end in (self._end, other):
            os.set_blocking(end, False)  # A library may print more than fits.
        os.dup2(other, 2)
        os.close(other)

    def text(self) -> bytes:
        """Return as much of it as was kept."""
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
            "truncated: export it anew"
        )
        return {"refused": refused}, b""
    if samples.nbytes != stated:
        refused = (
            f"the {kind.value} header states {stated} bytes of samples, but the image "
            f"has {samples.nbytes}; save it anew"
        )
        return {"refused": refused}, b""
    return {"dtype": samples.dtype.str, "shape": samples.shape}, samples.tobytes()


def out_of_memory(syntax: UID, limit: int) -> str:
    """Return the message for an image whose decoder asked for too much memory."""
    return (
        f"the {syntax.name} image asked for more than the {limit >> 20} MiB that one "
        "of its size may take; the file is damaged or hostile: export it anew"
    )


def _facts(decoded: Decoded) -> dict[str, int]:
    return {"precision": decoded.precision, "width": decoded.samples.itemsize}


def _address_space() -> int:
    """Return the bytes of address space in use; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[0])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
