"""Write the texts for people: SeriesDescription and DerivationDescription."""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

from cxr_sr.formats.header.change import TOOL, Change, tool_version
from cxr_sr.formats.header.elements import cut, text, uid
from cxr_sr.formats.header.own import NOTICE
from cxr_sr.radiograph import Derivation

LONGEST_DESCRIPTION = 1024
"""Largest length of an ST, PS3.5 6.2: DerivationDescription."""
LONGEST_LABEL = 64
"""Largest length of an LO, PS3.5 6.2: SeriesDescription, ManufacturerModelName."""
NOT_IN_A_LABEL = re.compile(r"[\x00-\x1f\x7f\\]+")
"""Control characters, and the backslash, which would begin a second value."""


def series_description(change: Change) -> str:
    """Return the notice and then the source's text; viewers cut long texts at the end.

    The notice of an earlier run is replaced.
    """
    source = NOT_IN_A_LABEL.sub(" ", text(change.source, "SeriesDescription")).strip()
    source = NOTICE.sub("", source)
    said = notice(change.derivation) + (f": {source}" if source else "")
    return cut(change.source, said, LONGEST_LABEL)


def notice(derivation: Derivation) -> str:
    """Return the notice at the beginning of each result; `own.NOTICE` recognises it."""
    return f"RESEARCH ONLY ({TOOL} {scale_label(derivation.factors)})"


def derivation_description(change: Change) -> str:
    """Return the source's text, cut if needed, and the new description."""
    ours = derivation_text(change.derivation) + _unquotable(change.source)
    return joined(change.source, ours)


def joined(header: Dataset, ours: str) -> str:
    """Return a header's DerivationDescription, followed by our clause."""
    source = text(header, "DerivationDescription").rstrip()
    if not source:
        return ours
    room = LONGEST_DESCRIPTION - len(ours) - len("; ")
    if cut(header, source, room) != source:
        source = cut(header, source, room - len("...")) + "..."
    return f"{source}; {ours}"


def derivation_text(derivation: Derivation) -> str:
    """Return one ASCII sentence that describes how the pixels were made."""
    label, model = scale_label(derivation.factors), model_name(derivation)
    how = f"interpolated {label} by {model}"
    if derivation.learned:
        weights = f"weights SHA-256 {derivation.weights_sha256[:16]}"
        how = f"super-resolved {label} by {model} ({weights}, {derivation.precision})"
    return (
        f"{TOOL} {tool_version()}: {how}; consistency {derivation.consistency}"
        f"{_noise(derivation)}, off "
        f"the source by at most {derivation.consistency_max:.3g}, RMS "
        f"{derivation.consistency_rms:.3g} stored codes{_last_pixels(derivation)}; "
        "research only, not for diagnosis"
    )


def _noise(derivation: Derivation) -> str:
    """Return a clause on the noise of the source, if any was found."""
    said = []
    if derivation.noise_sigma:
        said.append(
            f"noise of the source: SD {derivation.noise_sigma:.3g} codes, correlation "
            f"{derivation.noise_correlation:.2f}"
        )
    if derivation.coding_error:
        said.append(f"error of its JPEG: SD {derivation.coding_error:.3g} codes")
    if not said:
        return ""
    return (
        f" ({', '.join(said)}, explains "
        f"{derivation.noise_explained:.0%} of the disagreement; grain kept "
        f"{derivation.grain:.2g})"
    )


def _last_pixels(derivation: Derivation) -> str:
    """Return a clause about the last row and column if they do not end with the source.

    For an exact spacing, the last pixel may cover the edge of the source.
    """
    said = [
        f"the last {line} {'reaches' if px > 0 else 'ends'} {abs(px):.2f} px "
        f"{'beyond' if px > 0 else 'before'} the edge of the source"
        for line, px in zip(("row", "column"), derivation.overhang_px, strict=True)
        if abs(px) >= 0.005
    ]
    return "; " + ", ".join(said) if said else ""


def scale_label(factors: tuple[float, float]) -> str:
    """Return "x2", or "x2.37x2.41" if rows and columns differ."""
    down, across = (f"x{factor:.3g}" for factor in factors)
    return down if down == across else down + across


def model_name(derivation: Derivation) -> str:
    """Return the model's name in the form of an LO, PS3.5 6.2."""
    return _plain(derivation.model)


def _unquotable(source: Dataset) -> str:
    """Return a note with the source's UID if SourceImageSequence cannot hold it."""
    instance = text(source, "SOPInstanceUID")
    broken = instance and not uid(source, "SOPInstanceUID")
    return f"; source has the invalid UID {_plain(instance)}" if broken else ""


def _plain(words: str) -> str:
    """Return the text as printable ASCII and a single value."""
    return re.sub(r"[^ -\[\]-~]", "?", words)[:LONGEST_LABEL].strip()
