"""Pack pixels as text: lossless, small, and easy to unpack in JavaScript."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.radiograph import PixelFormat

PageData = dict[str, Any]

ZERO = np.uint16(0)
"""The value of the pixels to the left of an image and above it."""


def picture(stored: NDArray[np.integer[Any]], fmt: PixelFormat) -> PageData:
    """Return stored values (H, W[, C]) and their shape, ready for JSON.

    Samples are unsigned in the data: 0 stands for the format's smallest value.
    """
    planes = stored.reshape(*stored.shape[:2], -1).transpose(2, 0, 1)
    samples = (planes.astype(np.int32) - fmt.minimum).astype(np.uint16)
    channels, rows, columns = samples.shape
    return {
        "rows": rows,
        "columns": columns,
        "channels": channels,
        "minimum": fmt.minimum,
        "data": packed(samples.reshape(-1, columns)),
    }


def packed(samples: NDArray[np.uint16]) -> str:
    """Return samples (rows, columns) as text.

    Steps: subtract the prediction from the neighbours (left + above - left above) from
    each sample, modulo 65536; map 0, -1, 1, -2, ... to 0, 1, 2, 3, ...; write the high
    bytes of all samples, then the low bytes; zlib (RFC 1950); base64.
    """
    steps = np.diff(np.diff(samples, axis=1, prepend=ZERO), axis=0, prepend=ZERO)
    signed = steps.view(np.int16)
    counted = ((signed << 1) ^ (signed >> 15)).view(np.uint16)
    high, low = (counted >> 8).astype(np.uint8), (counted & 255).astype(np.uint8)
    compressed = zlib.compress(high.tobytes() + low.tobytes())
    return base64.b64encode(compressed).decode("ascii")
