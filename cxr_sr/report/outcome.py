"""Define a job and its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["done", "kept", "skipped", "failed"]
"""done: this run wrote the output. kept: an earlier run wrote the output, and it is
unchanged. skipped: the file is no radiograph, and the user did not name it. failed:
no output, for the stated reason."""


@dataclass(frozen=True)
class Job:
    """One input file and the output to make of it."""

    name: str
    """Path below the input folder, with forward slashes; the job's name in reports."""
    source: Path
    output: str = ""
    """Path below the output folder, with forward slashes; "" if the file is only
    read."""
    target: Path = Path()
    """Path of the output."""
    asked: bool = True
    """True if the user named the file itself; False if it was found in a folder."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one job."""

    job: Job
    status: Status
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Facts for the report, ready for JSON."""
    reason: str = ""
    """The reason of a failure: one line, without paths or values of the header."""
    trace: str = ""
    """The traceback, for --debug; never in a report."""
    disk_refused: bool = False
    """True if the system refused to write the output: with more room, the job may
    succeed."""
