"""Name the formats of files that cannot be read, for the reason to leave them out."""

from __future__ import annotations

_ADVICE = "convert it to DICOM, PNG or TIFF"
_UNPACK = "unpack it"
_OTHERS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PK\3\4", "a ZIP archive", _UNPACK),
    (0, b"PK\5\6", "an empty ZIP archive", "check its source"),
    (0, b"Rar!", "a RAR archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"\x1f\x8b", "a gzip file with an unknown format inside", _UNPACK),
    (0, b"BZh", "a bzip2 file", _UNPACK),
    (0, b"\xfd7zXZ\0", "an xz file", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard file", _UNPACK),
    (0, b"%PDF", "a PDF document", "export its images as DICOM or PNG"),
    (0, b"GIF8", "a GIF picture", _ADVICE),
    (0, b"BM", "a BMP picture", _ADVICE),
    (8, b"WEBP", "a WebP picture", _ADVICE),
    (4, b"ftypheic", "a HEIC picture", _ADVICE),
    (4, b"jP  \r\n\x87\n", "a JPEG 2000 file", _ADVICE),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 code stream", _ADVICE),
    (0, b"\x93NUMPY", "a NumPy array", "read it, and give it to cxr_sr.from_array"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", _ADVICE),
    (0, b"SQLite format 3\0", "an SQLite database", "leave it out"),
)
"""(offset, bytes at this offset, name of the format, advice)"""
_TEXT = {"csv": "a CSV table", "json": "a JSON file", "xml": "an XML file"}


def what_else(head: bytes, suffix: str = "") -> str:
    """Return the format of a file and an advice, in one sentence without its name.

    Parameters
    ----------
    head : first bytes of a file in a format that cannot be read
    suffix : suffix of the file, such as ".csv"
    """
    if not head:
        return "an empty file; copy or export it again"
    for at, magic, what, advice in _OTHERS:
        if head[at:].startswith(magic):
            return f"{what}; {advice}"
    suffix = suffix.lower()
    ending = f" ({suffix})" if suffix.isascii() and 1 < len(suffix) <= 6 else ""
    if _is_text(head):
        return f"{_TEXT.get(suffix[1:], 'text')}{ending}; there is no image in it"
    return f"a file of unknown format{ending}; {_ADVICE}, or leave it out"


def _is_text(head: bytes) -> bool:
    """Tell whether bytes are UTF-8 without control characters, perhaps cut short."""
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in head):
        return False
    try:
        head[: max(1, len(head) - 3)].decode()
    except UnicodeDecodeError:
        return False
    return True
