"""Read NIfTI-1 and NIfTI-2 files (.nii) of one slice.

References
----------
https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h and nifti2.h
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from functools import partial
from typing import IO

from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster.fields import damaged_header
from cxr_sr.formats.raster.grid import Grid
from cxr_sr.formats.raster.volume import Volume

ONE_FILE = {b"n+1\0", b"n+2\0"}
TWO_FILES = {b"ni1\0", b"ni2\0"}
_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_COLOURS = {128: 3, 2304: 4}
_MM_A_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_LENGTHS = {348: 1, 540: 2}


@dataclass(frozen=True)
class _Layout:
    """The places (bytes) and the codings of the fields in one version."""

    magic_at: int
    dim: tuple[int, str]
    datatype_at: int
    pixdim: tuple[int, str]
    vox_offset: tuple[int, str]
    units_at: tuple[int, str]


_LAYOUTS = {
    1: _Layout(344, (40, "8h"), 70, (76, "8f"), (108, "f"), (123, "b")),
    2: _Layout(4, (16, "8q"), 12, (104, "8d"), (168, "q"), (500, "i")),
}


def is_nifti(head: bytes) -> bool:
    """Tell whether a file is NIfTI; `head` has its first 348 bytes or more."""
    magic = {head[344:348], head[4:8]}
    order = _order(head)
    return order is not None and bool(magic & (ONE_FILE | TWO_FILES))


def read_nifti(file: IO[bytes]) -> Volume:
    """Read a header; `file` is at its start.

    Axes with one sample are left out. Slope and intercept (scl_slope, scl_inter) are
    not applied: stored values do not change.

    Raises
    ------
    UnreadableError
        If the header states no size, or an unknown type.
    """
    head = file.read(540)
    order = _order(head)
    if order is None:
        raise _damaged("does not state its own length")
    layout = _LAYOUTS[_LENGTHS[struct.unpack_from(order + "i", head)[0]]]
    count, *dim = struct.unpack_from(order + layout.dim[1], head, layout.dim[0])
    if not 1 <= count <= 7 or min(dim[:count]) < 1:
        raise _damaged("states no size")
    code = struct.unpack_from(order + "h", head, layout.datatype_at)[0]
    channels = _COLOURS.get(code, 1)
    if code not in _TYPES and channels == 1:
        raise _damaged(f"states the data type {code}, which is not supported")
    start = struct.unpack_from(order + layout.vox_offset[1], head, layout.vox_offset[0])
    axes = [n for n in range(count) if dim[n] > 1]
    axes += [n for n in range(count) if dim[n] == 1][: max(0, 2 - len(axes))]
    axes.sort()
    if len(axes) < 2 or not math.isfinite(start[0]):
        raise _damaged("states no image")
    two_files = head[layout.magic_at : layout.magic_at + 4] in TWO_FILES
    return Volume(
        size=tuple(dim[n] for n in axes),
        dtype=order + _TYPES.get(code, "u1"),
        coding="raw",
        start=int(start[0]),
        grid=_grid(head, order, layout, axes),
        channels=channels,
        oddity="its pixels in another file" if two_files else "",
    )


def _grid(head: bytes, order: str, layout: _Layout, axes: list[int]) -> Grid | None:
    _, *steps = struct.unpack_from(order + layout.pixdim[1], head, layout.pixdim[0])
    units = struct.unpack_from(order + layout.units_at[1], head, layout.units_at[0])
    unit = _MM_A_UNIT.get(units[0] & 7, 1.0)
    spacing = [abs(steps[n]) * unit for n in axes[:2]]
    if len(axes) > 2 or not all(0 < mm < math.inf for mm in spacing):
        return None
    return Grid(tuple(float(f"{mm:.7g}") for mm in spacing))  # digits of float32


def _order(head: bytes) -> str | None:
    for order in "<>":
        if len(head) >= 348 and struct.unpack_from(order + "i", head)[0] in _LENGTHS:
            return order
    return None


_damaged = partial(damaged_header, Kind.NIFTI)
