"""Find properties of a DICOM file that a user should know before using its result."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from pydicom.dataset import Dataset
from pydicom.uid import UID

from cxr_sr.errors import InputError
from cxr_sr.formats.dicom.bits import has_strange_bits
from cxr_sr.formats.dicom.coding.meaning import loses
from cxr_sr.formats.dicom.colour import was_lossy
from cxr_sr.formats.dicom.layout import CAPTURED, COLOURS, embedded_overlays
from cxr_sr.formats.dicom.naming import named
from cxr_sr.formats.dicom.parse import ParsedDicom
from cxr_sr.formats.dicom.pixels import code_head, has_end
from cxr_sr.formats.dicom.read import SPACINGS
from cxr_sr.formats.dicom.windows import (
    FUNCTIONS,
    function_of,
    is_valid,
    windows_of,
)
from cxr_sr.formats.gray import CHANNELS, ENLARGED
from cxr_sr.formats.header.elements import OVERLAY_GROUPS, items, numbers, text, uid
from cxr_sr.formats.header.identity import CAPTURES
from cxr_sr.formats.header.own import OWN_RESULT, is_own
from cxr_sr.formats.kind import Kind


def findings(parsed: ParsedDicom, kind: Kind) -> tuple[str, ...]:
    """Return a sentence for each unusual property; none quotes text of the header."""
    found = [s for look in _LOOKS for s in look(parsed.dataset)]
    if kind is Kind.BARE_DICOM:
        found.append("There is no preamble or file meta information (PS3.10 7.1).")
    with contextlib.suppress(InputError):  # `read` states the reason for its refusal
        found += _file(parsed)
    return tuple(found)


def _file(parsed: ParsedDicom) -> Iterator[str]:
    """Yield the sentences that need more than the data set."""
    if parsed.completed:
        yield (
            "SOPClassUID (0008,0016) is missing; cxr-sr uses the class in the file "
            "meta information (0002,0002)."
        )
    syntax = parsed.transfer_syntax
    if loses(syntax, code_head(parsed)) and not was_lossy(parsed.dataset):
        yield f"The pixels are coded as {UID(syntax).name}, with loss. {ENLARGED}"
    if not has_end(parsed):
        yield (
            "The end marker (ffd9) of its code stream is missing; cxr-sr reads the "
            "image only if it is complete."
        )
    if has_strange_bits(parsed):
        yield (
            "Pixels have bits set outside BitsStored (0028,0101) and HighBit "
            "(0028,0102); these bits are ignored."
        )


def _identity(header: Dataset) -> Iterator[str]:
    instance = text(header, "SOPInstanceUID")
    if not uid(header, "SOPInstanceUID"):
        yield (
            f"{named('SOPInstanceUID')} is {'no valid UID' if instance else 'missing'};"
            " cxr-sr makes the UID of a result from the header and the pixels."
        )
    sop_class = text(header, "SOPClassUID")
    if sop_class in CAPTURES and CAPTURED.issuperset({text(header, "Modality")}):
        modality = text(header, "Modality") or "not stated"
        frame = ", of one frame" if "NumberOfFrames" in header else ""
        yield (
            f"It is a secondary capture{frame} and its Modality is {modality}; cxr-sr "
            "treats it as a projection radiograph."
        )


def _colour(header: Dataset) -> Iterator[str]:
    photometric = text(header, "PhotometricInterpretation")
    if photometric in COLOURS:
        yield f"PhotometricInterpretation is {photometric}. {CHANNELS}"


def _spacing(header: Dataset) -> Iterator[str]:
    stated = {k: numbers(header, k) for k in SPACINGS if k in header}
    valid = {k: v for k, v in stated.items() if len(v) == 2 and min(v) > 0}
    for keyword in stated.keys() - valid.keys():
        yield f"{named(keyword)} is no valid spacing; results do not repeat it."
    if not valid:
        yield "No pixel spacing is stated: sizes in mm are unknown."
    aspect = numbers(header, "PixelAspectRatio")
    if not valid and len(aspect) == 2 and aspect[0] != aspect[1]:
        yield (
            f"{named('PixelAspectRatio')} is {aspect[0]:g}:{aspect[1]:g} (height to "
            "width of a pixel); export makes square pixels."
        )
    pixel, imager = valid.get("PixelSpacing"), valid.get("ImagerPixelSpacing")
    if pixel and imager and pixel != imager:
        yield (
            f"{named('PixelSpacing')} differs from {named('ImagerPixelSpacing')}: it "
            "was calibrated (PS3.3 10.7.1)."
        )


def _polarity(header: Dataset) -> Iterator[str]:
    if text(header, "PhotometricInterpretation") == "MONOCHROME1":
        yield "MONOCHROME1: the smallest value is white, also in the result."
    if text(header, "PresentationLUTShape") == "INVERSE":
        yield "PresentationLUTShape (2050,0020) is INVERSE."


def _history(header: Dataset) -> Iterator[str]:
    if text(header, "LossyImageCompression") == "01":
        yield (f"It was compressed with loss. {ENLARGED}")
    if is_own(header):
        yield OWN_RESULT
    if text(header, "PresentationIntentType") == "FOR PROCESSING":
        yield (
            "FOR PROCESSING: raw detector values, which look unlike a display image."
        )
    if text(header, "BurnedInAnnotation") == "YES":
        yield "BurnedInAnnotation (0028,0301) is YES: names may be in the pixels."


def _display(header: Dataset) -> Iterator[str]:
    windows = numbers(header, "WindowCenter")
    if not windows and "WindowCenter" in header:
        yield "WindowCenter (0028,1050) is empty or no number."
    if len(windows) > 1:
        yield f"It has {len(windows)} windows; cxr-sr uses the first valid window."
    function = function_of(header)
    for number, window in enumerate(windows_of(header)):
        if not is_valid(window, function) and function in FUNCTIONS:
            least = "1 or more" if function == "LINEAR" else "more than 0"
            yield (
                f"Window {number} has the width {window[1]:g}; {function} allows only "
                f"{least}, so it does not count."
            )
    for keyword in ("ModalityLUTSequence", "VOILUTSequence"):
        if items(header, keyword):
            yield f"It has a {named(keyword)}, which only concerns its display."


def _overlays(header: Dataset) -> Iterator[str]:
    image = numbers(header, "Rows") + numbers(header, "Columns")
    embedded = embedded_overlays(header)
    for group in OVERLAY_GROUPS:
        base, name = group << 16, f"Overlay {group:04X}"
        plane = numbers(header, base | 0x10) + numbers(header, base | 0x11)
        origin = numbers(header, base | 0x50) or (1.0, 1.0)
        if group in embedded:
            yield (
                f"{name} lies in the bits of the pixels (retired); results have it as "
                "a separate plane."
            )
        elif len(plane) == len(origin) == len(image) == 2:
            yield f"{name} {_place(header, base, image)}"


def _place(header: Dataset, base: int, image: tuple[float, ...]) -> str:
    """Return the place of an overlay with data; `base` is its group's first tag."""
    if base | 0x3000 not in header:
        return "lies in the bits of the pixels (retired); it is left out."
    plane = numbers(header, base | 0x10) + numbers(header, base | 0x11)
    origin = numbers(header, base | 0x50) or (1.0, 1.0)
    edges = [o + p - 1 for o, p in zip(origin, plane, strict=True)]
    if min(origin) < 1 or any(e > s for e, s in zip(edges, image, strict=True)):
        return "reaches beyond the image."
    return "lies over the image."


def _private(header: Dataset) -> Iterator[str]:
    groups = {tag.group for tag in header.keys() if tag.is_private}  # noqa: SIM118
    if groups:
        names = ", ".join(f"{group:04X}" for group in sorted(groups))
        yield (
            f"It has private elements (groups {names}); only the manufacturer knows "
            "their meaning."
        )


_LOOKS: tuple[Callable[[Dataset], Iterator[str]], ...] = (
    _identity,
    _colour,
    _spacing,
    _polarity,
    _history,
    _display,
    _overlays,
    _private,
)
