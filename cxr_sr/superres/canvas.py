"""Memory for large outputs."""

from __future__ import annotations

import math
import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

IN_MEMORY_BYTES = 64 << 20
"""A larger output lies in an unnamed temporary file, so the system can page it out."""
STRIP_ROWS = 256
"""Number of rows to process at a time if a copy of the whole output may not fit."""


def canvas(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array to write to; a large one is backed by a temporary file.

    The file lies in TMPDIR, has no name, and is deleted with the array.
    """
    if math.prod(shape) * dtype.itemsize <= IN_MEMORY_BYTES:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)
