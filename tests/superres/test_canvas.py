"""Memory for large results is given back."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from cxr_sr.superres.canvas import return_memory

PIECES, PIECE_BYTES = 3000, 60_000


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_goes_back_to_the_system():
    """One piece at the end is in use; glibc then keeps all freed pieces before it."""
    pieces = [bytes([1]) * PIECE_BYTES for _ in range(PIECES)]
    last = pieces.pop()
    del pieces
    before = resident_bytes()
    return_memory()
    assert before - resident_bytes() > 0.5 * PIECES * PIECE_BYTES
    assert len(last) == PIECE_BYTES
