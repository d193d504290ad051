"""From the bytes of a pixel data element to stored values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
)

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.dicom.coding.apart import decode_apart
from cxr_sr.formats.dicom.coding.codecs import DECODERS, Decoded, as_image, wrong_length
from cxr_sr.formats.dicom.layout import PixelLayout, uid_name
from cxr_sr.formats.dicom.parse import ParsedDicom, PixelElement
from cxr_sr.formats.guard import readable

MAX_EXPANSION = 2000
"""Decoded bytes from one compressed byte; of a radiograph come some 10, of a blank
image some 1000, and without a bound a small file could ask for any memory."""
ALWAYS_DECODED_BYTES = 2**26
"""Up to this size, blank images may be as small as they like."""


def decode(parsed: ParsedDicom, pixels: PixelElement, layout: PixelLayout) -> Decoded:
    """Return the samples, (H, W), from which `to_stored` takes the values.

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
    if syntax in LOSSY | {JPEG2000, HTJ2K}:
        decoded = _without_overshoot(decoded, layout)
    return decoded


def check_pixels(
    parsed: ParsedDicom, pixels: PixelElement, layout: PixelLayout
) -> None:
    """Refuse pixel data that cannot be the image of this header, before decoding.

    Raises
    ------
    UnreadableError
        If no decoder here reads the transfer syntax, or the pixel data are not of the
        form that it demands, or too short or too long.
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
            f"{'' if encapsulated else 'not '}encapsulated, as only compressed ones "
            "are; the file contradicts itself: export it anew"
        )
    found = sum(length for _, length in pixels.spans)
    expected = layout.samples * layout.sample_bytes
    if encapsulated:
        _check_expansion(found, expected, layout)
    # Less than a row too many is padding; more means that Rows or Columns is wrong.
    elif not expected <= found < expected + max(2, expected // layout.rows):
        raise wrong_length(expected, found, layout)


def _check_expansion(found: int, expected: int, layout: PixelLayout) -> None:
    if not found or expected > found * MAX_EXPANSION + ALWAYS_DECODED_BYTES:
        raise UnreadableError(
            f"{layout.rows} x {layout.columns} pixels are expected from {found} bytes "
            "of compressed image, which cannot hold them; the file is damaged or "
            "hostile"
        )


def to_stored(decoded: Decoded, layout: PixelLayout) -> NDArray[np.integer[Any]]:
    """Take the value out of each sample and extend its sign.

    Returns
    -------
    (H, W) in `layout.format.dtype`: no LUT, no inversion

    Raises
    ------
    UnreadableError
        If samples have other bits set that neither an overlay nor the sign explains:
        masking them would wrap bright pixels into dark ones.

    References
    ----------
    DICOM PS3.5 8.1.1
    """
    fmt = layout.format
    samples = decoded.samples
    whole = fmt.bits_stored == fmt.bits_allocated == decoded.precision
    if whole and samples.itemsize == fmt.dtype.itemsize:
        return samples.view(fmt.dtype)
    container = (1 << 8 * samples.itemsize) - 1
    samples = samples.astype(np.uint16)
    low = layout.high_bit + 1 - fmt.bits_stored
    field = ((1 << fmt.bits_stored) - 1) << low
    values = (samples & field) >> low
    strange = (samples & ~np.uint16(field | layout.overlay_bits)) != 0
    if fmt.signed:
        unused = 16 - min(fmt.bits_stored, decoded.precision)
        signed = (values << unused).view(np.int16) >> unused
        extended = (signed << low).view(np.uint16) & container
        strange &= (samples & ~np.uint16(layout.overlay_bits)) != extended
        values = signed.view(np.uint16)
    if strange.any():
        raise _strange_bits(int(strange.sum()), int(samples[strange].max()), layout)
    return values.view(np.int16 if fmt.signed else np.uint16).astype(fmt.dtype)


def overlay_plane(decoded: Decoded, bit: int) -> NDArray[np.uint8] | None:
    """Return one bit of each sample, (H, W), 0 or 1; None if samples are narrower.

    References
    ----------
    DICOM PS3.5-2004 8.1.2
    """
    if bit >= min(decoded.precision, 8 * decoded.samples.itemsize):
        return None
    plane: NDArray[np.uint8] = (decoded.samples >> bit & 1).astype(np.uint8)
    return plane


def _native(parsed: ParsedDicom, pixels: PixelElement, layout: PixelLayout) -> Decoded:
    width = layout.sample_bytes
    size = layout.samples * width
    data = _span(parsed, pixels.spans[0][0], size + size % 2)
    if parsed.transfer_syntax == ExplicitVRBigEndian and (width == 2 or pixels.words):
        data = np.frombuffer(data, "u2").byteswap().tobytes()
    samples = np.frombuffer(data, f"<u{width}", layout.samples)
    return Decoded(as_image(samples, layout), 8 * width)


def _encapsulated(
    parsed: ParsedDicom, pixels: PixelElement, layout: PixelLayout
) -> Decoded:
    stream = b"".join(_span(parsed, *span) for span in pixels.spans)
    return decode_apart(stream, parsed.transfer_syntax, layout)


def _span(parsed: ParsedDicom, start: int, length: int) -> bytes:
    parsed.stream.seek(start)
    return parsed.stream.read(length)


def _without_overshoot(decoded: Decoded, layout: PixelLayout) -> Decoded:
    """Clip values above the maximum, which a lossy code stream adds.

    Ringing at edges stays within an eighth of the range; what goes beyond is no
    ringing, and is left for `to_stored` to refuse.
    """
    fmt = layout.format
    top = decoded.samples.max()
    if fmt.signed or layout.overlay_bits or not fmt.maximum < top < fmt.maximum * 9 / 8:
        return decoded
    clipped = np.minimum(decoded.samples, decoded.samples.dtype.type(fmt.maximum))
    return Decoded(clipped, decoded.precision)


def _strange_bits(count: int, largest: int, layout: PixelLayout) -> UnreadableError:
    return UnreadableError(
        f"{count} pixels (largest sample {largest}) have bits set outside those that "
        f"BitsStored (0028,0101) {layout.format.bits_stored} and HighBit (0028,0102) "
        f"{layout.high_bit} declare, and no overlay claims them; one of the two is "
        "wrong, and cutting the bits off would damage the image: correct the header"
    )


_NATIVE: set[UID] = {
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
}
LOSSY: set[UID] = {JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless}
"""Transfer syntaxes that always lose something; JPEG2000 and HTJ2K merely may."""
