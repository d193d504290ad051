"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cxr_sr.errors import OutputError

PREFIX = ".cxr-sr-"
"""Begins the name of every unfinished file; `discover` passes them over."""


@contextmanager
def replacing(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary name in the folder of `path`; rename it when all went well.

    The data are on the disk before the name is, so that neither a killed process nor
    a power failure leaves a partial file under `path`.

    Parameters
    ----------
    path : the final name; its suffix is kept, since some writers go by it
    overwrite : replace a file that is there already

    Raises
    ------
    OutputError
        If the file exists, or the system refuses: no such folder, no space, no
        permission.
    """
    if path.exists() and not overwrite:
        raise OutputError(
            "the output file exists already; choose another folder, or overwrite it"
        )
    temporary = path.with_name(f"{PREFIX}{secrets.token_hex(8)}{path.suffix}")
    try:
        yield temporary
        _flush_to_disk(temporary)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"the output cannot be written: {error.strerror or type(error).__name__}; "
            "check that its folder exists, is writable, and has room"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
