"""Read the windows and the rescale of a header, by the rules of PS3.3 C.11.

::

    stored value -> modality LUT or rescale -> VOI LUT or window -> brightness
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from cxr_sr.formats.header.elements import items, numbers, text

Window = tuple[float, float]
"""(center, width) in the output units of the modality transform."""

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
"""The defined terms of VOILUTFunction, PS3.3 C.11.2.1.3."""


def function_of(header: Dataset) -> str:
    """Return the function of the windows: LINEAR, LINEAR_EXACT or SIGMOID.

    References
    ----------
    DICOM PS3.3 C.11.2.1.3: LINEAR unless VOILUTFunction says otherwise
    """
    return text(header, "VOILUTFunction") or "LINEAR"


def windows_of(header: Dataset) -> list[Window]:
    """Return the windows in the header's order, valid or not."""
    centers, widths = numbers(header, "WindowCenter"), numbers(header, "WindowWidth")
    return list(zip(centers, widths, strict=False))


def is_valid(window: Window, function: str) -> bool:
    """Tell whether a window's width is allowed.

    References
    ----------
    DICOM PS3.3 C.11.2.1.2.1 (LINEAR: at least 1), C.11.2.1.3 (others: more than 0)
    """
    return window[1] > 0 and (window[1] >= 1 or function != "LINEAR")


def ends_of(window: Window, function: str) -> Window:
    """Return (low, high): brightness rises from 0 at `low` to 1 at `high`.

    Both are equal for a LINEAR window of width 1, which is a step. SIGMOID has no ends;
    the result is for the straight line with the slope of SIGMOID at the center.

    References
    ----------
    DICOM PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), .2 (LINEAR_EXACT)
    """
    center, width = window
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    return center - width / 2, center + width / 2


def linear_rescale(header: Dataset) -> tuple[float, float] | None:
    """Return (slope, intercept), 1 and 0 if absent; None for another transform.

    References
    ----------
    DICOM PS3.3 C.11.1.1.2
    """
    slope = numbers(header, "RescaleSlope") or (1.0,)
    intercept = numbers(header, "RescaleIntercept") or (0.0,)
    if items(header, "ModalityLUTSequence") or slope[0] == 0:
        return None
    return slope[0], intercept[0]


def stored_window(header: Dataset) -> tuple[float, float] | None:
    """Return (low, high) of the first valid window, in stored values.

    None if there is no valid window, or if no linear rescale leads back from its units
    to stored values (a modality LUT, a slope of 0).
    """
    function = function_of(header)
    valid = [window for window in windows_of(header) if is_valid(window, function)]
    rescale = linear_rescale(header)
    if not valid or rescale is None:
        return None
    slope, intercept = rescale
    ends = [(end - intercept) / slope for end in ends_of(valid[0], function)]
    low, high = min(ends), max(ends)
    return (low, high) if low < high else None
