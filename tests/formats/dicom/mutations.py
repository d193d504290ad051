"""Ways to damage a DICOM file; each does the same again for the same random numbers."""

from __future__ import annotations

import re
import struct
import tempfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from pydicom.uid import JPEGBaseline8Bit, JPEGLSNearLossless

from tests.builders import noise, pixel_format
from tests.conftest import SHARED
from tests.dicom_files import ENCODED_HERE, FRAMES, RAMP, dicom_file

REAL_BYTES = 600_000
"""Real files up to this size are mutated too; larger ones would only be slower."""

_SYNTAXES = [*ENCODED_HERE, *FRAMES, JPEGBaseline8Bit, JPEGLSNearLossless]
_COUNTS = [b"\x10\0", b"\x11\0", b"\0\x01", b"\x01\x01", b"\x02\x01", b"\x03\x01"]
"""Elements of group 0028: Rows, Columns, the three of bits, PixelRepresentation."""
_NUMBERS = [0, 1, 2, 7, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF]
_LENGTHS = [0, 1, 3, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFF0, 0xFFFFFFFF]
_ITEM = b"\xfe\xff\x00\xe0"

Random = np.random.Generator
Mutation = Callable[[bytearray, Random], bytes | bytearray]


def flip_bits(data: bytearray, random: Random) -> bytes | bytearray:
    """Flip up to 16 bits anywhere after the preamble."""
    for at in random.integers(128, len(data), random.integers(1, 17)):
        data[at] ^= 1 << int(random.integers(8))
    return data


def flip_bits_of_pixels(data: bytearray, random: Random) -> bytes | bytearray:
    """Flip bits in the pixel data alone, so that decoders get to see them."""
    start = _pixels(data)
    for at in random.integers(start, len(data), random.integers(1, 33)):
        data[at] ^= 1 << int(random.integers(8))
    return data


def overwrite(data: bytearray, random: Random) -> bytes | bytearray:
    """Set a block to zeros, ones or junk."""
    at, size = int(random.integers(132, len(data))), int(random.integers(1, 400))
    block = [bytes(size), b"\xff" * size, random.bytes(size)][random.integers(3)]
    data[at : at + size] = block[: len(data) - at]
    return data


def truncate(data: bytearray, random: Random) -> bytes | bytearray:
    """Cut the end off."""
    return data[: int(random.integers(len(data)))]


def insert_or_delete(data: bytearray, random: Random) -> bytes | bytearray:
    """Shift what follows by a few bytes."""
    at, size = int(random.integers(132, len(data))), int(random.integers(1, 9))
    if random.integers(2):
        return data[:at] + random.bytes(size) + data[at:]
    return data[:at] + data[at + size :]


def absurd_numbers(data: bytearray, random: Random) -> bytes | bytearray:
    """Set Rows, Columns, bits or sign to impossible values."""
    for count in random.choice(len(_COUNTS), int(random.integers(1, 4))):
        little = b"\x28\0" + _COUNTS[count]
        big = b"\0\x28" + _COUNTS[count][::-1]
        for found in re.finditer(re.escape(little) + b"|" + re.escape(big), data):
            number = int(random.choice(_NUMBERS))
            data[found.start() + 8 : found.start() + 10] = struct.pack("<H", number)
    return data


def wrong_lengths(data: bytearray, random: Random) -> bytes | bytearray:
    """Write absurd lengths over elements of the header, or of sequences' items."""
    tags = [
        m.start() for m in re.finditer(rb"[\x08\x10\x18\x20\x28]\0..|.\0\0\0", data)
    ]
    tags = [at for at in tags if at > 132] or [200]
    for at in random.choice(tags, int(random.integers(1, 4))):
        length = struct.pack("<L", int(random.choice(_LENGTHS)))
        start = int(at) + int(random.choice([4, 6, 8]))
        data[start : start + 4] = length
    return data


def fake_syntax(data: bytearray, random: Random) -> bytes | bytearray:
    """State a transfer syntax that the bytes do not have."""
    uid = str(_SYNTAXES[random.integers(len(_SYNTAXES))]).encode()
    uid += b"\0" * (len(uid) % 2)
    new = b"\x02\0\x10\0UI" + struct.pack("<H", len(uid)) + uid
    return re.sub(
        rb"\x02\0\x10\0UI(.)\0[0-9.]+\0?", lambda _: new, data, count=1, flags=re.DOTALL
    )


def deep_sequences(data: bytearray, random: Random) -> bytes | bytearray:
    """Nest sequences before everything else of the data set."""
    depth = int(random.choice([10, 100, 2_000, 50_000]))
    if random.integers(2):
        layer = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff" + _ITEM + b"\xff" * 4
    else:
        layer = b"\x08\0\x40\x11" + b"\xff" * 4 + _ITEM + b"\xff" * 4
    return data[: data_set_of(data)] + layer * depth + data[data_set_of(data) :]


def damaged_fragments(data: bytearray, random: Random) -> bytes | bytearray:
    """Damage the items of encapsulated pixel data, or multiply them."""
    items = [m.start() for m in re.finditer(re.escape(_ITEM), data)]
    if not items:
        return flip_bits_of_pixels(data, random)
    at = int(random.choice(items))
    match random.integers(4):
        case 0:
            data[at + 4 : at + 8] = struct.pack("<L", int(random.choice(_LENGTHS)))
        case 1:
            return data[:at] + data[at + 8 :]
        case 2:
            return data[:at] + (_ITEM + bytes(4)) * 5_000 + data[at:]
        case _:
            return data[:at] + data[at:] + data[at:]
    return data


def other_pixels(data: bytearray, random: Random) -> bytes | bytearray:
    """Put the pixel data of another file, often of another coding, behind a header."""
    others = seeds()
    other = others[random.integers(len(others))]
    return data[: _pixels(data)] + other[_pixels(other) :]


def bomb(data: bytearray, random: Random) -> bytes | bytearray:
    """Claim to be deflated, and inflate to as much as a gigabyte of one byte."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    block = deflater.compress(random.bytes(1) * 2**20)
    block += deflater.flush(zlib.Z_FULL_FLUSH)
    count = int(random.choice([1, 100, 1024]))
    uid = b"1.2.840.10008.1.2.1.99"
    start = data[:132] + b"\x02\0\x10\0UI" + struct.pack("<H", len(uid)) + uid
    return start + block * count + b"\x03\0"


MUTATIONS: dict[Mutation, float] = {
    flip_bits: 4,
    flip_bits_of_pixels: 6,
    overwrite: 3,
    truncate: 2,
    insert_or_delete: 2,
    absurd_numbers: 4,
    wrong_lengths: 3,
    fake_syntax: 2,
    deep_sequences: 0.5,
    damaged_fragments: 2,
    other_pixels: 1,
    bomb: 0.1,
}
"""The changes to files, with their relative frequencies."""


def _pixels(data: bytes | bytearray) -> int:
    """Return where the pixel data element begins; the middle, where it is hidden."""
    found = max(data.rfind(b"\xe0\x7f\x10\0"), data.rfind(b"\x7f\xe0\0\x10"))
    return found if found > 0 else len(data) // 2


def data_set_of(data: bytes | bytearray) -> int:
    """Where the data set begins, after the file meta information; 0 if too short."""
    return 144 + int.from_bytes(data[140:144], "little") if len(data) > 200 else 0


@cache
def seeds() -> list[bytes]:
    """Valid files of every coding that can be built, and real ones where they are."""
    files = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dcm"
        for bits, signed in ((8, False), (12, False), (16, True)):
            fmt = pixel_format(bits_stored=bits, signed=signed)
            for syntax in ENCODED_HERE:
                pixels = noise((33, 34), fmt)
                files.append(dicom_file(path, pixels, fmt, syntax).read_bytes())
        for syntax, frame in FRAMES.items():
            files.append(dicom_file(path, RAMP, None, syntax, frame=frame).read_bytes())
    real = sorted((SHARED / "dicom").glob("*.dcm"))
    return files + [f.read_bytes() for f in real if f.stat().st_size <= REAL_BYTES]


def mutant(seed: int, number: int) -> tuple[str, bytes]:
    """Return the name of the change, and the changed file."""
    random = np.random.default_rng([seed, number])
    origin = int(random.integers(len(seeds())))
    data = bytes(seeds()[origin])
    weights = np.array(list(MUTATIONS.values()))
    count = int(random.choice([1, 1, 2, 3]))
    chosen = random.choice(len(weights), count, p=weights / weights.sum())
    names = []
    for mutate in (list(MUTATIONS)[n] for n in chosen):
        if len(data) > 200:  # anything shorter has nothing left to damage
            data = bytes(mutate(bytearray(data), random))
            names.append(mutate.__name__)
    return f"file {origin}: {', '.join(names)}", data
