"""The same bytes give the same pixels after any earlier use of the memory."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless

from cxr_sr.errors import InputError, UnreadableError
from cxr_sr.formats import read, sandbox
from cxr_sr.formats.dicom.coding.apart import decode_apart
from cxr_sr.formats.dicom.layout import PixelLayout
from cxr_sr.formats.dicom.parse import parse
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster import decode as raster_decode
from cxr_sr.formats.sandbox import Sandbox
from tests.builders import noise, pixel_format, structure
from tests.dicom_files import FRAMES, dicom_file
from tests.formats.test_sandbox import decoded

pil = pytest.importorskip("PIL.Image")

HEAPS = ["0", "1", "85", "128", "255"]
"""The values that the C library fills memory with, before and after its use."""
SHAPE = (60, 70)
GRAY8 = np.rint(255 * structure(SHAPE)).astype(np.uint8)
Outcome = str
Stream = tuple[UID, bytes, PixelLayout]


def code_stream(path: Path) -> bytes:
    with path.open("rb") as file:
        parsed = parse(file, Kind.DICOM)
        assert parsed.pixels is not None
        start, length = parsed.pixels.spans[0]
        file.seek(start)
        return file.read(length).rstrip(b"\0")


def code_streams(folder: Path) -> Iterator[Stream]:
    """Yield a stream for each decoder, a large one where possible."""
    large = PixelLayout(*SHAPE, pixel_format(), 11, 0)
    for syntax in (JPEGLSLossless, JPEG2000Lossless):
        path = dicom_file(folder / "a.dcm", noise(SHAPE), syntax=syntax)
        yield syntax, code_stream(path), large
    small = PixelLayout(16, 16, pixel_format(), 11, 0)
    for syntax, frame in FRAMES.items():
        yield syntax, frame, small
    file = io.BytesIO()
    pil.fromarray(GRAY8).save(file, "JPEG")
    yield JPEGBaseline8Bit, file.getvalue(), PixelLayout(*SHAPE, pixel_format(8), 7, 0)


def raster_files() -> Iterator[tuple[Kind, bytes]]:
    """PNG, and TIFF in each compression that Pillow writes."""
    for kind, how in (
        (Kind.PNG, {"format": "PNG"}),
        (Kind.TIFF, {"format": "TIFF"}),
        (Kind.TIFF, {"format": "TIFF", "compression": "tiff_lzw"}),
        (Kind.TIFF, {"format": "TIFF", "compression": "tiff_adobe_deflate"}),
        (Kind.TIFF, {"format": "TIFF", "compression": "packbits"}),
        (Kind.TIFF, {"format": "TIFF", "compression": "jpeg"}),
    ):
        file = io.BytesIO()
        pil.fromarray(GRAY8).save(file, **how)
        yield kind, file.getvalue()


def damaged(whole: bytes, end: bytes) -> list[bytes]:
    """The whole, and cut, blanked and changed at places all over it."""
    random = np.random.default_rng(1)
    places = np.linspace(len(whole) // 8, len(whole) - 3, 4).astype(int)
    found = [whole]
    for n in places:
        found += [whole[:n] + end, whole[:n] + bytes(len(whole) - n - 2) + end]
        changed = bytearray(whole)
        changed[n] ^= 1 << int(random.integers(8))
        found.append(bytes(changed))
    return found


def told(work) -> Outcome:
    try:
        return hashlib.sha256(work().tobytes()).hexdigest()
    except InputError as error:
        return str(error)


@pytest.fixture
def heaps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Yield sandboxes; each fills its memory with another value."""

    def each() -> Iterator[Sandbox]:
        for fill in HEAPS:
            changed = sandbox._ENVIRONMENT | {"MALLOC_PERTURB_": fill}
            monkeypatch.setattr(sandbox, "_ENVIRONMENT", changed)
            yield Sandbox()

    return each()


@pytest.mark.slow
def test_no_decoder_returns_memory_that_it_did_not_write(
    tmp_path: Path, heaps: Iterator[Sandbox]
):
    """Five heaps, every decoder of DICOM, every damage: one outcome each."""
    cases = [
        (syntax, stream, layout)
        for syntax, whole, layout in code_streams(tmp_path)
        for stream in damaged(whole, b"\xff\xd9")
    ]
    outcomes = [
        [
            told(lambda c=case, b=box: decode_apart(c[1], c[0], c[2], b).samples)
            for case in cases
        ]
        for box in heaps
    ]
    assert len(outcomes) == len(HEAPS)
    assert [o for o in outcomes if o != outcomes[0]] == []
    assert 5 < sum(" " in outcome for outcome in outcomes[0]) < len(cases) - 5


@pytest.mark.slow
def test_nor_does_a_reader_of_raster_files(
    tmp_path: Path, heaps: Iterator[Sandbox], monkeypatch: pytest.MonkeyPatch
):
    cases: list[Path] = []
    for _, whole in raster_files():
        for n, data in enumerate(damaged(whole, b"")):
            path = tmp_path / f"{len(cases)}-{n}"
            path.write_bytes(data)
            cases.append(path)
    outcomes = []
    for box in heaps:
        monkeypatch.setattr(raster_decode, "own_sandbox", lambda b=box: b)
        outcomes.append([told(lambda c=c: read(c).pixels) for c in cases])
    assert [o for o in outcomes if o != outcomes[0]] == []
    assert 5 < sum(" " in outcome for outcome in outcomes[0]) < len(cases) - 5


ZEROS = """
import sys; sys.path[:] = sys.argv[1:]
import ctypes, os
from cxr_sr.formats import sandbox_child
def zeros(stream, layout):
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    for size in (3_000, 300_000, 30_000_000):
        used = libc.malloc(size)
        ctypes.memset(used, 0xEE, size)
        libc.free(used)
        if any(ctypes.string_at(libc.malloc(size), size)):
            os._exit(43)
    os._exit(42)
sandbox_child.DECODERS = dict.fromkeys(sandbox_child.DECODERS, zeros)
sandbox_child.serve()
"""


def test_memory_is_zero_before_a_decoder_gets_it(monkeypatch: pytest.MonkeyPatch):
    """Memory used before is zero, too. This needs glibc, which most of Linux has."""
    pytest.importorskip("resource")
    monkeypatch.setattr(sandbox, "_START", ZEROS)
    with pytest.raises(UnreadableError, match="exit code 42"):
        decoded(Sandbox())


@pytest.mark.parametrize("name", ["JPEG Lossless", "JPEG Extended", "JPEG Baseline"])
def test_a_jpeg_that_ends_early_is_refused(tmp_path: Path, name: str):
    """Its decoder makes up the rest, and only prints that it does."""
    streams = {s.name: (s, data, layout) for s, data, layout in code_streams(tmp_path)}
    syntax, whole, layout = next(v for k, v in streams.items() if k.startswith(name))
    shape = (layout.rows, layout.columns)
    pixels = noise(shape, layout.format)
    for lost in (10, 20):
        cut = whole[:-lost] + b"\xff\xd9"
        path = dicom_file(
            tmp_path / "a.dcm",
            pixels,
            layout.format,
            syntax,
            frame=cut + b"\0" * (len(cut) % 2),
        )
        with pytest.raises(UnreadableError, match=r"ends (early|before)"):
            read(path)
    path = dicom_file(tmp_path / "a.dcm", pixels, layout.format, syntax, frame=whole)
    assert read(path).pixels.shape == shape
