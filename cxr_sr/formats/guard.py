"""Keep warnings and errors of libraries inside `formats`."""

from __future__ import annotations

import logging
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from cxr_sr.errors import UnreadableError

# warnings.catch_warnings replaces a global list. Two threads in it at the same time
# could leave all warnings off.
_ONE_AT_A_TIME = threading.RLock()
if hasattr(os, "register_at_fork"):  # Windows does not fork
    # A child must not inherit a lock that a thread of its parent holds, or warnings
    # that are off.
    os.register_at_fork(
        before=_ONE_AT_A_TIME.acquire,
        after_in_parent=_ONE_AT_A_TIME.release,
        after_in_child=_ONE_AT_A_TIME.release,
    )

_LOG = logging.getLogger("pydicom")

PARSER_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,  # includes RecursionError and NotImplementedError
    TypeError,
    ValueError,  # includes UnicodeError
    struct.error,
    zlib.error,
)
"""Errors that pydicom and the decoders raise on damaged or hostile bytes."""


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings of libraries: real headers break rules that we tolerate.

    Errors and `inspect` tell the user all important facts. pydicom also writes its
    warnings, which quote values, to its log.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, _LOG.disabled = _LOG.disabled, True
        try:
            yield
        finally:
            _LOG.disabled = before


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn a library's error about damaged bytes into one sentence.

    Parameters
    ----------
    what : the subject of that sentence, such as "the JPEG-LS image"

    Raises
    ------
    UnreadableError
        Instead of any of `PARSER_ERRORS` and of OSError.
    """
    try:
        yield
    except OSError as error:
        # Not str(error), because that names the path.
        reason = error.strerror or "unexpected end of the data"
        raise UnreadableError(
            f"{what} cannot be read: {reason}; check the file and its folder"
        ) from error
    except PARSER_ERRORS as error:
        # Not str(error), because it may quote a value that identifies a patient.
        raise UnreadableError(
            f"{what} cannot be read; the file is damaged, or in a form that no decoder "
            "here knows: export it again, uncompressed if you can"
        ) from error
