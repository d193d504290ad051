"""Read the coding parameters of a JPEG 2000 or HTJ2K code stream."""

from __future__ import annotations

from dataclasses import dataclass

_START, _END = b"\xff\x4f", b"\xff\xd9"
_CODING = 0xFF52
_TILE = 0xFF90
_REVERSIBLE = 1


@dataclass(frozen=True)
class Jpeg2000Coding:
    """The parts of the COD segment that matter to the samples."""

    colour_transform: bool
    """True if the decoder converts the components to red, green and blue."""
    reversible: bool
    """True for the reversible wavelet (5/3); the other wavelet is always lossy."""


def parse_jpeg_2000(stream: bytes) -> Jpeg2000Coding | None:
    """Return the coding parameters of a code stream; None if it does not state them.

    References
    ----------
    ITU-T T.800 A.6.1
    """
    at = stream.find(_START, 0, 1024) + len(_START)  # a JP2 file has boxes before it
    while at >= len(_START) and at + 14 <= len(stream):
        marker = int.from_bytes(stream[at : at + 2], "big")
        if marker == _CODING:
            return Jpeg2000Coding(stream[at + 8] == 1, stream[at + 13] == _REVERSIBLE)
        if marker == _TILE:
            break
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return None


def ends_early(stream: bytes) -> bool:
    """Tell whether a tile-part states more bytes than are left before the end marker.

    References
    ----------
    ITU-T T.800 A.4.2
    """
    end = stream.rfind(_END)
    at = stream.find(_START, 0, 1024) + len(_START)
    while 0 <= at < end:
        is_tile = stream[at : at + 2] == _TILE.to_bytes(2, "big")
        length = int.from_bytes(
            stream[at + 6 : at + 10] if is_tile else stream[at + 2 : at + 4], "big"
        )
        if length == 0:  # the tile-part reaches to the end
            return False
        at += length if is_tile else 2 + length
    return at > end
