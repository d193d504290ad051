"""Decode PNG, JPEG and TIFF in a separate process, because a decoder may crash.

::

    decode(data, Kind.TIFF, facts)    # sends the data to the separate process
    decode_here(data, Kind.TIFF)      # runs in the separate process
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.dicom.coding.jpeg import decoded_whole, parse_jpeg
from cxr_sr.formats.dicom.pixels import ALWAYS_DECODED_BYTES, MAX_EXPANSION
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster.checksum import CODECS, check_png, check_tiff
from cxr_sr.formats.raster.facts import RasterFacts
from cxr_sr.formats.sandbox import own_sandbox


def decode(data: bytes, kind: Kind, facts: RasterFacts) -> NDArray[Any]:
    """Return the samples of the first page, (rows, columns) or (rows, columns, C).

    Parameters
    ----------
    data : the whole file
    facts : the facts in its header; the samples must agree with them

    Raises
    ------
    UnreadableError
        If the file is damaged or truncated, if its decoder crashes or needs too much
        time or memory, or if the samples differ from the header.
    """
    expected = facts.sample_bytes
    if expected > len(data) * MAX_EXPANSION + ALWAYS_DECODED_BYTES:
        raise UnreadableError(
            f"{facts.rows} x {facts.columns} pixels are expected from {len(data)} "
            "bytes, which cannot hold them; the file is damaged or hostile"
        )
    request = {"raster": kind.value, "bytes": len(data), "samples": expected}

    def shaped(answer: dict[str, Any], samples: bytes) -> NDArray[Any]:
        array = np.frombuffer(samples, answer["dtype"]).reshape(answer["shape"])
        planes = (facts.channels, facts.rows, facts.columns)
        planar = facts.planar and array.shape == planes
        return np.moveaxis(array, 0, -1) if planar else array

    samples: NDArray[Any] = own_sandbox().ask(
        request, data, f"the {kind.value} image", lambda _: expected, shaped
    )
    channels = 1 if facts.palette else facts.channels
    shape = (facts.rows, facts.columns) + ((channels,) if channels > 1 else ())
    if samples.dtype != facts.format.dtype or samples.size != np.prod(shape):
        raise UnreadableError(
            f"the {kind.value} header states {shape} samples of {facts.format.dtype}, "
            f"but the image has {samples.shape} of {samples.dtype}; save it again"
        )
    return samples.reshape(shape)


def decode_here(data: bytes, kind: Kind) -> NDArray[Any]:
    """Decode in this process.

    Raises
    ------
    Exception
        Any exception of the decoder.
    """
    codecs = image_codecs()
    samples: NDArray[Any]
    match kind:
        case Kind.PNG:
            check_png(data)
            samples = codecs.png_decode(data)
        case Kind.TIFF:
            check_tiff(data, codecs)
            samples = codecs.tiff_decode(data, index=0)
        case _:
            samples = decoded_whole(data, parse_jpeg(data), codecs.jpeg8_decode)
    return samples


def image_codecs() -> Any:  # noqa: ANN401 - it has no types
    """Load the decoders; imagecodecs loads a library at the first use of its name."""
    import imagecodecs

    for name in ("png_decode", "tiff_decode", *CODECS):
        getattr(imagecodecs, name)
    return imagecodecs
