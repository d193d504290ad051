"""Find the files to work on, and the reasons to leave out other files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from pydicom.uid import MediaStorageDirectoryStorage

from cxr_sr.errors import UnreadableError
from cxr_sr.files import PREFIX
from cxr_sr.formats.dicom.parse import parse_header
from cxr_sr.formats.guard import quiet, readable
from cxr_sr.formats.header.elements import items, text
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.others import what_else
from cxr_sr.formats.registry import (
    HEAD_BYTES,
    format_of,
    kind_of,
)

_ENDINGS = format_of(Kind.DICOM).suffixes
SYSTEM_FILES = {"thumbs.db", "desktop.ini", "ehthumbs.db"}
"""Files that Windows writes into folders; system files elsewhere begin with a dot."""


@dataclass(frozen=True)
class Candidate:
    """A file in a known format; it may turn out to be no radiograph."""

    path: Path
    relative: PurePath
    """Path below the input folder; the result gets the same path below the output
    folder."""
    kind: Kind
    asked: bool = False
    """True if the user or a DICOMDIR named the file itself."""


@dataclass(frozen=True)
class Skipped:
    """A file that is no candidate."""

    path: Path
    relative: PurePath
    reason: str
    """The reason, in one sentence without the path."""
    asked: bool = False
    """True if the user or a DICOMDIR named the file: then leaving it out is a
    failure."""


Found = Candidate | Skipped


def cause(reason: str) -> str:
    """Return a reason without the numbers that differ from file to file."""
    head = re.split(r"[;:] |, but ", reason)[0]
    # Keep tags, which are in parentheses, and the 2000 of JPEG 2000.
    return re.sub(r"(?<!JPEG )\b\d+\b(?![^(]*\))", "N", head)


def discover(inputs: Iterable[Path]) -> Iterator[Found]:
    """Yield every file below `inputs`, in the order of inputs and then of names.

    Folders are searched with their subfolders, also through links. Each folder is
    searched once, under its own name if the folder lies below the input. A DICOMDIR as
    an input stands for the files that it refers to. The content of a file decides its
    format.

    Parameters
    ----------
    inputs : files, folders or DICOMDIRs
    """
    for path in inputs:
        if path.is_dir():
            yield from _folder(path)
        elif path.name.upper() == "DICOMDIR" and path.is_file():
            yield from _dicomdir(path)
        else:
            yield _file(path, PurePath(path.name), asked=True)


def found_below(root: Path, path: Path) -> Found:
    """Return the item that `discover` would yield for one file of the folder `root`."""
    return _file(path, path.relative_to(root))


def _folder(root: Path) -> Iterator[Found]:
    seen: set[tuple[int, int]] = set()
    _is_new(root, seen)
    unlisted: list[OSError] = []
    walk = os.walk(root, onerror=unlisted.append, followlinks=True)
    for folder, subfolders, names in walk:
        subfolders[:] = [
            name
            for name in sorted(subfolders)
            if not name.startswith(".")
            and not _leads_back(Path(folder, name), root)
            and _is_new(Path(folder, name), seen)
        ]
        for name in sorted(names):
            path = Path(folder, name)
            yield _file(path, path.relative_to(root))
        for error in unlisted:
            path = Path(error.filename)
            reason = f"the folder cannot be listed: {error.strerror}"
            yield Skipped(path, path.relative_to(root), reason, asked=True)
        unlisted.clear()


def _leads_back(folder: Path, root: Path) -> bool:
    """Tell whether this is a link to another folder below `root`."""
    if not folder.is_symlink():
        return False
    try:
        target = folder.resolve().relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):  # a circle of links; outside
        return False
    return not any(part.startswith(".") for part in target.parts)


def _is_new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    """Tell whether this folder was not searched yet, under any name."""
    try:
        status = folder.stat()
    except OSError:
        return True  # os.walk will report the error
    identity = status.st_dev, status.st_ino
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _file(path: Path, relative: PurePath, *, asked: bool = False) -> Found:
    reason = "" if asked else _unwanted(path.name)
    kind = None
    if not reason:
        reason, kind = _recognised(path)
    if kind is None:
        return Skipped(path, relative, reason, asked)
    return Candidate(path, relative, kind, asked)


def _unwanted(name: str) -> str:
    if name.startswith(PREFIX):
        return "a temporary file of a killed run; it can be deleted"
    if name.startswith(".") or name.lower() in SYSTEM_FILES:
        return "a hidden or system file"
    if name.upper() == "DICOMDIR":
        return (
            "a directory of the other files in the folder, which are found without it"
        )
    return ""


def _recognised(path: Path) -> tuple[str, Kind | None]:
    """Return ("", kind), or (reason, None)."""
    if not path.exists():
        return "there is no such file", None
    if not path.is_file():
        return "not a regular file", None
    try:
        with readable("the file"), path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except UnreadableError as error:
        return str(error), None
    kind = kind_of(head)
    return ("" if kind else what_else(head, path.suffix)), kind


def _dicomdir(path: Path) -> Iterator[Found]:
    """Yield the images that a DICOMDIR refers to, PS3.3 F.3.2.2 and PS3.10 8.6."""
    try:
        references = _references(path)
    except UnreadableError as error:
        yield Skipped(path, PurePath(path.name), str(error), asked=True)
        return
    root = path.parent
    for components in references:
        if not all(map(_is_plain, components)):
            reason = "the DICOMDIR refers to a file outside of its folder"
            yield Skipped(path, PurePath(path.name), reason, asked=True)
            continue
        target = _whatever_case(root, components)
        relative = target.relative_to(root)
        if not target.exists():
            reason = "the DICOMDIR refers to it, but there is no such file"
            yield Skipped(target, relative, reason, asked=True)
        elif not target.resolve().is_relative_to(root.resolve()):
            reason = "a link that leads out of the DICOMDIR's folder"
            yield Skipped(target, relative, reason, asked=True)
        else:
            yield _file(target, relative, asked=True)


def _is_plain(component: str) -> bool:
    """Tell whether this is a path inside a folder, without ".." or a root."""
    return component not in {"", ".", ".."} and not set(component) & {"/", ":", "\0"}


def _whatever_case(root: Path, components: tuple[str, ...]) -> Path:
    """Return the file for a file ID; the name of the file may differ.

    IDs are upper case, but a mounted disc may show lower case. Users also add suffixes,
    which IDs do not have.
    """
    path = root
    for component in components:
        exact = path / component
        if not exact.exists() and path.is_dir():
            wanted = component.upper()
            by_name = {p.name.upper(): p for p in sorted(path.iterdir(), reverse=True)}
            names = [wanted, *(wanted + ending.upper() for ending in _ENDINGS)]
            exact = next((by_name[n] for n in names if n in by_name), exact)
        path = exact
    return path


def _references(path: Path) -> list[tuple[str, ...]]:
    """Return the file IDs of all image records, each once.

    Raises
    ------
    UnreadableError
        If this is no DICOMDIR, or the DICOMDIR is damaged.
    """
    header = parse_header(path, Kind.DICOM).dataset
    with quiet():
        records = items(header, "DirectoryRecordSequence")
        if records is None or "FileSetID" not in header:
            raise UnreadableError(
                f"this is no DICOMDIR ({MediaStorageDirectoryStorage.name} was "
                "expected); give its folder as the input"
            )
        found = [
            tuple(text(record, "ReferencedFileID").split("\\"))
            for record in records
            if text(record, "DirectoryRecordType") == "IMAGE"
        ]
    return list(dict.fromkeys(found))
