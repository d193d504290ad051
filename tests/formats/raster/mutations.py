"""Ways to damage a raster file; each does the same again for the same random numbers.

Many headers name `OUTSIDE`, a file that lies beside the mutant and must not be read.
"""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from tests.formats.raster.builders import meta_image, nrrd

OUTSIDE = "other.raw"
"""The name of a file beside the mutant."""
OUTSIDE_BYTES = b"\xc3\x5a" * 5000
"""Its content, which no mutant has."""

Random = np.random.Generator
Mutation = Callable[[bytes, Random], bytes]

_NAMES = [
    "ElementDataFile|DataFile|ElementData|HeaderSize|data file|datafile|byte skips",
    "NDims|DimSize|ElementType|CompressedData|CompressedDataSize|ElementNumberOfChannels",
    "ElementSpacing|TransformMatrix|Offset|dimension|sizes|type|encoding|endian|kinds",
    "line skip|byte skip|spacings|space|space directions|space origin|content|number",
]
_KEYS = "|".join(_NAMES).split("|")
_VALUES = [
    *("LOCAL", "local", "LOCAL2", "LOC", "LIST", "LIST 2D", OUTSIDE, f"./{OUTSIDE}"),
    *(
        f"{OUTSIDE} 1 1 1",
        f"file://{OUTSIDE}",
        "%s.raw 1 2 1",
        "/etc/passwd",
        "/dev/zero",
    ),
    *("0", "-1", "1", "2", "3", "65535", "4294967296", "1e308", "-0.0", "nan", "inf"),
    *(
        "3 2",
        "2 3",
        "-3 2",
        "3 2 1",
        "99999 99999",
        "1 1 1 1 1",
        "3,2",
        "True",
        "False",
    ),
    *("MET_UCHAR", "MET_DOUBLE", "MET_USHORT_ARRAY", "uint8", "double", "block", "raw"),
    *("gzip", "bzip2", "zlib", "hex", "ascii", "(1,0) (0,1)", "none none", "\t", ""),
]
_BETWEEN = ["=", " = ", ":", ": ", ":=", " :", "\t=\t", "", " ", "\x0b=", "\x00="]
_BEFORE = ["", "", "", " ", "\t", "\x0b", "\x0c", "\x00", "#", "\xef\xbb\xbf", "\r"]
_ENDS = ["\n", "\n", "\n", "\r\n", "\r", "\n\n", "\n\r", "\x00\n", "\x85", "\x0b"]


def _pick(random: Random, choices: list[Any]) -> Any:
    return choices[int(random.integers(len(choices)))]


def _spelled(random: Random, word: str) -> str:
    """A key in another case, or with a letter or blank more or less."""
    at = int(random.integers(len(word) + 1))
    ways = [
        word,
        word,
        word.upper(),
        word.lower(),
        word.title(),
        word[:at] + word[at + 1 :],
    ]
    return str(
        _pick(random, [*ways, f"{word[:at]} {word[at:]}", f"{word}\0", word * 2])
    )


def add_line(data: bytes, random: Random) -> bytes:
    """Put a line anywhere into the header, spelled in any way."""
    line = _pick(random, _BEFORE) + _spelled(random, _pick(random, _KEYS))
    line += _pick(random, _BETWEEN) + _pick(random, _VALUES) + _pick(random, _ENDS)
    lines = data.split(b"\n")
    at = int(random.integers(min(len(lines), 14)))
    return b"\n".join(
        [*lines[:at], line.encode("latin-1") + lines[at], *lines[at + 1 :]]
    )


def change_value(data: bytes, random: Random) -> bytes:
    """Give a line of the header another value, or another way to say so."""
    lines = data.split(b"\n")
    at = int(random.integers(min(len(lines), 10)))
    key, sign, _ = lines[at].partition(_pick(random, [b"=", b":"]))
    value = str(_pick(random, _VALUES)).encode()
    lines[at] = key + (sign or b"=") + b" " * int(random.integers(3)) + value
    return b"\n".join(lines)


def lines_in_another_order(data: bytes, random: Random) -> bytes:
    """Swap, repeat or leave out lines of the header."""
    lines = data.split(b"\n")
    one, other = random.integers(min(len(lines), 10), size=2)
    match random.integers(3):
        case 0:
            lines[one], lines[other] = lines[other], lines[one]
        case 1:
            lines.insert(int(other), lines[one])
        case _:
            del lines[one]
    return b"\n".join(lines)


def long_header(data: bytes, random: Random) -> bytes:
    """Make the header longer than some readers look."""
    size = int(_pick(random, [1000, 8192, 65_536, 2**20]))
    filler = _pick(
        random, [b"Comment = " + b"x" * size + b"\n", b"# y\n" * (size // 4)]
    )
    first, rest = data.split(b"\n", 1) if b"\n" in data else (data, b"")
    return first + b"\n" + bytes(filler) + rest


def flip_bits(data: bytes, random: Random) -> bytes:
    """Flip up to 16 bits anywhere."""
    changed = bytearray(data)
    for at in random.integers(len(data), size=int(random.integers(1, 17))):
        changed[at] ^= 1 << int(random.integers(8))
    return bytes(changed)


def flip_bits_of_the_end(data: bytes, random: Random) -> bytes:
    """Flip bits of the second half: samples, streams, checksums."""
    half = len(data) // 2
    return data[:half] + flip_bits(data[half:] or b"\0", random)


def overwrite(data: bytes, random: Random) -> bytes:
    """Set a block to zeros, ones or junk."""
    at, size = int(random.integers(len(data))), int(random.integers(1, 64))
    block = [bytes(size), b"\xff" * size, random.bytes(size)][random.integers(3)]
    return data[:at] + block[: len(data) - at] + data[at + size :]


def truncate_or_grow(data: bytes, random: Random) -> bytes:
    """Cut the end off, or put something behind it."""
    if random.integers(2):
        return data[: int(random.integers(len(data)))]
    return data + random.bytes(int(random.integers(1, 5000)))


def insert_or_delete(data: bytes, random: Random) -> bytes:
    """Shift what follows by a few bytes."""
    at, size = int(random.integers(len(data))), int(random.integers(1, 9))
    if random.integers(2):
        return data[:at] + random.bytes(size) + data[at:]
    return data[:at] + data[at + size :]


def other_end(data: bytes, random: Random) -> bytes:
    """Put the second half of another file behind the first."""
    other = bytes(_pick(random, seeds()))
    return data[: len(data) // 2] + other[len(other) // 2 :]


def bomb(data: bytes, random: Random) -> bytes:
    """Put as much as 200 MB of one byte, deflated, where the samples were."""
    size = int(_pick(random, [10**5, 10**7, 10**8]))
    head = data.rpartition(b"LOCAL\n")[0] + b"LOCAL\n" if b"LOCAL\n" in data else data
    packed = _pick(random, [zlib.compress, gzip.compress, bz2.compress])(bytes(size))
    return head + bytes(packed)


TEXT: dict[Mutation, float] = {
    add_line: 6,
    change_value: 5,
    lines_in_another_order: 2,
    long_header: 0.3,
    bomb: 0.1,
}
"""The changes to headers of lines, with their relative frequencies."""
BYTES: dict[Mutation, float] = {
    flip_bits: 3,
    flip_bits_of_the_end: 4,
    overwrite: 2,
    truncate_or_grow: 2,
    insert_or_delete: 2,
    other_end: 0.5,
}
"""The changes to any file, with their relative frequencies."""


@cache
def seeds() -> list[bytes]:
    """Valid files of every kind and compression."""
    return [*_texts(), *_pictures()]


def _texts() -> list[bytes]:
    """MetaImage and NRRD, in each of their codings."""
    pixels = (np.arange(20 * 16, dtype="<u2").reshape(20, 16) * 11) % 4096
    raw = pixels.tobytes()
    packed = {"CompressedData": "True", "DimSize": "16 20"}
    sized = {"sizes": "16 20"}
    return [
        meta_image(),
        meta_image({"DimSize": "16 20", "ElementSpacing": "0.2 0.3"}, raw),
        meta_image(packed, zlib.compress(raw)),
        meta_image(packed | {"CompressedDataSize": "9"}, zlib.compress(raw)),
        meta_image({"NDims": "3", "DimSize": "16 20 1", "HeaderSize": "-1"}, raw),
        nrrd(),
        nrrd(sized | {"spacings": "0.2 0.3"}, raw),
        nrrd(sized | {"encoding": "gzip"}, gzip.compress(raw, mtime=0)),
        nrrd(sized | {"encoding": "bzip2"}, bz2.compress(raw)),
    ]


def _pictures() -> list[bytes]:
    """PNG, JPEG and TIFF, in each of the compressions that Pillow writes."""
    from PIL import Image  # noqa: PLC0415 - not in every environment of the tests

    y, x = np.mgrid[:40, :30]
    gray = (127 + 120 * np.sin(x / 5) * np.cos(y / 7)).astype(np.uint8)
    ways: list[dict[str, Any]] = [{"format": "PNG"}, {"format": "JPEG"}]
    ways += [
        {"format": "TIFF", "compression": c}
        for c in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    ]
    made = []
    for way in ways:
        for pixels in (gray, np.stack([gray] * 3, -1)):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, **way)
            made.append(file.getvalue())
    file = io.BytesIO()
    Image.fromarray(gray.astype(np.uint16) * 257).save(file, "PNG")
    return [*made, file.getvalue(), gzip.compress(made[0], mtime=0)]


def mutant(seed: int, number: int) -> tuple[str, bytes]:
    """Return the name of the change, and the changed file."""
    random = np.random.default_rng([seed, number, 1])
    texts = len(_texts())
    # Half of them have a header of lines.
    origin = int(random.integers(texts if number % 2 else len(seeds())))
    data = seeds()[origin]
    kinds = TEXT | BYTES if origin < texts else BYTES
    weights = np.array(list(kinds.values()))
    count = int(_pick(random, [1, 1, 2, 3]))
    names = []
    for n in random.choice(len(weights), count, p=weights / weights.sum()):
        mutate = list(kinds)[n]
        if data:
            data = mutate(data, random)
            names.append(mutate.__name__)
    return f"file {origin}: {', '.join(names)}", data
