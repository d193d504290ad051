"""Read and write MetaImage files with header and samples in one file (.mha).

References
----------
https://itk.org/Wiki/MetaIO/Documentation
"""

from __future__ import annotations

import re
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster.fields import DESCRIPTION, Fields, header_lines
from cxr_sr.formats.raster.grid import Grid, Vector
from cxr_sr.formats.raster.volume import Volume

_DATA = "ElementDataFile"
_ALIASES = {
    "BinaryDataByteOrderMSB": ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"),
    "Offset": ("Offset", "Position", "Origin"),
    "TransformMatrix": ("TransformMatrix", "Rotation", "Orientation"),
}
"""The names of each field, by its first name; if a header has several, they must
agree."""
_KNOWN = {
    "ObjectType",
    "NDims",
    "BinaryData",
    "CompressedData",
    "CompressedDataSize",
    "DimSize",
    "DistanceUnits",
    "ElementNumberOfChannels",
    "ElementSize",
    "ElementSpacing",
    "ElementType",
    "HeaderSize",
    _DATA,
    *(name for names in _ALIASES.values() for name in names),
}
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_NAMES = {code: name for name, code in reversed(_TYPES.items())}
_TRUTH = {
    **dict.fromkeys(("True", "TRUE", "true", "T", "1"), True),
    **dict.fromkeys(("False", "FALSE", "false", "F", "0"), False),
}
_MM_A_UNIT = {"mm": 1.0, "um": 1e-3, "cm": 10.0, "??": 1.0, "": 1.0}
_SINGULAR = 1e-9
_LINE = re.compile(r"([\x21-\x3c\x3e-\x7e](?:[\x20-\x3c\x3e-\x7e]*[^\s=])?)[ \t]*=(.*)")
"""A key of printable ASCII at the start of the line, and a value."""


def read_meta_image(file: IO[bytes]) -> Volume:
    """Read a header; `file` is at its start.

    Raises
    ------
    UnreadableError
        If a line is no "Key = Value", or a known key comes twice, has another spelling,
        or has a wrong value.
    """
    fields = _fields(file)
    start = file.tell()
    dimensions = fields.counts("NDims", 1)[0]
    if dimensions not in {2, 3, 4}:
        raise fields.damaged("states NDims other than 2, 3 or 4")
    fields.one_of("ObjectType", {"Image": True}, default=True)
    compressed = fields.one_of("CompressedData", _TRUTH, default=False)
    big_endian = fields.one_of("BinaryDataByteOrderMSB", _TRUTH, default=False)
    channels = "ElementNumberOfChannels"
    # HeaderSize -1: the samples are the last bytes of the file.
    last = fields.one_of("HeaderSize", {"0": False, "-1": True}, default=False)
    return Volume(
        size=fields.counts("DimSize", dimensions),
        dtype="<>"[big_endian] + fields.one_of("ElementType", _TYPES),
        coding="zlib" if compressed else "raw",
        start=None if last else start,
        grid=_grid(fields, dimensions),
        channels=fields.counts(channels, 1)[0] if channels in fields else 1,
        oddity=_oddity(fields),
    )


def write_meta_image(
    file: IO[bytes], pixels: NDArray[Any], grid: Grid | None, words: str
) -> None:
    """Write samples unchanged; without a grid, the file states no spacing.

    Parameters
    ----------
    pixels : (y, x) or (y, x, 3)
    words : description of the processing, in ASCII; "": no description
    """
    height, width = pixels.shape[:2]
    depth = () if grid is None or len(grid.spacing_mm) == 2 else (1,)
    size = (width, height, *depth)
    lines = {
        "ObjectType": "Image",
        "NDims": len(size),
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        **(_placed(grid) if grid else {}),
        **({DESCRIPTION: words} if words else {}),
        "DimSize": _words(size),
        **({"ElementNumberOfChannels": 3} if pixels.ndim == 3 else {}),
        "ElementType": _NAMES[pixels.dtype.str[1:]],
        _DATA: "LOCAL",
    }
    file.write("".join(f"{k} = {v}\n" for k, v in lines.items()).encode("ascii"))
    file.write(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).data)


def _fields(file: IO[bytes]) -> Fields:
    """Read the header lines; the last line states the place of the samples."""
    fields = Fields(Kind.META_IMAGE)
    spelled = {_plain(name): name for name in _KNOWN}
    for line in header_lines(file, Kind.META_IMAGE):
        found = _LINE.fullmatch(line)
        if not found:
            raise fields.damaged('has a line that is no "Key = Value"')
        known = spelled.get(_plain(found[1]))
        if known and found[1] != known:
            raise fields.damaged(f"has another spelling of {known}")
        if known:  # Other keys, such as a copied DICOM header, are ignored.
            fields.add(known, found[2])
        if known == _DATA:
            break
    _unite_aliases(fields)
    return fields


def _unite_aliases(fields: Fields) -> None:
    """Copy the value of an alias to the first name of the field."""
    for name, aliases in _ALIASES.items():
        stated = [alias for alias in aliases if alias in fields]
        if len({fields.text(alias) for alias in stated}) > 1:
            raise fields.damaged(f"states {' and '.join(stated)}, and they differ")
        if stated and name not in fields:
            fields.add(name, fields.text(stated[0]))


def _plain(key: str) -> str:
    return "".join(c for c in key.lower() if c.isalnum())


def _grid(fields: Fields, dimensions: int) -> Grid | None:
    name = "ElementSpacing" if "ElementSpacing" in fields else "ElementSize"
    if name not in fields or dimensions > 3:
        return None
    unit = fields.one_of("DistanceUnits", _MM_A_UNIT, 1.0)
    spacing = [unit * v for v in fields.numbers(name, dimensions)]
    origin: Vector = (0.0,) * dimensions
    if "Offset" in fields:
        origin = tuple(unit * v for v in fields.numbers("Offset", dimensions))
    axes = np.eye(dimensions)
    if "TransformMatrix" in fields:  # the direction of each axis, row by row
        matrix = fields.numbers("TransformMatrix", dimensions**2)
        axes = np.reshape(matrix, (dimensions, dimensions))
    if abs(np.linalg.det(axes)) < _SINGULAR:
        raise fields.damaged("states a TransformMatrix that cannot be inverted")
    if not all(spacing):  # a spacing of 0 counts as missing
        return None
    direction = (axes * np.sign(spacing)[:, np.newaxis]).T
    lengths = tuple(map(abs, spacing))
    return Grid(lengths, origin, tuple(direction.ravel().tolist()))


def _oddity(fields: Fields) -> str:
    if fields.text(_DATA) != "LOCAL":
        return "its pixels in another file"
    if not fields.one_of("BinaryData", _TRUTH, default=True):
        return "its samples written as text"
    return ""


def _placed(grid: Grid) -> dict[str, str]:
    count = len(grid.spacing_mm)
    axes = np.reshape(grid.direction, (count, count)).T
    return {
        "TransformMatrix": _words(axes.ravel().tolist()),
        "Offset": _words(grid.origin_mm),
        "CenterOfRotation": _words((0.0,) * count),
        "ElementSpacing": _words(grid.spacing_mm),
    }


def _words(values: Any) -> str:  # noqa: ANN401 - numbers of either kind
    return " ".join(map(str, values))
