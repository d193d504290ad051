"""Write files that appear complete or not at all, and files of lines."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, cast, get_args, get_origin

from cxr_sr.errors import OutputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREFIX = ".cxr-sr-"
"""Prefix of the name of every unfinished file; `discover` skips such files."""
ANOTHERS_AGE_S = 24 * 3600.0
"""Age in seconds after which no other machine can still write an unfinished file."""
LEAST_AGE_S = 2.0
"""Least age in seconds of an abandoned file. Two containers with the same name cannot
see each other's processes, but a file in work is always younger."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Error numbers of a full disk, a quota, a limit of file size, and a failing disk."""
LARGEST_NUMBER = 1e300
"""Largest number in a file of lines."""


@contextmanager
def replacing(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename the file to `path` at the end.

    The data are flushed to the disk before the file is renamed, so that neither a kill
    nor a power failure leaves a partial file at `path`.

    Parameters
    ----------
    path : the final path; the temporary path has the same suffix, because some writers
        need it
    overwrite : replace an existing file

    Raises
    ------
    OutputError
        If the file exists, or the system refuses it: no such folder, no space, no
        permission.
    """
    if path.exists() and not overwrite:
        raise OutputError(
            "the output file exists already; choose another folder, or overwrite it"
        )
    name = f"{PREFIX}{_machine()}-{os.getpid()}-{secrets.token_hex(8)}{path.suffix}"
    temporary = path.with_name(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"the output cannot be written: {error.strerror or type(error).__name__}; "
            "check that its folder exists, is writable, and has room"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def is_full(error: OutputError) -> bool:
    """Tell whether the system refused a file for lack of room, or the disk failed."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in NO_ROOM


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8) with `replacing`; an existing file is replaced.

    Raises
    ------
    OutputError
        If the system refuses it.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file with `replacing`; an existing file is replaced.

    Raises
    ------
    OutputError
        If the system refuses it.
    """
    with replacing(path, overwrite=True) as temporary:
        temporary.write_bytes(content)


def save_figure(path: Path, figure: Figure, dpi: int = 100) -> None:
    """Draw a figure into a file with `replacing`; an existing file is replaced.

    Parameters
    ----------
    dpi : pixels for each inch of the figure's size

    Raises
    ------
    OutputError
        If the system refuses the file.
    """
    with replacing(path, overwrite=True) as temporary:
        figure.savefig(temporary, dpi=dpi)


def write_texts(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write text files by their names into a folder, created; return their paths.

    Raises
    ------
    OutputError
        If the system refuses a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def sweep(folders: Iterable[Path]) -> int:
    """Delete unfinished files of killed processes in `folders`; return their number.

    The name of an unfinished file holds the id of its process. While that process
    lives, the file stays. Processes of other machines cannot be seen; their files are
    deleted when they are a day old. A file that cannot be deleted does no harm.
    """
    count = 0
    for folder in folders:
        for path in folder.glob(f"{PREFIX}*"):
            with suppress(OSError):
                if _abandoned(path):
                    path.unlink()
                    count += 1
    return count


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in the lines of a file; skip all other lines.

    A killed process leaves an incomplete line; a wrong file may have any lines.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    # An editor may have added a byte-order mark.
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(line, dict):
                yield line


def fits(value: object, hint: Any) -> bool:  # noqa: ANN401 - any type there is
    """Tell whether a value from JSON has the type that a type hint names."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in parts
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if origin is tuple:
        pair = isinstance(value, list) and len(value) == len(parts)
        return pair and all(map(fits, cast("list[object]", value), parts))
    if hint in (int, float):  # refuses nan and numbers that no float can hold
        number = isinstance(value, (int, hint))
        return number and -LARGEST_NUMBER <= cast("float", value) <= LARGEST_NUMBER
    return isinstance(value, origin or hint)


def lock(handle: int) -> bool:
    """Lock an open file until it is closed; return False if it is locked already.

    On Windows, or on a file system without locks, this does nothing.
    """
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        pass
    return True


def is_still_at(handle: int, path: Path) -> bool:
    """Tell whether an open file or folder was neither removed, renamed nor replaced."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def ends_torn(path: Path) -> bool:
    """Tell whether the last line of a file lacks its end; False if there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # missing or empty
        return False


def _abandoned(path: Path) -> bool:
    age_s = time.time() - path.stat().st_mtime
    machine, _, rest = path.name.removeprefix(PREFIX).partition("-")
    process = rest.partition("-")[0]
    if machine != _machine() or not process.isdecimal():
        return age_s > ANOTHERS_AGE_S
    return age_s > LEAST_AGE_S and not _alive(int(process))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # a process of another user
    return True


@cache
def _machine() -> str:
    """Return an id of this machine that does not reveal its name."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]
