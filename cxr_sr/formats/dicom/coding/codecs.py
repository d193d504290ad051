"""Decode compressed pixel data: a code stream becomes samples.

There is one decoder for each transfer syntax, so that a file gives the same pixels on
every machine. The header of a code stream is compared with the DICOM header before the
decoder runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
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
from cxr_sr.formats.dicom.coding.jpeg import (
    END,
    JpegStream,
    parse_jpeg,
    with_standard_scan,
    without_padding,
)
from cxr_sr.formats.dicom.coding.jpeg2000 import ends_early
from cxr_sr.formats.dicom.coding.rle import decode_rle
from cxr_sr.formats.dicom.layout import PixelLayout

Samples = NDArray[np.unsignedinteger[Any]]

_LAST_SUM = 4
"""Predictors up to this number only add and subtract, ITU-T T.81 table H.1."""
_TAIL_BYTES = 16
"""Number of last bytes that must include the end marker; some writers add a byte or
zeros."""


@dataclass(frozen=True)
class Decoded:
    """The result of a decoder, before the header's format of samples is applied."""

    samples: Samples
    """(H, W) or (H, W, 3), bit patterns."""
    precision: int
    """Bits of a sample in the code stream; the sign bit is the highest."""
    spaces: tuple[str, ...] = ()
    """Possible colour spaces of the samples, the likeliest first; () for gray."""
    lossy: bool = False
    """True if the code stream is lossy."""


def load_codecs() -> None:
    """Load all decoders; the decoding process cannot open files later."""
    import gdcm  # type: ignore[import-untyped] # noqa: F401
    import jpeg_ls  # type: ignore[import-untyped] # noqa: F401
    import openjpeg.utils  # noqa: F401


def as_image(samples: NDArray[Any], layout: PixelLayout) -> Samples:
    """Return the samples in the layout's shape; UnreadableError if they do not fit."""
    if samples.size == layout.samples + 1 and samples.itemsize == 1:
        samples = samples[:-1]  # GDCM pads to an even number of bytes
    if samples.size != layout.samples:
        width = samples.itemsize
        raise wrong_length(layout.samples * width, samples.size * width, layout)
    if layout.planar and layout.channels == 3:
        planes = samples.reshape(3, layout.rows, layout.columns)
        return np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    return samples.reshape(layout.shape)


def wrong_length(expected: int, found: int, layout: PixelLayout) -> UnreadableError:
    """Return the error for `found` bytes instead of `expected` bytes."""
    return UnreadableError(
        f"the pixel data have {found} bytes, but {expected} were expected from Rows "
        f"{layout.rows}, Columns {layout.columns} and BitsAllocated "
        f"{layout.format.bits_allocated}; the file is truncated or its header is "
        "wrong: copy or export it again"
    )


def _jpeg(stream: bytes, layout: PixelLayout) -> Decoded:
    """Decode JPEG baseline, extended and lossless, by GDCM.

    Its codec classes are used directly. Its image class, and pydicom's plugin on top of
    it, first try a decoder for the wrong precision, which writes to stderr. Neither
    reads 12-bit extended JPEG.
    """
    jpeg = parse_jpeg(stream)
    if not jpeg.is_ended(stream):
        # The decoder reports data that end before the marker.
        stream = without_padding(stream) + END
    _check_stream(stream, layout, (jpeg.rows, jpeg.columns, jpeg.components))
    samples = _by_gdcm(stream, jpeg, layout)
    if jpeg.is_dct:
        return Decoded(samples, jpeg.precision)
    return Decoded(_unwrapped(samples, stream, jpeg), jpeg.precision)


def _by_gdcm(stream: bytes, jpeg: JpegStream, layout: PixelLayout) -> Samples:
    import gdcm

    bits = next(b for b in (8, 12, 16) if jpeg.precision <= b)
    codec = gdcm.JPEGCodec()
    codec.SetDimensions((layout.columns, layout.rows, 1))
    codec.SetNumberOfDimensions(2)
    monochrome = gdcm.PhotometricInterpretation.MONOCHROME2
    codec.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(monochrome))
    codec.SetPixelFormat(gdcm.PixelFormat(layout.channels, bits, bits, bits - 1, 0))
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
    return as_image(np.frombuffer(data, f"<u{width}"), layout)


def _unwrapped(samples: Samples, stream: bytes, jpeg: JpegStream) -> Samples:
    """Return lossless samples modulo the range of their precision.

    The standard takes differences modulo 2**16. Some encoders take them modulo the
    range of the precision (ITU-T T.81 H.1.2.1), so the decoder's sums leave that range.
    Predictors that halve such a sum cannot be undone.
    """
    most = samples.dtype.type((1 << jpeg.precision) - 1)
    if samples.max() <= most:
        return samples
    predictor = stream[jpeg.scan - 3]
    if predictor > _LAST_SUM:
        raise UnreadableError(
            f"the differences of the lossless JPEG image wrap at {jpeg.precision} bits "
            f"under predictor {predictor}, which cannot be undone; export the file "
            "uncompressed"
        )
    return samples & most


def _jpeg_ls(stream: bytes, layout: PixelLayout) -> Decoded:
    from jpeg_ls import decode_pixel_data

    jpeg = parse_jpeg(stream)
    _check_stream(stream, layout, (jpeg.rows, jpeg.columns, jpeg.components))
    data, facts = decode_pixel_data(stream)
    width = 1 if jpeg.precision <= 8 else 2
    samples = np.frombuffer(data, f"<u{width}")
    planar = layout.channels == 3 and facts["interleave_mode"] == 0
    image = as_image(samples, replace(layout, planar=planar))
    return Decoded(image, jpeg.precision)


def _jpeg_2000(stream: bytes, layout: PixelLayout) -> Decoded:
    """Decode JPEG 2000 and HTJ2K; code streams say if samples are signed."""
    from openjpeg.utils import decode_pixel_data, get_parameters

    facts = get_parameters(stream)
    size = facts["rows"], facts["columns"], facts["samples_per_pixel"]
    _check_stream(stream, layout, size)
    if ends_early(stream):
        raise _truncated(f"of {len(stream)} bytes ends within a tile-part")
    precision, signed = int(facts["precision"]), bool(facts["is_signed"])
    data = decode_pixel_data(stream, version=2)
    width = 1 if precision <= 8 else 2
    samples: Samples = as_image(np.frombuffer(data, f"<u{width}"), layout)
    if signed and layout.format.signed:
        extended = samples.view(f"i{width}").astype(np.int16)
        return Decoded(extended.view(np.uint16), 16)
    if signed:  # the encoder was given the wrong sign, but kept the bits
        samples = samples & samples.dtype.type((1 << precision) - 1)
    return Decoded(samples, precision)


def _rle(stream: bytes, layout: PixelLayout) -> Decoded:
    width = layout.sample_bytes
    pixels, channels = layout.rows * layout.columns, layout.channels
    data = decode_rle(stream, pixels, width, channels)
    planes = replace(layout, planar=True)
    return Decoded(as_image(data.view(f"<u{width}").ravel(), planes), 8 * width)


def _check_stream(
    stream: bytes, layout: PixelLayout, found: tuple[object, object, object]
) -> None:
    expected = (layout.rows, layout.columns, layout.channels)
    if found != expected:
        raise UnreadableError(
            "Rows x Columns x SamplesPerPixel is {} x {} x {}, but the code stream "
            "holds {} x {} x {}; the file contradicts itself: export it again".format(
                *expected, *found
            )
        )
    if END not in stream.rstrip(b"\0")[-_TAIL_BYTES:]:
        raise _truncated(f"of {len(stream)} bytes has no end marker (ffd9)")


def _truncated(what: str) -> UnreadableError:
    return UnreadableError(
        f"the code stream {what}: the image is truncated; copy or export the file again"
    )


DECODERS: dict[UID, Callable[[bytes, PixelLayout], Decoded]] = {
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
