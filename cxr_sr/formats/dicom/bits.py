"""Take the bits of the stored value from each decoded sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import UnreadableError
from cxr_sr.formats.dicom.coding.codecs import Decoded
from cxr_sr.formats.dicom.layout import PixelLayout, check_projection, pixel_layout
from cxr_sr.formats.dicom.parse import ParsedDicom
from cxr_sr.formats.dicom.pixels import rows_of

_SOME_ROWS = 256
"""Number of rows to read in search of bits outside the value."""


def to_stored(decoded: Decoded, layout: PixelLayout) -> NDArray[np.integer[Any]]:
    """Take the value out of each sample, and extend its sign.

    The other bits of a sample are ignored, because the standard gives them no meaning.

    Returns
    -------
    `layout.shape` in `layout.format.dtype`: no LUT, no inversion

    Raises
    ------
    UnreadableError
        If the other bits belong to the value, because BitsStored or HighBit is wrong:
        then the image is smoother with them than without. Without them, bright pixels
        would become dark.

    References
    ----------
    DICOM PS3.5 8.1.1
    """
    fmt = layout.format
    if is_whole(decoded, layout):
        return decoded.samples.view(fmt.dtype)
    values, strange = split(decoded, layout)
    if strange.any() and (decoded.lossy or _is_smoother_with(values, decoded, layout)):
        raise _strange_bits(decoded, strange, layout)
    return values


def is_whole(decoded: Decoded, layout: PixelLayout) -> bool:
    """Tell whether the value fills the whole sample."""
    fmt = layout.format
    whole = fmt.bits_stored == fmt.bits_allocated == decoded.precision
    return whole and decoded.samples.itemsize == fmt.dtype.itemsize


def split(
    decoded: Decoded, layout: PixelLayout
) -> tuple[NDArray[np.integer[Any]], NDArray[np.bool_]]:
    """Return the values, and a mask of the samples with unexplained other bits.

    Bits of an overlay and of the sign are explained.
    """
    fmt = layout.format
    container = (1 << 8 * decoded.samples.itemsize) - 1
    samples = decoded.samples.astype(np.uint16)
    low = layout.high_bit + 1 - fmt.bits_stored
    field = ((1 << fmt.bits_stored) - 1) << low
    values = (samples & field) >> low
    strange = (samples & ~np.uint16(field | layout.overlay_bits)) != 0
    if fmt.signed:
        unused = 16 - min(fmt.bits_stored, decoded.precision)
        signed = (values << unused).view(np.int16) >> unused
        extended = (signed << low).view(np.uint16) & container
        strange &= (samples & ~np.uint16(layout.overlay_bits)) != extended
        values = signed.view(np.uint16)
    return values.view(np.int16 if fmt.signed else np.uint16).astype(fmt.dtype), strange


def _is_smoother_with(
    values: NDArray[np.integer[Any]], decoded: Decoded, layout: PixelLayout
) -> bool:
    """Tell whether neighbours differ less if the other bits are a part of the value.

    If bits of the value are missing, smooth areas have jumps. If foreign bits are
    added to the value, smooth areas have jumps, too.
    """
    samples = decoded.samples.astype(np.uint16) & ~np.uint16(layout.overlay_bits)
    whole = samples.view(np.int16) if layout.format.signed else samples
    low = layout.high_bit + 1 - layout.format.bits_stored
    return _variation(whole >> low) < _variation(values)


def _variation(values: NDArray[np.integer[Any]]) -> int:
    wide = values.astype(np.int32)
    return sum(int(np.abs(np.diff(wide, axis=axis)).sum()) for axis in (0, 1))


def has_strange_bits(parsed: ParsedDicom) -> bool:
    """Tell whether pixels have bits set outside the value.

    Only some rows are read, and only of uncompressed pixels.

    Raises
    ------
    InputError
        If `read` would refuse the image.
    """
    element, layout = check_projection(parsed), pixel_layout(parsed.dataset)
    if layout.format.bits_stored == layout.format.bits_allocated or layout.colour:
        return False
    rows = rows_of(parsed, element, layout, _SOME_ROWS)
    return rows is not None and bool(split(rows, layout)[1].any())


def overlay_plane(decoded: Decoded, bit: int) -> NDArray[np.uint8] | None:
    """Return one bit of each sample, (H, W), 0 or 1; None if samples are narrower.

    References
    ----------
    DICOM PS3.5-2004 8.1.2
    """
    if bit >= min(decoded.precision, 8 * decoded.samples.itemsize):
        return None
    plane: NDArray[np.uint8] = (decoded.samples >> bit & 1).astype(np.uint8)
    return plane


def _strange_bits(
    decoded: Decoded, strange: NDArray[np.bool_], layout: PixelLayout
) -> UnreadableError:
    return UnreadableError(
        f"{int(strange.sum())} pixels (largest sample "
        f"{int(decoded.samples[strange].max())}) have bits set outside those that "
        f"BitsStored (0028,0101) {layout.format.bits_stored} and HighBit (0028,0102) "
        f"{layout.high_bit} declare, and these bits are a part of the image; one of "
        "the two is wrong, and cutting the bits off would damage the image: correct "
        "the header"
    )
