"""List the formats for input and output, one row for each format.

Only this module has signatures and suffixes. The README lists the steps to add a
format.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from cxr_sr.errors import NotARadiographError, OutputError
from cxr_sr.formats.datasets import dicom_header
from cxr_sr.formats.dicom.read import read_dicom
from cxr_sr.formats.dicom.write import write_dicom
from cxr_sr.formats.guard import readable
from cxr_sr.formats.header.change import HeaderOptions
from cxr_sr.formats.inflate import GZIP, GZIP_MAGIC, inflate, inflated_head
from cxr_sr.formats.inspection import Inspection, inspect_dicom, inspect_raster
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.others import what_else
from cxr_sr.formats.raster.files import read_raster, write_raster
from cxr_sr.formats.raster.nifti import is_nifti
from cxr_sr.names import Compression
from cxr_sr.radiograph import Radiograph

HEAD_BYTES = 4096
"""Number of bytes that is enough for every signature below, also inside gzip."""
GZIP_SUFFIX = ".gz"


class Reader(Protocol):
    """A function that reads a radiograph."""

    def __call__(
        self,
        file: BinaryIO,
        kind: Kind,
        options: HeaderOptions | None = None,
        *,
        colour: bool = False,
    ) -> Radiograph:
        """Read a file that is open at its start; see `cxr_sr.read`."""


class Writer(Protocol):
    """A function that writes a radiograph, completely or not at all."""

    def __call__(
        self,
        radiograph: Radiograph,
        path: Path,
        *,
        compression: Compression,
        overwrite: bool,
    ) -> None:
        """Write a radiograph.

        Raises
        ------
        OutputError
            If the format cannot hold the image, or the disk refuses.
        """


def _write_dicom(
    radiograph: Radiograph, path: Path, *, compression: Compression, overwrite: bool
) -> None:
    header = dicom_header(radiograph)
    write_dicom(radiograph, header, path, compression=compression, overwrite=overwrite)


def _write_raster(
    radiograph: Radiograph, path: Path, *, compression: Compression, overwrite: bool
) -> None:
    if compression != "none":
        raise OutputError(
            f"compression {compression} is for DICOM, not for {path.suffix}; leave it "
            "out"
        )
    write_raster(radiograph, path, overwrite=overwrite)


@dataclass(frozen=True)
class Format:
    """One format: names and signature, and its probe, reader and writer."""

    name: str
    suffixes: tuple[str, ...]
    """Suffixes in lower case; new files get the first."""
    kind: Kind | None = None
    """None for a format that is only written."""
    signature: Callable[[bytes], bool] = lambda _: False
    """Tells whether the first `HEAD_BYTES` bytes of a file belong to this format."""
    probe: Callable[[BinaryIO, Kind], Inspection] = inspect_raster
    """Describes an open file without decoding its pixels."""
    read: Reader = read_raster
    write: Writer | None = _write_raster
    """None for a format that is only read."""
    instead: str = ""
    """Suffix for results of a format that is only read."""


def _starts(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(beginnings)


def _matches(pattern: bytes) -> Callable[[bytes], bool]:
    return lambda head: re.match(pattern, head) is not None


def _is_dicom(head: bytes) -> bool:
    return head[128:132] == b"DICM"  # PS3.10 7.1


def _is_bare_dicom(head: bytes) -> bool:
    r"""Tell whether a file is a DICOM data set without preamble.

    Other files may also begin with \2 or \8. The data set must begin, little endian,
    with an element of group 0002 or 0008 that has a known VR (explicit) or an even and
    short length (implicit): PS3.5 7.1.
    """
    if len(head) < 16 or head[:2] not in {b"\x02\x00", b"\x08\x00"}:
        return False
    element = int.from_bytes(head[2:4], "little")
    if element > 0x0100:  # no data set begins with a later element of the group
        return False
    length = int.from_bytes(head[4:8], "little")
    return head[4:6] in _FIRST_VRS or (length % 2 == 0 and length <= 256)


_FIRST_VRS = {b"UL", b"OB", b"CS", b"UI", b"DA", b"TM", b"SH", b"LO"}
_DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")

FORMATS = (
    Format(
        "DICOM",
        _DICOM_SUFFIXES,
        Kind.DICOM,
        _is_dicom,
        inspect_dicom,
        read_dicom,
        _write_dicom,
    ),
    Format("PNG", (".png",), Kind.PNG, _starts(b"\x89PNG\r\n\x1a\n")),
    Format(
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        Kind.JPEG,
        _starts(b"\xff\xd8\xff"),
        write=None,
        instead=".png",
    ),
    Format(
        "TIFF",
        (".tif", ".tiff"),
        Kind.TIFF,
        _starts(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    ),
    Format("NRRD", (".nrrd",), Kind.NRRD, _matches(rb"NRRD000\d")),
    Format(
        "MetaImage",
        (".mha",),
        Kind.META_IMAGE,
        _matches(rb"\s*(?:ObjectType|NDims|Comment)\s*="),
    ),
    Format("NIfTI", (".nii",), Kind.NIFTI, is_nifti, write=None, instead=".mha"),
    Format(
        "DICOM without preamble",
        _DICOM_SUFFIXES,
        Kind.BARE_DICOM,
        _is_bare_dicom,
        inspect_dicom,
        read_dicom,
        _write_dicom,
    ),
    Format("NPY", (".npy",)),
)
"""The formats; their signatures are tried in this order."""

_NAMES = [f.kind.value for f in FORMATS if f.kind and f.kind is not Kind.BARE_DICOM]
READABLE = f"{_NAMES[0]} nor {', '.join(_NAMES[1:-1])} or {_NAMES[-1]}"


def kind_of(head: bytes) -> Kind | None:
    """Return the kind of a file from its first bytes; None if it is unknown."""
    if head.startswith(GZIP_MAGIC):
        head = inflated_head(head, HEAD_BYTES)
    return next((f.kind for f in FORMATS if f.kind and f.signature(head)), None)


def kind_of_file(path: Path) -> Kind | None:
    """Return the kind of a file; UnreadableError if it cannot be opened."""
    with readable("the file"), path.open("rb") as file:
        return kind_of(file.read(HEAD_BYTES))


def format_of(kind: Kind) -> Format:
    """Return the row of a kind."""
    return next(f for f in FORMATS if f.kind is kind)


def format_named(suffix: str) -> Format | None:
    """Return the row of a suffix in any case; None if no format has it."""
    return next((f for f in FORMATS if suffix.lower() in f.suffixes), None)


def recognised(file: BinaryIO) -> tuple[BinaryIO, Kind]:
    """Return the content of a file, open at its start, and its kind; unpack gzip.

    Parameters
    ----------
    file : a seekable file; its content begins at its position

    Raises
    ------
    NotARadiographError
        If the content has no known format.
    UnreadableError
        If a gzip file is damaged, or its content is too large.
    """
    start = file.tell()
    with readable("the file"):
        head = file.read(HEAD_BYTES)
        file.seek(start)
        kind = kind_of(head)
        if kind is None:
            raise NotARadiographError(
                f"the content is neither {READABLE}, but {what_else(head)}"
            )
        if head.startswith(GZIP_MAGIC):
            return inflate(file.read(), GZIP, "the content of the gzip file"), kind
        return (io.BytesIO(file.read()) if start else file), kind


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, Kind]]:
    """Open a file; yield its content and kind, see `recognised`.

    Raises
    ------
    UnreadableError
        If the file cannot be opened, or is a damaged gzip file.
    NotARadiographError
        If the content has no known format.
    """
    with readable("the file"):
        file = path.open("rb")
    with file:
        yield recognised(file)
