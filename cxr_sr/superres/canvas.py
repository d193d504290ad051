"""Memory for large outputs."""

from __future__ import annotations

import ctypes
import math
import sys
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


def return_memory() -> None:
    """Return freed memory to the system, if the C library of Linux can do so.

    glibc keeps the memory that threads have freed: a quarter of a gigabyte after a
    result of 120 megapixels.

    References
    ----------
    malloc_trim(3)
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
