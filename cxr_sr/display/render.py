"""Compute the gray values of a screen, for pictures only.

The grayscale pipeline of DICOM treats each pixel alone. So it runs once over all
possible stored values and makes a lookup table for the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_sr.errors import SettingsError
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.dicom.windows import (
    Window,
    ends_of,
    function_of,
    is_valid,
    linear_rescale,
    windows_of,
)
from cxr_sr.formats.guard import quiet
from cxr_sr.formats.header.elements import items, numbers, text, undecoded
from cxr_sr.radiograph import Radiograph

Values = NDArray[np.float64]
Choice = int | Window | Literal["full"] | None
"""A window: an index of the file's windows; or (center, width), a straight line of gray
from center - width / 2 to center + width / 2; or "full" for the range of the image; or
None for the file's VOI LUT, else its first valid window."""

WHITE = 2**16 - 1
"""White in 16 bits."""
BLOCK_ROWS = 256


def render(
    radiograph: Radiograph,
    bits: Literal[8, 16] = 8,
    window: Choice = None,
) -> NDArray[np.unsignedinteger[Any]]:
    """Return the gray values on a screen: 0 is black, 2**bits - 1 is white.

    Applies the modality LUT or rescale, then the VOI LUT or window, then the polarity.
    An RGB image only gets the number of bits.

    Parameters
    ----------
    window : the window to apply. None: the file's VOI LUT or window; if that is
        missing, invalid or outside the image's values, the range of the image.

    Returns
    -------
    (H, W) or (H, W, 3), uint8 or uint16

    Raises
    ------
    SettingsError
        If the file has no window with that index, or the width is not positive.

    References
    ----------
    DICOM PS3.3 C.11.1 (modality), C.11.2 (VOI), C.7.6.3.1.2 and C.11.6 (polarity)
    """
    fmt = radiograph.format
    stored = np.arange(fmt.minimum, fmt.maximum + 1, dtype=np.float64)
    if fmt.photometric == "RGB":
        shown = stored / fmt.maximum
    else:
        with quiet():
            shown = _shown(radiograph, stored, window)
    table = np.rint(shown * (2**bits - 1)).astype(f"u{bits // 8}")
    return _looked_up(radiograph.pixels, fmt.minimum, table)


def _shown(radiograph: Radiograph, stored: Values, window: Choice) -> Values:
    """Return the brightness of each stored value, 0 to 1."""
    header = radiograph.header
    dataset = header.dataset if isinstance(header, DicomHeader) else Dataset()
    units = _modality(stored, dataset)
    first, last = (v - radiograph.format.minimum for v in _extremes(radiograph))
    present = units[first : last + 1]
    shown = _voi(units, present, dataset, window)
    inverse = text(dataset, "PresentationLUTShape") == "INVERSE"
    # A DX states the same inversion in two attributes: PS3.3 C.8.11.3.1.2.
    if inverse or radiograph.format.photometric == "MONOCHROME1":
        shown = 1 - shown
    return shown


def _extremes(radiograph: Radiograph) -> tuple[int, int]:
    """Return the smallest and the largest stored value without padding."""
    pixels = radiograph.pixels
    if radiograph.padding is not None:
        low, high = radiograph.padding
        image = pixels[(pixels < low) | (pixels > high)]
        pixels = image if image.size else pixels
    return int(pixels.min()), int(pixels.max())


def _modality(stored: Values, header: Dataset) -> Values:
    table = _Table.of(header, "ModalityLUTSequence", stored[0] < 0)
    if table is not None:
        return table.apply(stored)
    slope, intercept = linear_rescale(header) or (1.0, 0.0)
    return stored * slope + intercept


def _voi(units: Values, present: Values, header: Dataset, window: Choice) -> Values:
    low, high = float(present.min()), float(present.max())
    if window == "full":
        return _ramp(units, low, high)
    if window is None:
        table = _Table.of(header, "VOILUTSequence", bool(units.min() < 0))
        if table is not None:
            return table.apply(units) / table.top
    function = "LINEAR_EXACT" if isinstance(window, tuple) else function_of(header)
    windows = windows_of(header)
    if isinstance(window, tuple):
        chosen = _checked(window, function)
    elif window is not None:
        chosen = _checked(_numbered(windows, window), function)
    else:
        valid = [w for w in windows if is_valid(w, function)]
        if not valid or not _overlaps(valid[0], low, high):
            return _ramp(units, low, high)
        chosen = valid[0]
    return _windowed(units, chosen, function)


def window_warning(radiograph: Radiograph) -> str:
    """Return a warning if a file states windows but none of them is valid; else "".

    References
    ----------
    DICOM PS3.3 C.11.2.1.2, C.11.2.1.3
    """
    header = radiograph.header
    if not isinstance(header, DicomHeader):
        return ""
    with quiet():
        function = function_of(header.dataset)
        stated = windows_of(header.dataset)
        if not stated or any(is_valid(window, function) for window in stated):
            return ""
        if _Table.of(header.dataset, "VOILUTSequence", signed=False):
            return ""
    least = "1 or more" if function == "LINEAR" else "more than 0"
    return (
        f"its window has the width {stated[0][1]:g}, but {function} allows only "
        f"{least}: the picture shows the range of the image; choose a window with "
        "--window"
    )


def _checked(window: Window, function: str) -> Window:
    if not is_valid(window, function):
        least = "at least 1" if function == "LINEAR" else "more than 0"
        raise SettingsError(f"the window's width is {window[1]}; expected {least}")
    return window


def _numbered(windows: list[Window], index: int) -> Window:
    if not 0 <= index < len(windows):
        raise SettingsError(
            f"there is no window {index}: the file has {len(windows)} window(s), "
            "counted from 0; choose one of them, or a center and a width"
        )
    return windows[index]


def _overlaps(window: Window, low: float, high: float) -> bool:
    center, width = window
    return center - width / 2 < high and center + width / 2 > low


def _windowed(units: Values, window: Window, function: str) -> Values:
    """Return the brightness, 0 to 1; for SIGMOID by PS3.3 C.11.2.1.3.1."""
    if function == "SIGMOID":
        center, width = window
        # Far below a narrow window, exp overflows: 1 / inf is 0.
        with np.errstate(over="ignore"):
            shown: Values = 1 / (1 + np.exp(-4 * (units - center) / width))
        return shown
    return _ramp(units, *ends_of(window, function))


def _ramp(units: Values, low: float, high: float) -> Values:
    """Return 0 up to `low`, 1 from `high`, linear between; a step if both are equal."""
    if not low < high:
        return (units > low).astype(np.float64)
    return np.clip((units - low) / (high - low), 0, 1)


@dataclass(frozen=True, eq=False)
class _Table:
    """A lookup table of PS3.3 C.11.1.1 or C.11.2.1.1."""

    first: int
    """The input value of the first entry."""
    entries: Values
    top: float
    """The largest possible value of an entry."""

    @classmethod
    def of(cls, header: Dataset, keyword: str, signed: bool) -> _Table | None:  # noqa: FBT001
        """Return the first table of a sequence; None if it has no usable table."""
        sequence = items(header, keyword)
        if not sequence:
            return None
        descriptor = numbers(sequence[0], "LUTDescriptor")
        if len(descriptor) != 3:
            return None
        count, first, depth = (int(number) for number in descriptor)
        entries = _entries(sequence[0], depth)
        if len(entries) < (count or 2**16):  # 0 stands for 65536
            return None
        first &= 0xFFFF  # signed if the input can be signed, for any VR
        if signed and first >= 2**15:
            first -= 2**16
        entries = entries[: count or 2**16]
        return cls(first, entries, _top(entries, depth))

    def apply(self, values: Values) -> Values:
        """Look up values; a value beyond an end gets the entry at that end."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        found: Values = self.entries[index.astype(np.intp)]
        return found


def _top(entries: Values, depth: int) -> float:
    """Return the largest possible entry; some writers state 16 bits but use fewer."""
    used = int(entries.max()).bit_length()
    return float(2 ** (used if depth >= 16 else max(depth, used)) - 1) or 1.0


def _entries(item: Dataset, depth: int) -> Values:
    """Return LUTData as numbers; its VR may be US or OW, or not yet decoded."""
    element = undecoded(item, "LUTData")
    data = b"" if element is None or element.value is None else element.value
    if isinstance(data, bytes):
        packed = depth <= 8 and len(data) % 2 == 0 and max(data[1::2], default=0) > 0
        return np.frombuffer(data, "u1" if packed else "<u2").astype(np.float64)
    return np.array(data, dtype=np.float64, ndmin=1)


def _looked_up(
    pixels: NDArray[np.integer[Any]],
    minimum: int,
    table: NDArray[np.unsignedinteger[Any]],
) -> NDArray[np.unsignedinteger[Any]]:
    """Return table[pixels - minimum], in blocks of rows to save memory."""
    shown = np.empty(pixels.shape, table.dtype)
    for start in range(0, len(pixels), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        shown[rows] = table[pixels[rows].astype(np.intp) - minimum]
    return shown
