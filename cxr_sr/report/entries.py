"""The lines of a report, and the one reader of them.

::

    {"type": "run", "version": 1, "cxr_sr": ..., "notice": ..., "settings": ..., ...}
    {"type": "file", "file": "a/1.dcm", "status": "done", "input_sha256": ..., ...}
    ...
    {"type": "delivery", "file": "a/1.dcm", "to": "PACS@10.0.0.5:104", ...}
    {"type": "summary", "finished": true, "done": 41, "kept": 0, "skipped": 2, ...}

Files are named relative to the input and the output folder. Nothing in a report comes
from the patient, study or place in a header, but for UIDs where they were asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypedDict, cast, get_type_hints

from cxr_sr.files import fits, read_json_lines
from cxr_sr.report.outcome import Outcome, Status

VERSION = 1
"""Raised when a key changes its meaning or goes away."""
WRITTEN: tuple[Status, ...] = ("done", "kept")
"""The output stands in the output folder."""


class RunEntry(TypedDict, total=False):
    """The first line of a run: its settings."""

    type: Literal["run"]
    version: int
    """Of this format."""
    cxr_sr: str
    """The version of cxr-sr."""
    notice: str
    clock: str | None
    """ISO 8601; the one time that the run writes into its files."""
    settings_sha256: str
    settings: dict[str, Any]
    """All that decides an output's bytes, besides its input and the clock."""


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
    """The source was compressed with loss: its artefacts are enlarged, too."""
    output_spacing_mm: tuple[float, float] | None
    reason: str
    """Why the file was not written."""
    seconds: dict[str, float]
    """Wall time of each stage."""
    warnings: list[str]
    """Sentences that a user should read before using the result."""
    dates: str
    """Where the DICOM dates of series, content and instance come from: now, source or
    none."""
    dates_because: str
    """The statement in the header that decided it, if any."""
    input_sop_instance_uid: str | None
    """This and the next three only with --report-uids; None if the file has none."""
    input_series_instance_uid: str | None
    output_sop_instance_uid: str | None
    output_series_instance_uid: str | None
    scale: int
    """Only in a dry run: the factor of the network."""
    bits: int
    """Only for a picture: 8 or 16."""
    probabilities: dict[str, float]
    """Only of a task: by class. Of masks: the mean probability within the mask."""
    mask_shares: dict[str, float]
    """Only of masks: by class, the share of the image that the mask covers."""
    # The fields of `Derivation`:
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
    """Hash of the sent file, if `cxr-sr send` sent it."""
    reason: str
    """The receiver's answer, if it refused."""


class DeliveryEntry(DeliveryFacts):
    """The line about one result that was sent to one receiver."""

    type: Literal["delivery"]
    file: str
    """As the line about the file has it."""
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
    """Yield the lines about results that were sent, in their order.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    for line in read_json_lines(path):
        if line.get("type") == "delivery" and _is_typed(line, DeliveryEntry):
            yield cast("DeliveryEntry", line)


def read_entries(path: Path) -> Iterator[RunEntry | FileEntry]:
    """Yield the lines about runs and files, in their order.

    Other lines are skipped: incomplete ones, other kinds of lines, and lines with a
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
