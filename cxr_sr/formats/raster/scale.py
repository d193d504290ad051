"""Read the size of a pixel from a PNG or TIFF file that states it.

A TIFF file can state dots per inch. Most programs write the resolution of a screen or a
printer; only a film scanner writes its own resolution.
"""

from __future__ import annotations

from cxr_sr.formats.header.change import TOOL
from cxr_sr.formats.raster.grid import Grid
from cxr_sr.formats.raster.tiff import SOFTWARE, Directory

SCREENS_DPI = (72, 75, 90, 96, 100, 120, 144, 192)
"""Resolutions of screens; programs write them if they know no other."""
SCANNER_MM = (0.02, 0.25)
"""Least and largest pixel size of film scanners."""
FILM_MM = 450
"""Longest side of a film; the largest film has 35 cm x 43 cm."""
SCANNED = "NominalScannedPixelSpacing"
"""Attribute of DICOM for the pixel size of a film scanner, PS3.3 C.8.6.2."""
OWN = TOOL.encode("ascii")

_UNITS_MM = {2: 25.4, 3: 10.0}
_RELATIVE = 1e-3
_LARGEST = 1e6
_LARGEST_M = 0.005


def grid_of_tiff(directory: Directory) -> tuple[Grid | None, bool]:
    """Return the grid of a TIFF file, and True if a film scanner stated it.

    The files of this package state exact spacings.
    """
    unit = _UNITS_MM.get(directory.number(296, 2), 0.0)
    across, down = directory.ratio(282), directory.ratio(283)
    if not (unit and across > 0 and down > 0):
        return None, False
    spacing = unit / across, unit / down
    if OWN in directory.bytes_of(SOFTWARE, 1000):
        written_without = abs(spacing[0] - 1) < 1e-6 and abs(spacing[1] - 1) < 1e-6
        return None if written_without else Grid(spacing), False
    rows, columns = directory.size
    scanned = all(map(_is_scanned, spacing, (columns, rows)))
    return (Grid(spacing), True) if scanned else (None, False)


def grid_of_png(scale: bytes) -> Grid | None:
    """Return the grid from the content of an sCAL chunk; None if it states none.

    The unit is the metre, but ITK writes millimetres. The two can be told apart,
    because no pixel of a radiograph has 5 mm or more. Without a spacing, ITK writes 1.

    References
    ----------
    Extensions to the PNG 1.2 specification, 4.1
    """
    try:
        across, down = (float(word) for word in scale[1:].split(b"\0"))
    except ValueError:
        return None
    if not (0 < across < _LARGEST and 0 < down < _LARGEST) or across == down == 1:
        return None
    unit = 1000.0 if max(across, down) < _LARGEST_M else 1.0
    return Grid((across * unit, down * unit))


def _is_scanned(mm: float, pixels: int) -> bool:
    screen = any(abs(25.4 / mm / dpi - 1) < _RELATIVE for dpi in SCREENS_DPI)
    return (
        SCANNER_MM[0] <= mm <= SCANNER_MM[1] and mm * pixels <= FILM_MM and not screen
    )
