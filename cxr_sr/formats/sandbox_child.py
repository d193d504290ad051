"""What runs in the process that decodes: requests in, samples or refusals out.

The codecs are C and C++, and damaged bytes can make them crash, loop or allocate
without end. Here that ends this process and nothing else. A request and an answer are a
line of JSON each, followed by bytes; never a pickle, for what has decoded hostile bytes
is not to be trusted with more than an image.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any, BinaryIO

from pydicom.uid import UID

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.dicom.codecs import DECODERS, Decoded
from cxr_sr.formats.dicom.layout import PixelLayout
from cxr_sr.formats.guard import readable
from cxr_sr.formats.raster.scan import scan_here, simple_itk
from cxr_sr.formats.sniff import Kind
from cxr_sr.radiograph import PixelFormat

BASE_BYTES = 2**28
"""What any image may take, for codecs are loaded with the first that needs them."""
BYTES_PER_PIXEL = 32
"""What an image may take beyond that; of real radiographs none took more than 13."""


def serve() -> None:
    """Decode what standard input asks for, until it ends."""
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what codecs print must not get between the answers
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        if "raster" in request:
            simple_itk()  # what loading it takes is not the image's
            _bound(raster_limit(request), request["seconds"])
            _answer_raster(answers, request)
        else:
            layout = layout_from(request["layout"])
            limit = memory_limit(layout, request["bytes"])
            _bound(limit, request["seconds"])
            stream = sys.stdin.buffer.read(request["bytes"])
            _answer(answers, stream, UID(request["syntax"]), layout)
        _bound(None, 0)


def memory_limit(layout: PixelLayout, stream_bytes: int) -> int:
    """Return how many bytes the decoder of such an image may take."""
    return BASE_BYTES + BYTES_PER_PIXEL * layout.samples + 4 * stream_bytes


def raster_limit(request: dict[str, Any]) -> int:
    """Return how many bytes the reader of such a raster file may take."""
    return 2 * BASE_BYTES + BYTES_PER_PIXEL * (request["samples"] or 0)


def layout_from(facts: dict[str, Any]) -> PixelLayout:
    """Return the layout that `dataclasses.asdict` made these facts of."""
    return PixelLayout(**facts | {"format": PixelFormat(**facts["format"])})


def _answer(answers: BinaryIO, stream: bytes, syntax: UID, layout: PixelLayout) -> None:
    try:
        with readable(f"the {syntax.name} image"):
            decoded = DECODERS[syntax](stream, layout)
    except UnreadableError as error:
        message = str(error)
        if isinstance(error.__cause__, MemoryError):
            message = out_of_memory(syntax, memory_limit(layout, len(stream)))
        _send(answers, {"refused": message}, b"")
    else:
        _send(answers, _facts(decoded), decoded.samples.tobytes())


def _answer_raster(answers: BinaryIO, request: dict[str, Any]) -> None:
    kind = Kind(request["raster"])
    stated = request["samples"]
    try:
        facts, data = scan_here(request["path"], kind, samples=stated is not None)
    except (RuntimeError, MemoryError):  # SimpleITK's text names the path
        part = "header" if stated is None else "image"
        refused = (
            f"the {kind.value} {part} cannot be read; the file is damaged or "
            "truncated: export it anew"
        )
        _send(answers, {"refused": refused}, b"")
        return
    if len(data) != (stated or 0):
        refused = (
            f"the {kind.value} header states {stated} bytes of samples, but the image "
            f"has {len(data)}; save it anew"
        )
        _send(answers, {"refused": refused}, b"")
        return
    _send(answers, facts, data)


def out_of_memory(syntax: UID, limit: int) -> str:
    """Return the message for an image whose decoder asked for too much."""
    return (
        f"the {syntax.name} image asked for more than the {limit >> 20} MiB that one "
        "of its size may take; the file is damaged or hostile: export it anew"
    )


def _facts(decoded: Decoded) -> dict[str, int]:
    return {"precision": decoded.precision, "width": decoded.samples.itemsize}


def _send(answers: BinaryIO, facts: dict[str, Any], data: bytes) -> None:
    answers.write(json.dumps(facts).encode() + b"\n")
    answers.write(data)
    answers.flush()


def _address_space() -> int:
    """Return the bytes of address space in use; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _bound(more: int | None, seconds: int) -> None:
    """Have the system end this process beyond these bounds; None and 0 lift them.

    Parameters
    ----------
    more : bytes beyond what is in use now, which grows with each library loaded
    """
    if sys.platform == "win32":  # has neither; a crash still costs only one file
        return
    import resource

    # The kernel's alarm ends native code, too, even when the parent is gone by then.
    signal.alarm(seconds)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = hard if more is None else _address_space() + more
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
