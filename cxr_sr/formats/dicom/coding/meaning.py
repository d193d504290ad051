"""Find the colour space of a code stream's samples, and whether the stream is lossy."""

from __future__ import annotations

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
)

from cxr_sr.formats.dicom.coding.jpeg import is_marked_ycbcr, loss_of_jpeg_ls
from cxr_sr.formats.dicom.coding.jpeg2000 import parse_jpeg_2000

METHODS: dict[UID, str] = {
    JPEGBaseline8Bit: "ISO_10918_1",
    JPEGExtended12Bit: "ISO_10918_1",
    JPEGLSNearLossless: "ISO_14495_1",
    JPEG2000: "ISO_15444_1",
    HTJ2K: "ISO_15444_15",
}
"""Transfer syntaxes that may be lossy -> LossyImageCompressionMethod.

References: DICOM PS3.3 C.7.6.1.1.5.1
"""
_DCT = {JPEGBaseline8Bit, JPEGExtended12Bit}
_JPEG_2000 = {JPEG2000, HTJ2K, JPEG2000Lossless, HTJ2KLossless, HTJ2KLosslessRPCL}


def loses(syntax: UID, stream: bytes) -> bool:
    """Tell whether a code stream is certainly lossy.

    A transfer syntax that allows loss may still have a lossless stream: JPEG 2000 with
    the whole-number wavelet, or JPEG-LS with an error of 0.
    """
    if syntax in _DCT:
        return True
    if syntax == JPEGLSNearLossless:
        return loss_of_jpeg_ls(stream) > 0
    if syntax in METHODS:
        coding = parse_jpeg_2000(stream)
        return coding is not None and not coding.reversible
    return False


def colour_spaces(stated: str, syntax: UID, stream: bytes) -> tuple[str, ...]:
    """Return the possible colour spaces of the three samples, the likeliest first.

    Parameters
    ----------
    stated : the header's PhotometricInterpretation

    References
    ----------
    DICOM PS3.5 8.2: the header states the colour space of the code stream. (Not every
    writer follows this rule.)
    """
    coding = parse_jpeg_2000(stream) if syntax in _JPEG_2000 else None
    if coding is not None and coding.colour_transform:
        return ("RGB",)
    if syntax in _DCT and stated == "RGB" and is_marked_ycbcr(stream):
        return ("RGB", "YBR_FULL")
    return ("RGB",) if stated in {"YBR_RCT", "YBR_ICT"} else (stated,)
