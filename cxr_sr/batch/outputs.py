"""Choose the output of each input: no two outputs have the same path.

Names come from the input's paths, never from the contents of a file.
"""

from __future__ import annotations

import dataclasses
import secrets
import unicodedata
from collections import Counter
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Literal

from cxr_sr.files import PREFIX
from cxr_sr.formats.discover import Candidate, Found
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.registry import (
    FORMATS,
    GZIP_SUFFIX,
    Format,
    format_named,
    format_of,
)
from cxr_sr.report.outcome import Job, Outcome

OutputFormat = Literal["same", "dicom", "png", "tiff", "npy"]


SUFFIXES = {f.name.lower(): f.suffixes[0] for f in FORMATS}
"""The suffix of each output format."""


def output_name(name: str, form: OutputFormat, kind: Kind | None = None) -> str:
    """Return the output's path below the output folder, for an input's path.

    `same` keeps the name if cxr-sr can write that format; else JPEG becomes PNG, NIfTI
    becomes MetaImage, and `.gz` is removed. `dicom` also keeps a name without a known
    suffix: DICOM files often have none.

    Parameters
    ----------
    kind : format of the file's content; None: the format of the suffix, or DICOM
    """
    path = PurePosixPath(name)
    if path.suffix.lower() == GZIP_SUFFIX:
        path = path.with_suffix("")
    named = format_named(path.suffix)
    found = format_of(kind) if kind else named or format_of(Kind.DICOM)
    stem = path.stem if named else path.name
    if form == "same":
        suffix = found.instead or found.suffixes[0]
        keeps = named.write is not None if named else _is_dicom(found)
        keeps = keeps and found.write is not None
    else:
        suffix = SUFFIXES[form]
        keeps = form == "dicom" and _is_dicom(named or found)
    return str(path if keeps else path.with_name(stem + suffix))


def _is_dicom(form: Format) -> bool:
    return form.kind is not None and form.kind.is_dicom


def apart(jobs: list[Job]) -> tuple[list[Job], list[Outcome]]:
    """Give each job an output of its own.

    If the results of several files would have the same name, each gets the full name of
    its source with its suffix: a.jpg and a.png become a.jpg.png and a.png. The names
    alone decide, so a resumed run finds the same outputs.

    Returns
    -------
    The jobs, and a failed outcome for each file that still shares its output with
    another: a file of another input has the same name, or the names differ only in case
    and the file system ignores case.
    """
    wanted = Counter(job.output for job in jobs)
    taken: dict[str, Job] = {}
    kept, clashing = [], []
    for plain in jobs:
        shared = wanted[plain.output] > 1 and plain.output != plain.name
        job = by_whole_name(plain) if shared else plain
        # macOS and Windows ignore case; macOS also the composition of accents.
        key = unicodedata.normalize("NFC", job.output).casefold()
        other = taken.setdefault(key, job)
        reason = "" if other is job else _clash(job, other)
        if reason:
            clashing.append(Outcome(job, "failed", reason=reason))
        else:
            kept.append(job)
    return kept, clashing


def by_whole_name(job: Job) -> Job:
    """Return the job with an output that has the full name of its source."""
    whole = PurePosixPath(job.name + PurePosixPath(job.output).suffix)
    target = job.target.parent / whole.name
    return dataclasses.replace(job, output=str(whole), target=target)


def _clash(job: Job, other: Job) -> str:
    if other.output == job.output:
        return (
            f"{other.name} of another input would be written to {job.output}, too; "
            "use the common parent folder of the inputs as the input, or convert them "
            "to different output folders"
        )
    if _ignores_spelling(job.target.parent):
        return (
            f"its output and the output of {other.name} would be the same file, "
            "because the file system of the output folder ignores case; rename one of "
            "the two, or choose an output folder on another file system"
        )
    return ""


def job_of(found: Found, output: Path, form: OutputFormat) -> Job:
    """Return the job of a file; its output lies in the folder `output`."""
    name = found.relative.as_posix()
    kind = found.kind if isinstance(found, Candidate) else None
    output_path = output_name(name, form, kind)
    return Job(name, found.path, output_path, output / output_path, found.asked)


def _ignores_spelling(folder: Path) -> bool:
    """Tell whether a folder's file system ignores case, or the composition of accents.

    The folder need not exist. Returns True if the test file cannot be written.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    name = f"{PREFIX}{secrets.token_hex(8)}-\N{LATIN SMALL LETTER E WITH ACUTE}"
    tried = there / name
    try:
        tried.touch(exist_ok=False)
        decomposed = unicodedata.normalize("NFD", name)
        return any((there / n).exists() for n in (name.upper(), decomposed))
    except OSError:
        return True
    finally:
        with suppress(OSError):
            tried.unlink(missing_ok=True)
