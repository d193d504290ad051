"""MetaImage and NRRD files, line by line."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

PIXELS = np.arange(1, 7, dtype="<u2").reshape(2, 3)
"""The default pixels of a file."""
META_IMAGE = {
    "ObjectType": "Image",
    "NDims": "2",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "DimSize": "3 2",
    "ElementType": "MET_USHORT",
}
NRRD = {
    "type": "uint16",
    "dimension": "2",
    "sizes": "3 2",
    "endian": "little",
    "encoding": "raw",
}


def meta_image(
    fields: Mapping[str, Any] | None = None,
    data: bytes | None = None,
    last: str = "ElementDataFile = LOCAL",
) -> bytes:
    """A file of `PIXELS`; fields given here are changed, added, or (None) left out."""
    lines = [f"{k} = {v}" for k, v in _with(META_IMAGE, fields)]
    return _file([*lines, last], "\n", data)


def nrrd(
    fields: Mapping[str, Any] | None = None,
    data: bytes | None = None,
    more: Iterable[str] = (),
) -> bytes:
    """A file of `PIXELS`; fields given here are changed, added, or (None) left out."""
    lines = [f"{k}: {v}" for k, v in _with(NRRD, fields)]
    return _file(["NRRD0004", *lines, *more], "\n\n", data)


def written(path: Path, content: bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(content)
    return path


def _with(base: dict[str, str], changes: Mapping[str, Any] | None) -> list[Any]:
    changed = base | dict(changes or {})
    return [(k, v) for k, v in changed.items() if v is not None]


def _file(lines: list[str], end: str, data: bytes | None) -> bytes:
    header = ("\n".join(lines) + end).encode("latin-1")
    return header + (PIXELS.tobytes() if data is None else data)


def tiff(
    strips: Sequence[bytes],
    shape: tuple[int, int],
    compression: int,
    rows: int,
    more: Mapping[int, tuple[int, ...]] = MappingProxyType({}),
) -> bytes:
    """A TIFF of 8 bits from strips of `rows` rows; `more` are tags of LONG values."""
    tags = {
        256: (shape[1],),
        257: (shape[0],),
        258: (8,),
        259: (compression,),
        262: (1,),
        277: (1,),
        278: (rows,),
        273: strips,
        279: [*map(len, strips)],
        **more,
    }
    beyond = 8 + 2 + 12 * len(tags) + 4
    start = beyond + sum(4 * len(v) for v in tags.values() if len(v) > 1)
    tags[273] = [start + sum(map(len, strips[:n])) for n in range(len(strips))]
    entries, values = b"", b""
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"<{len(numbers)}L", *numbers)
        place = packed if len(packed) == 4 else struct.pack("<L", beyond + len(values))
        entries += struct.pack("<HHL", tag, 4, len(numbers)) + place
        values += packed if len(packed) > 4 else b""
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<L", 8) + directory + values + b"".join(strips)
