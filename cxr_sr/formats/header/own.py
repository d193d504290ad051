"""Recognise results of this package, so that nobody uses them as sources by mistake.

A network that is trained, measured or run on its own results repeats its own errors.
"""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

from cxr_sr.formats.header.change import TOOL
from cxr_sr.formats.header.elements import items, text

OWN_RESULT = f"It is itself a result of {TOOL}."
"""The remark of `inspect` about a result."""
NOTICE = re.compile(rf"(RESEARCH ONLY \({TOOL} [^)]*\)(: *|$))+")
"""Pattern of the notice at the beginning of every SeriesDescription of a result."""
NOTICE_BYTES = re.compile(rb"RESEARCH ONLY \(" + TOOL.encode() + rb" x[0-9.x]+\): ")
"""The same pattern for the text in a raster file."""
SENTENCE = re.compile(rf"(^|; ){TOOL} [^ ;]+: ")
"""Pattern for the text that a result adds to DerivationDescription."""


def is_own(header: Dataset) -> bool:
    """Tell whether `upscale` made the image of a header.

    One of three traces is enough, because archives and de-identification remove some:
    ContributingEquipmentSequence, DerivationDescription or SeriesDescription.
    """
    equipment = items(header, "ContributingEquipmentSequence") or ()
    return (
        any(text(item, "Manufacturer") == TOOL for item in equipment)
        or SENTENCE.search(text(header, "DerivationDescription")) is not None
        or NOTICE.match(text(header, "SeriesDescription")) is not None
    )
