"""Define the lines of a report, and read them.

::

    {"type": "run", "version": 1, "cxr_sr": ..., "notice": ..., "settings": ..., ...}
    {"type": "file", "file": "a/1.dcm", "status": "done", "input_sha256": ..., ...}
    ...
    {"type": "delivery", "file": "a/1.dcm", "to": "PACS@10.0.0.5:104", ...}
    {"type": "summary", "finished": true, "done": 41, "kept": 0, "skipped": 2, ...}

File names are relative to the input folder and to the output folder. A report does not
repeat facts of a header about the patient, the study or the place. The only exception
are the UIDs, with --report-uids.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypedDict, cast, get_type_hints

from cxr_sr.files import fits, read_json_lines
from cxr_sr.report.outcome import Outcome, Status

REPORT = "cxr-sr-report.jsonl"
"""Usual name of a report."""
VERSION = 1
"""Version of the format; incremented when a key changes its meaning or goes away."""
WRITTEN: tuple[Status, ...] = ("done", "kept")
"""The statuses of files with an output in the output folder."""


class RunEntry(TypedDict, total=False):
    """The first line of a run: its settings."""

    type: Literal["run"]
    version: int
    """Version of this format."""
    cxr_sr: str
    """Version of cxr-sr."""
    notice: str
    clock: str | None
    """ISO 8601; the time that the run writes into all of its results."""
    settings_sha256: str
    settings: dict[str, Any]
    """All settings that decide an output's bytes, except its input and the time."""


class FileFacts(TypedDict, total=False):
    """The facts about a file; sizes are (rows, columns)."""

    output: str
    """Path below the output folder, with forward slashes."""
    input_sha256: str
    output_sha256: str
    settings_sha256: str
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    input_spacing_mm: tuple[float, float] | None
    input_lossy: bool
    """The source was compressed with loss, so its artefacts are enlarged, too."""
    output_spacing_mm: tuple[float, float] | None
    reason: str
    """The reason why no output was written."""
    seconds: dict[str, float]
    """Wall time of each stage, in seconds."""
    warnings: list[str]
    """Sentences to read before the result is used."""
    dates: str
    """Origin of the DICOM dates of series, content and instance: now, source or
    none."""
    dates_because: str
    """The element of the header that decided the origin of the dates, if any."""
    input_sop_instance_uid: str | None
    """This UID and the next three: only with --report-uids; None if the file has
    none."""
    input_series_instance_uid: str | None
    output_sop_instance_uid: str | None
    output_series_instance_uid: str | None
    scale: int
    """Factor of the network; only in a dry run."""
    bits: int
    """8 or 16; only for a picture."""
    probabilities: dict[str, float]
    """Probability of each class; only of a task. For masks: the mean within the
    mask."""
    mask_shares: dict[str, float]
    """Share of the image in the mask of each class; only for masks."""
    mask_doubtful: bool
    """True if a warning says that a mask may be wrong; only for masks."""
    head: str
    """Name of the head and the beginning of its hash; only with `upscale --head`, as
    the next five."""
    mask: str
    """Path of the mask below the output folder; also with `export --mask`."""
    mask_sha256: str
    saved_seconds: dict[str, float]
    """Time that a separate run of the head would have needed in addition. `read`: to
    read and hash the file. `trunk`: to run the trunk; 0 if the head ran its own."""
    trunk_shared: bool
    """True if super-resolution and head shared one pass through the trunk; only with
    `upscale --head`."""
    trunk_not_shared: str
    """The reason why the head ran its own trunk; only with `upscale --head`."""
    # These are the fields of `Derivation`:
    factors: tuple[float, float]
    model: str
    weights_sha256: str
    engine: str
    precision: str
    consistency: str
    consistency_max: float
    consistency_rms: float
    noise_sigma: float
    noise_correlation: float
    coding_error: float
    noise_explained: float
    grain: float
    grain_asked: float | None
    value_range: str
    minimum: int
    maximum: int
    padding_kept: bool
    overhang_px: tuple[float, float]
    pixels_sha256: str


class FileEntry(FileFacts):
    """The line about one file."""

    type: Literal["file"]
    file: str
    """Path below the input folder, with forward slashes."""
    status: Status


class DeliveryFacts(TypedDict, total=False):
    """Optional facts about a result that was sent."""

    output_sha256: str
    """SHA-256 of the sent file; only with `cxr-sr send`."""
    mask: str
    """Path of the mask below the output folder, if the sent file is the mask of a
    result."""
    reason: str
    """The receiver's answer, if the receiver refused the file."""


class DeliveryEntry(DeliveryFacts):
    """The line about one result for one receiver."""

    type: Literal["delivery"]
    file: str
    """The same path as in the line about the file."""
    to: str
    """AET@HOST:PORT, or a URL without user and password."""
    status: Literal["sent", "refused"]


class SummaryEntry(TypedDict):
    """The last line of a run: the number of files with each status."""

    type: Literal["summary"]
    finished: bool
    """False if the run was interrupted."""
    done: int
    kept: int
    skipped: int
    failed: int


Entry = RunEntry | FileEntry | DeliveryEntry | SummaryEntry


def entry(outcome: Outcome) -> FileEntry:
    """Return the line about one file."""
    about = {"type": "file", "file": outcome.job.name}
    reason = {"reason": outcome.reason} if outcome.reason else {}
    line = about | dict(outcome.facts) | {"status": outcome.status} | reason
    return cast("FileEntry", line)


def read_deliveries(path: Path) -> Iterator[DeliveryEntry]:
    """Yield the lines about sent results, in the order of the report.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    for line in read_json_lines(path):
        if line.get("type") == "delivery" and _is_typed(line, DeliveryEntry):
            yield cast("DeliveryEntry", line)


def read_entries(path: Path) -> Iterator[RunEntry | FileEntry]:
    """Yield the lines about runs and files, in the order of the report.

    Other lines are skipped: incomplete lines, lines of other kinds, and lines with a
    value of a wrong type.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    for line in read_json_lines(path):
        kind = line.get("type")
        if kind == "run" and _is_typed(line, RunEntry):
            yield cast("RunEntry", line)
        elif kind == "file" and _is_typed(line, FileEntry):
            yield cast("FileEntry", line)


def _is_typed(line: dict[str, Any], schema: type) -> bool:
    """Tell whether `line` has the keys that `schema` requires, with the right types."""
    hints = get_type_hints(schema)
    known = line.keys() & hints.keys()
    required: frozenset[str] = schema.__required_keys__  # type: ignore[attr-defined]
    return required <= known and all(fits(line[key], hints[key]) for key in known)
