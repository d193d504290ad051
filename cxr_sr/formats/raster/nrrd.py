"""Read and write NRRD files with header and samples in one file (.nrrd).

References
----------
https://teem.sourceforge.net/nrrd/format.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster.fields import DESCRIPTION, Fields, header_lines
from cxr_sr.formats.raster.grid import Grid, Vector, grid_along
from cxr_sr.formats.raster.volume import Coding, Volume

_DATA = "data file"
_KNOWN = (
    "dimension|type|block size|encoding|endian|content|min|max|old min|old max|"
    f"{_DATA}|line skip|byte skip|number|sample units|space|space dimension|"
    "space units|space origin|space directions|measurement frame|sizes|spacings|"
    "thicknesses|axis mins|axis maxs|centers|centerings|labels|units|kinds"
).split("|")
_SPELLED = {name.replace(" ", ""): name for name in _KNOWN} | {"centers": "centerings"}
_TYPES = {
    "i1": "signed char|int8|int8_t",
    "u1": "uchar|unsigned char|uint8|uint8_t",
    "i2": "short|short int|signed short|signed short int|int16|int16_t",
    "u2": "ushort|unsigned short|unsigned short int|uint16|uint16_t",
    "i4": "int|signed int|int32|int32_t",
    "u4": "uint|unsigned int|uint32|uint32_t",
    "i8": "longlong|long long|long long int|signed long long|signed long long int|"
    "int64|int64_t",
    "u8": "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t",
    "f4": "float",
    "f8": "double",
}
_TYPE_NAMES = {name: t for t, names in _TYPES.items() for name in names.split("|")}
_CODINGS: dict[str, Coding] = {
    "raw": "raw",
    "gz": "gzip",
    "gzip": "gzip",
    "bz2": "bzip2",
    "bzip2": "bzip2",
}
_TEXT_CODINGS = {"txt", "text", "ascii", "hex"}
_IN_SPACE = {"domain", "space", "time", "none", "???"}
"""Kinds of the axes of an image; all other kinds are axes of channels."""
_CHANNELS = {
    *("list", "point", "vector", "covariant-vector", "normal", "stub", "scalar"),
    *("complex", "2-vector", "3-color", "RGB-color", "HSV-color", "XYZ-color"),
    *("4-color", "RGBA-color", "3-vector", "3-gradient", "3-normal", "4-vector"),
    "quaternion",
}
_SPACES = {
    **dict.fromkeys(("right-anterior-superior", "RAS"), (-1.0, -1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "LAS"), (1.0, -1.0, 1.0)),
    **dict.fromkeys(("left-posterior-superior", "LPS"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("scanner-xyz", "3D-right-handed"), (1.0, 1.0, 1.0)),
    "3D-left-handed": (1.0, 1.0, 1.0),
}
"""Spaces of three dimensions, and the signs that convert them to LPS, the space of
DICOM and ITK."""
_UNITS = re.compile(r'\s*(?:"[^"]*"\s*)*')
_MM_A_UNIT = {"mm": 1.0, "um": 1e-3, "cm": 10.0, "m": 1000.0}
"""Millimetres of a unit. Other units, such as "" and "???", count as mm, as in other
readers."""
_FIELD = re.compile(r"([A-Za-z][A-Za-z ]*[A-Za-z]): *(.*)")
_KEY = re.compile(r"[^:=]+:=.*")


@dataclass(frozen=True)
class _Axes:
    """The sizes of all axes, and the number of the axis of channels, if any."""

    sizes: tuple[int, ...]
    channel: int | None

    def in_space(self, values: list[Any]) -> list[Any]:
        """Return the values without the value for the axis of channels."""
        return [v for n, v in enumerate(values) if n != self.channel]


def read_nrrd(file: IO[bytes]) -> Volume:
    """Read a header; `file` is at its start.

    Raises
    ------
    UnreadableError
        If a line is neither a known field nor a "key:=value" nor a comment, or a field
        comes twice or has a wrong value.
    """
    fields = _fields(file)
    start = file.tell()
    axes = _axes(fields)
    if _DATA in fields:
        oddity = "its pixels in another file"
    elif fields.text("encoding").lower() in _TEXT_CODINGS:
        oddity = "its samples written as text"
    else:
        oddity = ""
    kind = fields.one_of("type", _TYPE_NAMES)
    return Volume(
        size=tuple(axes.in_space(list(axes.sizes))),
        dtype=_order(fields, kind) + kind,
        coding="raw" if oddity else fields.one_of("encoding", _CODINGS),
        start=_skipped(fields, file, start),
        grid=_grid(fields, axes),
        channels=1 if axes.channel is None else axes.sizes[axes.channel],
        planar=axes.channel not in {None, 0},
        oddity=oddity,
    )


def write_nrrd(
    file: IO[bytes], pixels: NDArray[Any], grid: Grid | None, words: str
) -> None:
    """Write samples unchanged; without a grid, the file states no spacing.

    Parameters
    ----------
    pixels : (y, x) or (y, x, 3)
    words : description of the processing, in ASCII; "": no description
    """
    height, width = pixels.shape[:2]
    dimensions = 2 if grid is None else len(grid.spacing_mm)
    colours = [3] if pixels.ndim == 3 else []
    sizes = [*colours, width, height, *[1] * (dimensions - 2)]
    kinds = ["RGB-color" for _ in colours] + ["domain"] * dimensions
    lines = [
        "NRRD0004",
        f"type: {_TYPES[pixels.dtype.str[1:]].split('|')[-1]}",
        f"dimension: {len(sizes)}",
        *(_placed(grid, none=bool(colours)) if grid else []),
        f"sizes: {' '.join(map(str, sizes))}",
        f"kinds: {' '.join(kinds)}",
        "endian: little",
        "encoding: raw",
        *([f"{DESCRIPTION}:={words}"] if words else []),
    ]
    file.write(("\n".join(lines) + "\n\n").encode("ascii"))
    file.write(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).data)


def _fields(file: IO[bytes]) -> Fields:
    """Read the lines up to the empty line, or up to the name of another file."""
    fields = Fields(Kind.NRRD)
    lines = header_lines(file, Kind.NRRD)
    if not re.fullmatch(r"NRRD000[1-5]", next(lines)):
        raise fields.damaged("has another version than 1 to 5")
    for line in lines:
        if not line:
            break
        if line.startswith("#"):
            continue
        found = _FIELD.fullmatch(line)
        known = _SPELLED.get(found[1].lower().replace(" ", "")) if found else None
        if found and known:
            fields.add(known, found[2])
        elif not _KEY.fullmatch(line):
            raise fields.damaged("has a line that is no known field")
        if known == _DATA:
            break
    return fields


def _axes(fields: Fields) -> _Axes:
    count = fields.counts("dimension", 1)[0]
    sizes = fields.counts("sizes", count)
    kinds = ["domain"] * count
    if "kinds" in fields:
        kinds = fields.text("kinds").split()
    if len(kinds) != count or not set(kinds) <= _IN_SPACE | _CHANNELS:
        raise fields.damaged("states kinds other than one known kind for each axis")
    channels = [n for n, kind in enumerate(kinds) if kind in _CHANNELS]
    if len(channels) > 1 or not 2 <= count - len(channels) <= 4:
        raise fields.damaged(
            "states other axes than 2 to 4, and perhaps one of colours"
        )
    return _Axes(sizes, channels[0] if channels else None)


def _order(fields: Fields, kind: str) -> str:
    if kind in {"i1", "u1"}:
        return "|"
    return fields.one_of("endian", {"little": "<", "big": ">"})


def _skipped(fields: Fields, file: IO[bytes], start: int) -> int | None:
    """Return the place of the samples; None: they are the last bytes of the file."""
    lines, count = (
        fields.text(name) if name in fields else "0"
        for name in ("line skip", "byte skip")
    )
    for skip in (lines, count):
        if not re.fullmatch(r"0|[1-9]\d{0,5}|-1", skip) or lines == "-1":
            raise fields.damaged("states a skip other than a small whole number")
    if count == "-1":
        return None
    for _ in range(int(lines)):
        start += len(file.readline())
    return start + int(count)


def _grid(fields: Fields, axes: _Axes) -> Grid | None:
    if not 2 <= len(axes.in_space(list(axes.sizes))) <= 3:
        return None
    if "space directions" in fields:
        return _oriented(fields, axes)
    return _spaced(fields, axes) if "spacings" in fields else None


def _oriented(fields: Fields, axes: _Axes) -> Grid | None:
    signs: Vector
    if "space" in fields:
        signs = fields.one_of("space", _SPACES)
    else:
        signs = (1.0,) * fields.counts("space dimension", 1)[0]
    to_mm = np.multiply(signs, _units(fields, "space units", len(signs)))
    stated = fields.vectors("space directions", len(signs))
    if len(stated) != len(axes.sizes):
        raise fields.damaged("states space directions other than one for each axis")
    steps = [to_mm * v for v in axes.in_space(stated) if v is not None]
    if len(steps) != len(axes.in_space(stated)):
        return None
    if len(steps) < len(signs):  # a plane anywhere in space; only its steps count
        steps = list(np.diag(np.linalg.norm(steps, axis=1)))
        return grid_along([tuple(s.tolist()) for s in steps], (0.0,) * len(steps))
    if len(steps) > len(signs):
        raise fields.damaged("states more axes than its space has dimensions")
    origin = np.zeros(len(signs))
    if "space origin" in fields:
        origin = to_mm * (fields.vectors("space origin", len(signs))[0] or origin)
    return grid_along([tuple(s.tolist()) for s in steps], tuple(origin.tolist()))


def _spaced(fields: Fields, axes: _Axes) -> Grid | None:
    spacing = _along_axes(fields, "spacings", axes)
    if spacing is None:
        return None
    units = _units(fields, "units", len(axes.sizes))
    to_mm = np.array(axes.in_space(list(units)))
    origin = np.zeros(len(spacing))
    minimum = _along_axes(fields, "axis mins", axes)
    if minimum is not None:  # the edge or the centre of the first pixel
        centres = fields.text("centerings").split() if "centerings" in fields else []
        half = 0.0 if "node" in centres else 0.5
        origin = to_mm * (minimum + half * spacing)
    steps = np.diag(to_mm * spacing)
    return grid_along([tuple(s.tolist()) for s in steps], tuple(origin.tolist()))


def _along_axes(fields: Fields, name: str, axes: _Axes) -> NDArray[np.float64] | None:
    """Return a number for each axis in space; None if one is missing or nan."""
    if name not in fields:
        return None
    along = axes.in_space(fields.text(name).split())
    if "nan" in map(str.lower, along):
        return None
    return np.array(fields.finite(name, along, len(axes.in_space(list(axes.sizes)))))


def _units(fields: Fields, name: str, count: int) -> Vector:
    if name not in fields:
        return (1.0,) * count
    text = fields.text(name)
    found = re.findall(r'"([^"]*)"', text)
    if len(found) != count or not _UNITS.fullmatch(text):
        raise fields.damaged(f"states {name} other than one for each axis")
    return tuple(_MM_A_UNIT.get(unit, 1.0) for unit in found)


def _placed(grid: Grid, *, none: bool) -> list[str]:
    count = len(grid.spacing_mm)
    axes = (np.reshape(grid.direction, (count, count)) * grid.spacing_mm).T
    vectors = [f"({','.join(map(str, axis))})" for axis in axes.tolist()]
    origin = ",".join(map(str, grid.origin_mm))
    space = "space dimension: 2" if count == 2 else "space: left-posterior-superior"
    return [
        space,
        f"space directions: {' '.join(['none'] * none + vectors)}",
        f"space origin: ({origin})",
    ]
