"""What a file is, from its first bytes; names prove nothing in a PACS export."""

from __future__ import annotations

import enum
import re
from pathlib import Path
from typing import Self

from cxr_sr.errors import NotARadiographError
from cxr_sr.formats.guard import readable

HEAD_BYTES = 512
"""Enough for every signature below."""


class Kind(enum.Enum):
    """The formats that can be told apart by content; the value is for people."""

    DICOM = "DICOM"
    BARE_DICOM = "DICOM without preamble"
    PNG = "PNG"
    TIFF = "TIFF"
    META_IMAGE = "MetaImage"
    NRRD = "NRRD"

    @property
    def is_dicom(self) -> bool:
        """Whether `dicom_read` is the one to read it."""
        return self in {Kind.DICOM, Kind.BARE_DICOM}

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Return what the file is; None if it is none of these.

        Raises
        ------
        UnreadableError
            If the file cannot be opened.
        """
        with readable("the file"), path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        return cls.of_bytes(head)

    @classmethod
    def of_bytes(cls, head: bytes) -> Self | None:
        """Return what a file that begins with `head` is; None if none of these."""
        return next((k for k, looks_so in _SIGNATURES if looks_so(head)), None)


def recognise(path: Path) -> Kind:
    """Return what the file is.

    Raises
    ------
    UnreadableError
        If the file cannot be opened.
    NotARadiographError
        If it is none of these formats.
    """
    return known(Kind.of(path))


def known(kind: Kind | None) -> Kind:
    """Return the kind.

    Raises
    ------
    NotARadiographError
        If there is none.
    """
    if kind is None:
        raise NotARadiographError(
            "the content is neither DICOM nor PNG, TIFF, MetaImage or NRRD; convert "
            "the file to one of these, or leave it out"
        )
    return kind


def _is_dicom(head: bytes) -> bool:
    return head[128:132] == b"DICM"  # PS3.10 7.1


def _is_bare_dicom(head: bytes) -> bool:
    r"""Tell a data set without preamble from anything else that begins with \2 or \8.

    It must begin, little endian, with an element of group 0002 or 0008 whose VR is one
    (explicit), or whose length is even and short (implicit): PS3.5 7.1.
    """
    if len(head) < 16 or head[:2] not in {b"\x02\x00", b"\x08\x00"}:
        return False
    element = int.from_bytes(head[2:4], "little")
    if element > 0x0100:  # no file begins further into the group
        return False
    length = int.from_bytes(head[4:8], "little")
    return head[4:6] in _FIRST_VRS or (length % 2 == 0 and length <= 256)


def _is_meta_image(head: bytes) -> bool:
    return re.match(rb"\s*(?:ObjectType|NDims|Comment)\s*=", head) is not None


_FIRST_VRS = {b"UL", b"OB", b"CS", b"UI", b"DA", b"TM", b"SH", b"LO"}
_SIGNATURES = (
    (Kind.DICOM, _is_dicom),
    (Kind.PNG, lambda head: head.startswith(b"\x89PNG\r\n\x1a\n")),
    (
        Kind.TIFF,
        lambda head: head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    ),
    (Kind.NRRD, lambda head: re.match(rb"NRRD000\d", head) is not None),
    (Kind.META_IMAGE, _is_meta_image),
    (Kind.BARE_DICOM, _is_bare_dicom),
)
