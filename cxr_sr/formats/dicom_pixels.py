"""From the bytes of a pixel data element to stored values.

One decoder for each transfer syntax, so that a file gives the same pixels on every
machine; and what a code stream says of itself is compared with the header before the
decoder runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.dicom_layout import PixelLayout
from cxr_sr.formats.dicom_parse import ParsedDicom, PixelElement
from cxr_sr.formats.guard import readable
from cxr_sr.formats.jpeg_stream import END, parse_jpeg, with_standard_scan

Samples = NDArray[np.unsignedinteger[Any]]

MAX_EXPANSION = 2000
"""Compressed radiographs are a hundredth of their pixels at the very least."""
ALWAYS_DECODED_BYTES = 2**26
"""Up to this size, blank images may be as small as they like."""
_TAIL_BYTES = 16


@dataclass(frozen=True)
class Decoded:
    """What a decoder returned, before the header's idea of a sample is applied."""

    samples: Samples
    """(H, W), bit patterns."""
    precision: int
    """Bits of a sample in the code stream, its sign bit topmost."""


def decode(
    parsed: ParsedDicom, pixels: PixelElement, layout: PixelLayout
) -> NDArray[np.integer[Any]]:
    """Return the stored values, (H, W) in `layout.format.dtype`: no LUT, no inversion.

    Raises
    ------
    UnreadableError
        If the pixel data are truncated or damaged, do not fit the header, or are in a
        transfer syntax that no decoder here reads.
    """
    syntax = parsed.transfer_syntax
    check_syntax(syntax)
    decoder = _native if syntax in _NATIVE else _encapsulated
    with readable(f"the {syntax.name} image"):
        decoded = decoder(parsed, pixels, layout)
    if syntax in LOSSY | {JPEG2000, HTJ2K}:
        decoded = _without_overshoot(decoded, layout)
    return to_stored(decoded, layout)


def check_syntax(syntax: UID) -> None:
    """Refuse a transfer syntax that no decoder here reads.

    Raises
    ------
    UnreadableError
        Naming it.
    """
    if syntax not in _NATIVE and syntax not in _DECODERS:
        raise UnreadableError(
            f"TransferSyntaxUID (0002,0010) is {syntax.name}, which no decoder here "
            "reads; export the file uncompressed"
        )


def to_stored(decoded: Decoded, layout: PixelLayout) -> NDArray[np.integer[Any]]:
    """Take the value out of each sample and extend its sign.

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
    samples = samples.astype(np.uint16)
    low = layout.high_bit + 1 - fmt.bits_stored
    field = ((1 << fmt.bits_stored) - 1) << low
    values = (samples & field) >> low
    strange = (samples & ~np.uint16(field | layout.overlay_bits)) != 0
    if fmt.signed:
        unused = 16 - min(fmt.bits_stored, decoded.precision)
        signed = (values << unused).view(np.int16) >> unused
        extended = (signed << low).view(np.uint16)
        strange &= (samples & ~np.uint16(layout.overlay_bits)) != extended
        values = signed.view(np.uint16)
    if strange.any():
        raise _strange_bits(int(strange.sum()), int(samples[strange].max()), layout)
    return values.view(np.int16 if fmt.signed else np.uint16).astype(fmt.dtype)


def _native(parsed: ParsedDicom, pixels: PixelElement, layout: PixelLayout) -> Decoded:
    if pixels.length is None:
        raise UnreadableError(
            f"TransferSyntaxUID (0002,0010) is {parsed.transfer_syntax.name}, but the "
            "pixel data are encapsulated, as only compressed ones are; the file "
            "contradicts itself: export it anew"
        )
    width = layout.sample_bytes
    expected = layout.samples * width
    start, found = pixels.spans[0]
    # Less than a row too many is padding; more means that Rows or Columns is wrong.
    if not expected <= found < expected + max(2, layout.columns * width):
        raise _wrong_length(expected, min(found, pixels.length), layout)
    parsed.stream.seek(start)
    data = parsed.stream.read(expected + expected % 2)
    if parsed.transfer_syntax == ExplicitVRBigEndian and (width == 2 or pixels.words):
        data = np.frombuffer(data, "u2").byteswap().tobytes()
    samples = np.frombuffer(data, f"<u{width}", layout.samples)
    return Decoded(_image(samples, layout), 8 * width)


def _encapsulated(
    parsed: ParsedDicom, pixels: PixelElement, layout: PixelLayout
) -> Decoded:
    name = parsed.transfer_syntax.name
    stream = b"".join(_span(parsed, *span) for span in pixels.spans)
    size = layout.samples * layout.sample_bytes
    if not stream or size > len(stream) * MAX_EXPANSION + ALWAYS_DECODED_BYTES:
        raise UnreadableError(
            f"{layout.rows} x {layout.columns} pixels are expected from {len(stream)} "
            f"bytes of {name}, which cannot hold them; the file is damaged or hostile"
        )
    return _DECODERS[parsed.transfer_syntax](stream, layout)


def _span(parsed: ParsedDicom, start: int, length: int) -> bytes:
    parsed.stream.seek(start)
    return parsed.stream.read(length)


def _jpeg(stream: bytes, layout: PixelLayout) -> Decoded:
    """Decode JPEG baseline, extended and lossless, by GDCM.

    Its codec classes are used directly: its image class, like pydicom's plugin on top
    of it, tries a decoder for the wrong precision first, which then writes to stderr,
    and neither takes 12-bit extended JPEG.
    """
    import gdcm  # type: ignore[import-untyped]

    jpeg = parse_jpeg(stream)
    _check_stream(stream, layout, (jpeg.rows, jpeg.columns, jpeg.components))
    bits = next(b for b in (8, 12, 16) if jpeg.precision <= b)
    codec = gdcm.JPEGCodec()
    codec.SetDimensions((layout.columns, layout.rows, 1))
    codec.SetNumberOfDimensions(2)
    monochrome = gdcm.PhotometricInterpretation.MONOCHROME2
    codec.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(monochrome))
    codec.SetPixelFormat(gdcm.PixelFormat(1, bits, bits, bits - 1, 0))
    fragments = gdcm.SequenceOfFragments.New()
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(with_standard_scan(stream, jpeg))
    fragments.AddFragment(fragment)
    coded, image = gdcm.DataElement(), gdcm.DataElement()
    coded.SetValue(fragments.__ref__())
    if not codec.Decode(coded, image):
        raise ValueError("the decoder gave up")
    data = image.GetByteValue().GetBuffer().encode("utf-8", "surrogateescape")
    width = 1 if bits == 8 else 2
    return Decoded(_image(np.frombuffer(data, f"<u{width}"), layout), jpeg.precision)


def _jpeg_ls(stream: bytes, layout: PixelLayout) -> Decoded:
    from jpeg_ls import decode_pixel_data  # type: ignore[import-untyped]

    jpeg = parse_jpeg(stream)
    _check_stream(stream, layout, (jpeg.rows, jpeg.columns, jpeg.components))
    data, _ = decode_pixel_data(stream)
    width = 1 if jpeg.precision <= 8 else 2
    return Decoded(_image(np.frombuffer(data, f"<u{width}"), layout), jpeg.precision)


def _jpeg_2000(stream: bytes, layout: PixelLayout) -> Decoded:
    """Decode JPEG 2000 and HTJ2K, whose code streams know their own sign."""
    from openjpeg.utils import decode_pixel_data, get_parameters

    facts = get_parameters(stream)
    size = facts["rows"], facts["columns"], facts["samples_per_pixel"]
    _check_stream(stream, layout, size)
    precision, signed = int(facts["precision"]), bool(facts["is_signed"])
    data = decode_pixel_data(stream, version=2)
    width = 1 if precision <= 8 else 2
    samples: Samples = _image(np.frombuffer(data, f"<u{width}"), layout)
    if signed and layout.format.signed:
        extended = samples.view(f"i{width}").astype(np.int16)
        return Decoded(extended.view(np.uint16), 16)
    if signed:  # the encoder was told the wrong thing, and kept the bits
        samples = samples & samples.dtype.type((1 << precision) - 1)
    return Decoded(samples, precision)


def _rle(stream: bytes, layout: PixelLayout) -> Decoded:
    from rle.utils import decode_pixel_data

    width = layout.sample_bytes
    data = decode_pixel_data(
        stream,
        version=2,
        rows=layout.rows,
        columns=layout.columns,
        bits_allocated=8 * width,
    )
    return Decoded(_image(np.frombuffer(data, f"<u{width}"), layout), 8 * width)


def _check_stream(
    stream: bytes, layout: PixelLayout, found: tuple[object, object, object]
) -> None:
    expected = (layout.rows, layout.columns, 1)
    if found != expected:
        raise UnreadableError(
            "Rows x Columns x SamplesPerPixel is {} x {} x {}, but the code stream "
            "holds {} x {} x {}; the file contradicts itself: export it anew".format(
                *expected, *found
            )
        )
    if END not in stream.rstrip(b"\0")[-_TAIL_BYTES:]:
        raise UnreadableError(
            f"the code stream of {len(stream)} bytes has no end marker (ffd9): the "
            "image is truncated; copy or export the file anew"
        )


def _image(samples: NDArray[Any], layout: PixelLayout) -> Samples:
    if samples.size != layout.samples:
        width = samples.itemsize
        raise _wrong_length(layout.samples * width, samples.size * width, layout)
    return samples.reshape(layout.rows, layout.columns)


def _without_overshoot(decoded: Decoded, layout: PixelLayout) -> Decoded:
    """Clip what a lossy code stream, wider than BitsStored, adds beyond its maximum.

    Ringing at edges stays within an eighth of the range; what goes beyond is no
    ringing, and is left for `to_stored` to refuse.
    """
    fmt = layout.format
    top = decoded.samples.max()
    if fmt.signed or layout.overlay_bits or not fmt.maximum < top < fmt.maximum * 9 / 8:
        return decoded
    clipped = np.minimum(decoded.samples, decoded.samples.dtype.type(fmt.maximum))
    return Decoded(clipped, decoded.precision)


def _wrong_length(expected: int, found: int, layout: PixelLayout) -> UnreadableError:
    return UnreadableError(
        f"the pixel data have {found} bytes, but {expected} were expected from Rows "
        f"{layout.rows}, Columns {layout.columns} and BitsAllocated "
        f"{layout.format.bits_allocated}; the file is truncated or its header is "
        "wrong: copy or export it anew"
    )


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
_DECODERS: dict[UID, Callable[[bytes, PixelLayout], Decoded]] = {
    **dict.fromkeys(
        (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1), _jpeg
    ),
    **dict.fromkeys((JPEGLSLossless, JPEGLSNearLossless), _jpeg_ls),
    **dict.fromkeys(
        (JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K),
        _jpeg_2000,
    ),
    RLELossless: _rle,
}
LOSSY: set[UID] = {JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless}
"""Transfer syntaxes that always lose something; JPEG2000 and HTJ2K merely may."""
