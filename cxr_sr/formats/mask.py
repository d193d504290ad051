"""Read a mask: an image of any depth or palette, not 0 inside the marked region."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.registry import format_of, opened
from cxr_sr.formats.sandbox import own_sandbox

PNG_HEAD = 26
"""Number of bytes of a PNG file up to its colour type."""
PALETTE = 3
"""Colour type of a PNG file with a palette."""
MOST_PIXELS = 1 << 28


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Return a mask (rows, columns), True where the file is not 0.

    Programs for annotation write masks with 1 bit for each pixel or with a palette; no
    radiograph has these forms. In a palette, black counts as 0. Other files are read
    like radiographs.

    Raises
    ------
    UnreadableError
        If the file is missing or damaged.
    NotARadiographError
        If the file is no image.
    """
    with opened(path) as (file, kind):
        if kind is Kind.PNG:
            data = file.read()
            size = _of_few_bits(data)
            if size is not None:
                return _decoded(data, *size)
            file.seek(0)
        stored = format_of(kind).read(file, kind, None, colour=True).pixels
    planes = np.atleast_3d(stored) != 0
    present: NDArray[np.bool_] = np.logical_or.reduce(planes, axis=2)
    return present


def _of_few_bits(data: bytes) -> tuple[int, int, int] | None:
    """Return rows, columns and channels of a PNG image that `read` would refuse."""
    if len(data) < PNG_HEAD:
        return None
    columns, rows, bits, colour = struct.unpack(">IIBB", data[16:PNG_HEAD])
    if bits >= 8 and colour != PALETTE:
        return None
    transparent = b"tRNS" in data[: data.find(b"IDAT")]
    channels = (4 if transparent else 3) if colour == PALETTE else 1
    return rows, columns, channels


def _decoded(data: bytes, rows: int, columns: int, channels: int) -> NDArray[np.bool_]:
    expected = rows * columns * channels
    if not 0 < rows * columns <= MOST_PIXELS:
        raise UnreadableError(
            f"the mask states {columns} x {rows} px; expected at most {MOST_PIXELS:,} "
            "in all: the file is damaged"
        )

    def shaped(answer: dict[str, Any], samples: bytes) -> NDArray[Any]:
        return np.frombuffer(samples, answer["dtype"]).reshape(rows, columns, -1)

    request = {"raster": Kind.PNG.value, "bytes": len(data), "samples": expected}
    samples: NDArray[Any] = own_sandbox().ask(
        request, data, "the png image", lambda _: expected, shaped
    )
    present: NDArray[np.bool_] = (samples[..., :3] != 0).any(axis=2)
    return present
