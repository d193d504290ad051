"""Allow only one process to work on a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cxr_sr.errors import OutputError, SettingsError
from cxr_sr.files import lock

LOCK = ".lock"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Lock a folder for this process; the system removes a killed process's lock.

    Raises
    ------
    SettingsError
        If another process has the lock.
    OutputError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OutputError(
            f"the folder {folder} cannot be written: {error.strerror}; choose another "
            "folder"
        ) from error
    try:
        if not lock(handle):
            raise SettingsError(
                f"another cxr-sr works on {folder}; stop it, or choose another folder"
            )
        yield
    finally:
        os.close(handle)


def is_held(folder: Path) -> bool:
    """Tell whether a process has locked the folder."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        return not lock(handle)
    finally:
        os.close(handle)
