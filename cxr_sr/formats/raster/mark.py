"""Write into a raster file how its image was made.

The DICOM header of a result says that it is a result, for research only. A raster file
says the same in its field for text.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import IO, Literal

from cxr_sr.formats.header.own import NOTICE_BYTES
from cxr_sr.formats.header.words import derivation_text, notice
from cxr_sr.formats.raster.fields import DESCRIPTION
from cxr_sr.formats.raster.tiff import SOFTWARE, first_directory
from cxr_sr.radiograph import Derivation

END_BYTES = 2**16
"""Number of bytes to search for the text, at the start and at the end of a file."""


def words_of(derivation: Derivation) -> str:
    """Return a line of ASCII: the notice, then a description of the processing."""
    return f"{notice(derivation)}: {derivation_text(derivation)}"


def mark(path: Path, words: str) -> None:
    """Write words into a PNG or TIFF file that SimpleITK has written."""
    with path.open("rb+") as file:
        if path.suffix.lower() == ".png":
            _mark_png(file, words)
        else:
            _mark_tiff(file, words)


def is_marked(file: IO[bytes]) -> bool:
    """Tell whether a raster file of any format says that it is a result."""
    size = file.seek(0, 2)
    for start in {0, max(0, size - END_BYTES)}:
        file.seek(start)
        if NOTICE_BYTES.search(file.read(END_BYTES)):
            return True
    return False


def _mark_png(file: IO[bytes], words: str) -> None:
    """Put a tEXt chunk (W3C PNG 11.3.3.2) before the last chunk, IEND."""
    chunk = b"tEXt" + f"{DESCRIPTION}\0{words}".encode("ascii")
    file.seek(-12, 2)
    last = file.read(12)
    file.seek(-12, 2)
    file.write((len(chunk) - 4).to_bytes(4, "big") + chunk)
    file.write(zlib.crc32(chunk).to_bytes(4, "big") + last)


def _mark_tiff(file: IO[bytes], words: str) -> None:
    """Append the words, and point the tag Software, TIFF 6.0 section 8, to them."""
    software = first_directory(file)[SOFTWARE]
    file.seek(0)
    head = file.read(4)
    order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
    width = 8 if int.from_bytes(head[2:4], order) == 43 else 4
    text = words.encode("ascii") + b"\0"
    end = file.seek(0, 2)
    begin = end + end % 2  # on a word boundary, TIFF 6.0 section 2
    file.write(b"\0" * (begin - end) + text)
    file.seek(software.entry_at - width)
    file.write(len(text).to_bytes(width, order) + begin.to_bytes(width, order))
