"""List the services of the node: SOP classes, transfer syntaxes, status codes.

The node negotiates associations with these tables, and the conformance statement
prints them.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    SecondaryCaptureImageStorage,
)

from cxr_sr.formats.dicom.coding.codecs import DECODERS
from cxr_sr.formats.dicom.layout import RADIOGRAPHY

RECEIVED_CLASSES = (*RADIOGRAPHY, SecondaryCaptureImageStorage)

_NATIVE = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
_LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless)

RECEIVED_SYNTAXES: tuple[UID, ...] = (
    *_NATIVE,
    *(syntax for syntax in DECODERS if syntax not in _LOSSY),
    *_LOSSY,
)
"""All transfer syntaxes that cxr-sr decodes. If a sender proposes several, the node
takes the first in this order: uncompressed, then lossless, then lossy."""

SENT_SYNTAXES = (JPEGLSLossless, ExplicitVRLittleEndian, ImplicitVRLittleEndian)
"""Transfer syntaxes by preference; every DICOM node understands the last."""
UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
CANNOT_UNDERSTAND = 0xC000

RECEIVED_STATUSES = {
    SUCCESS: "The instance is on the disk and in the queue, now or from earlier; "
    "or it is a result of cxr-sr, which the node does not process.",
    OUT_OF_RESOURCES: "The queue is full, the disk is nearly full or refused to "
    "write, or the instance is larger than the limit. Nothing was stored.",
    CANNOT_UNDERSTAND: "The data set has no SOP Instance UID. Nothing was stored.",
}
"""Status codes for the answer to a C-STORE, PS3.4 B.2.3."""

BUSY = range(0xA700, 0xA800)
"""The receiver is out of resources: the node tries again later."""
ACCEPTED_WARNINGS = (0xB000, 0xB006, 0xB007, 0x0001, 0x0107, 0x0116)
"""Warnings: the receiver has stored the instance. PS3.4 B.2.3, PS3.7 C."""


def proposals(kinds: Iterable[tuple[UID, UID]]) -> list[tuple[UID, UID]]:
    """Return the presentation contexts for sending, one transfer syntax each.

    A receiver accepts only one syntax of a context. With one syntax a context, the
    answer shows all accepted syntaxes.

    Parameters
    ----------
    kinds : (SOP class, transfer syntax) of the files to send
    """
    contexts = [
        (sop_class, syntax)
        for sop_class, stored in kinds
        for syntax in (stored, *SENT_SYNTAXES)
    ]
    return list(dict.fromkeys(contexts))
