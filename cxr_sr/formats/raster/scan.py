"""What SimpleITK makes of a raster file, asked of the process that may die of it.

::

    scan(path, Kind.TIFF)                      # the header
    scan(path, Kind.TIFF, sample_bytes=...)    # and the pixels
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.raster.grid import Vector
from cxr_sr.formats.sandbox import own_sandbox
from cxr_sr.formats.sniff import Kind

READERS = {
    Kind.PNG: "PNGImageIO",
    Kind.TIFF: "TIFFImageIO",
}


@dataclass(frozen=True)
class Scan:
    """A header as SimpleITK reads it, in the order x, y and perhaps z."""

    size: tuple[int, ...]
    sample_type: str
    """Such as "16-bit unsigned integer"."""
    components: int
    spacing_mm: Vector
    origin_mm: Vector
    direction: Vector
    dtype: str = ""
    """numpy's name of the samples' type, and their shape; "" and () of a header."""
    shape: tuple[int, ...] = ()

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Scan:
        """Read what `dataclasses.asdict` and JSON made of one."""
        lists = {k: tuple(v) for k, v in facts.items() if isinstance(v, list)}
        return cls(**facts | lists)


def scan(
    path: Path | str, kind: Kind, sample_bytes: int | None = None
) -> tuple[Scan, NDArray[Any]]:
    """Read a file's header and, if `sample_bytes` says how many there are, its samples.

    Left to itself, SimpleITK would choose the reader by the file's name.

    Returns
    -------
    What the header says, and the samples (empty, if none were asked for).

    Raises
    ------
    UnreadableError
        If the file is damaged, its reader dies of it, takes too long or too much
        memory, or there are other samples than stated; or if its name is no text.
    """
    if not has_text_name(path):
        raise UnreadableError(
            "the file's name, or a folder's, is no valid UTF-8, which the reader of "
            "this format cannot open; rename it"
        )
    request = {
        "raster": kind.value,
        # The process keeps the folder that it was started in.
        "path": os.path.abspath(path),  # noqa: PTH100 - of a name as it was given
        "samples": sample_bytes,
    }

    def shaped(facts: dict[str, Any], data: bytes) -> tuple[Scan, NDArray[Any]]:
        found = Scan.of(facts)
        samples = np.frombuffer(bytearray(data), found.dtype or np.uint8)
        return found, samples.reshape(found.shape if samples.size else 0)

    return own_sandbox().ask(
        request, b"", f"the {kind.value} image", lambda _: sample_bytes or 0, shaped
    )


def scan_here(path: str, kind: Kind, *, samples: bool) -> tuple[dict[str, Any], bytes]:
    """Do the reading: return the facts of a `Scan`, and the samples' bytes.

    Raises
    ------
    RuntimeError
        SimpleITK's; its text names the path.
    """
    itk = simple_itk()
    reader = itk.ImageFileReader()
    reader.SetImageIO(READERS[kind])
    reader.SetFileName(path)
    pixels = None
    if samples:
        pixels = itk.GetArrayFromImage(reader.Execute())
    else:
        reader.ReadImageInformation()
    found = Scan(
        reader.GetSize(),
        itk.GetPixelIDValueAsString(reader.GetPixelID()),
        reader.GetNumberOfComponents(),
        reader.GetSpacing(),
        reader.GetOrigin(),
        reader.GetDirection(),
    )
    if pixels is None:
        return asdict(found), b""
    more = {"dtype": pixels.dtype.str, "shape": pixels.shape}
    return asdict(found) | more, pixels.tobytes()


def simple_itk() -> Any:  # noqa: ANN401 - it has no types
    """Load SimpleITK when it is needed: that takes half a second."""
    import SimpleITK

    return SimpleITK


def has_text_name(path: Path | str) -> bool:
    """Tell whether a path can be given to SimpleITK, which aborts at any other."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
