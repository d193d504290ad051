"""Decode the bytes of a pixel data element."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.dicom.coding.apart import decode_apart
from cxr_sr.formats.dicom.coding.codecs import DECODERS, Decoded, as_image, wrong_length
from cxr_sr.formats.dicom.coding.jpeg import END
from cxr_sr.formats.dicom.coding.meaning import colour_spaces, loses
from cxr_sr.formats.dicom.layout import HALF_CHROMA, PixelLayout
from cxr_sr.formats.dicom.naming import uid_name
from cxr_sr.formats.dicom.parse import ParsedDicom, PixelElement
from cxr_sr.formats.guard import readable

MAX_EXPANSION = 2000
"""Largest number of decoded bytes for one compressed byte. A radiograph has about 10, a
blank image about 1000. Without a limit, a small file could need any amount of
memory."""
_HEAD_BYTES = 2**16
_TAIL_BYTES = 1024
ALWAYS_DECODED_BYTES = 2**26
"""Number of decoded bytes of an image that may have any compressed size."""


def decode(parsed: ParsedDicom, pixels: PixelElement, layout: PixelLayout) -> Decoded:
    """Return the decoded samples; `to_stored` takes the values from them.

    Raises
    ------
    UnreadableError
        If the pixel data are truncated or damaged, do not fit the header, or are in a
        transfer syntax that no decoder here reads.
    """
    check_pixels(parsed, pixels, layout)
    syntax = parsed.transfer_syntax
    decoder = _native if syntax in _NATIVE else _encapsulated
    with readable(f"the {syntax.name} image"):
        decoded = decoder(parsed, pixels, layout)
    if decoded.lossy:
        decoded = _without_overshoot(decoded, layout)
    return decoded


def check_pixels(
    parsed: ParsedDicom, pixels: PixelElement, layout: PixelLayout
) -> None:
    """Refuse pixel data that do not fit the header, before decoding.

    Raises
    ------
    UnreadableError
        If no decoder here reads the transfer syntax, or the pixel data have the wrong
        form for it, or are too short or too long.
    """
    syntax = parsed.transfer_syntax
    if syntax not in _NATIVE and syntax not in DECODERS:
        raise UnreadableError(
            f"TransferSyntaxUID (0002,0010) is {uid_name(syntax)}, which no decoder "
            "here reads; export the file uncompressed"
        )
    encapsulated = pixels.length is None
    if encapsulated == (syntax in _NATIVE):
        raise UnreadableError(
            f"TransferSyntaxUID (0002,0010) is {syntax.name}, but the pixel data are "
            f"{'' if encapsulated else 'not '}encapsulated; only compressed pixels "
            "are: the file contradicts itself, export it again"
        )
    found = sum(length for _, length in pixels.spans)
    expected = layout.native_samples * layout.sample_bytes
    if encapsulated:
        _check_expansion(found, expected, layout)
    # Less than a row of extra bytes is padding; more means that Rows or Columns is
    # wrong.
    elif not expected <= found < expected + max(2, expected // layout.rows):
        raise wrong_length(expected, found, layout)


def _check_expansion(found: int, expected: int, layout: PixelLayout) -> None:
    if not found or expected > found * MAX_EXPANSION + ALWAYS_DECODED_BYTES:
        raise UnreadableError(
            f"{layout.rows} x {layout.columns} pixels are expected from {found} bytes "
            "of compressed image, which cannot hold them; the file is damaged or "
            "hostile"
        )


def rows_of(
    parsed: ParsedDicom, pixels: PixelElement, layout: PixelLayout, most: int
) -> Decoded | None:
    """Return about `most` gray rows, spread over the image.

    None if the image is compressed, or its rows have an odd number of bytes.

    Raises
    ------
    UnreadableError
        If the pixel data do not fit the header.
    """
    check_pixels(parsed, pixels, layout)
    start, width = pixels.spans[0][0], layout.columns * layout.sample_bytes
    # With an odd number of bytes, a swapped pair of bytes would belong to two rows.
    if parsed.transfer_syntax not in _NATIVE or width % 2:
        return None
    rows = range(0, layout.rows, max(1, layout.rows // most))
    data = b"".join(_span(parsed, start + row * width, width) for row in rows)
    data = _little_endian(data, parsed, pixels, layout)
    samples = np.frombuffer(data, f"<u{layout.sample_bytes}")
    return Decoded(samples.reshape(len(rows), -1), 8 * layout.sample_bytes)


def _native(parsed: ParsedDicom, pixels: PixelElement, layout: PixelLayout) -> Decoded:
    width = layout.sample_bytes
    size = layout.native_samples * width
    data = _span(parsed, pixels.spans[0][0], size + size % 2)
    data = _little_endian(data, parsed, pixels, layout)
    samples = np.frombuffer(data, f"<u{width}", layout.native_samples)
    if layout.colour == HALF_CHROMA:
        samples = _with_whole_chroma(samples)
    spaces = (layout.colour,) if layout.channels == 3 else ()
    return Decoded(as_image(samples, layout), 8 * width, spaces)


def _little_endian(
    data: bytes, parsed: ParsedDicom, pixels: PixelElement, layout: PixelLayout
) -> bytes:
    swapped = layout.sample_bytes == 2 or pixels.words
    if parsed.transfer_syntax == ExplicitVRBigEndian and swapped:
        return np.frombuffer(data, "u2").byteswap().tobytes()
    return data


def _with_whole_chroma(samples: NDArray[Any]) -> NDArray[Any]:
    """Return Y, Cb and Cr of each pixel from Y, Y, Cb and Cr of each pair of pixels.

    References
    ----------
    DICOM PS3.3 C.7.6.3.1.2, YBR_FULL_422
    """
    pairs = samples[: len(samples) // 4 * 4].reshape(-1, 4)
    return pairs[:, [0, 2, 3, 1, 2, 3]].ravel()


def _encapsulated(
    parsed: ParsedDicom, pixels: PixelElement, layout: PixelLayout
) -> Decoded:
    stream = b"".join(_span(parsed, *span) for span in pixels.spans)
    syntax = parsed.transfer_syntax
    interleaved = replace(layout, planar=False)  # a code stream has its own byte order
    decoded = decode_apart(stream, syntax, interleaved)
    spaces = (
        colour_spaces(layout.colour, syntax, stream) if layout.channels == 3 else ()
    )
    return replace(decoded, spaces=spaces, lossy=loses(syntax, stream))


def has_end(parsed: ParsedDicom) -> bool:
    """Tell whether a code stream has its end marker, or needs none."""
    spans = parsed.pixels.spans if parsed.pixels else ()
    if parsed.transfer_syntax not in DECODERS.keys() - {RLELossless} or not spans:
        return True
    start, length = spans[-1]
    tail = _span(parsed, start + max(0, length - _TAIL_BYTES), _TAIL_BYTES)
    return END in tail[:length]


def code_head(parsed: ParsedDicom) -> bytes:
    """Return the beginning of a code stream: its header."""
    spans = parsed.pixels.spans if parsed.pixels else ()
    return _span(parsed, spans[0][0], min(spans[0][1], _HEAD_BYTES)) if spans else b""


def _span(parsed: ParsedDicom, start: int, length: int) -> bytes:
    parsed.stream.seek(start)
    return parsed.stream.read(length)


def _without_overshoot(decoded: Decoded, layout: PixelLayout) -> Decoded:
    """Clip values slightly above the maximum; a lossy code stream adds such values.

    Ringing at edges is at most an eighth of the range. Larger values are not ringing,
    and `to_stored` refuses them.
    """
    fmt = layout.format
    top = decoded.samples.max()
    if fmt.signed or layout.overlay_bits or not fmt.maximum < top < fmt.maximum * 9 / 8:
        return decoded
    clipped = np.minimum(decoded.samples, decoded.samples.dtype.type(fmt.maximum))
    return Decoded(clipped, decoded.precision)


_NATIVE: set[UID] = {
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
}
