"""A job and its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["done", "kept", "skipped", "failed"]
"""done: written now. kept: written by an earlier run and unchanged. skipped: no
radiograph, and the user did not name it. failed: not written, for the stated reason."""


@dataclass(frozen=True)
class Job:
    """One input file and the output to make of it."""

    name: str
    """Path below the input folder, with forward slashes; its name in reports."""
    source: Path
    output: str = ""
    """Path below the output folder, likewise; "" if the file is only read."""
    target: Path = Path()
    """The output itself."""
    asked: bool = True
    """The user named this very file; False if it was found in a folder."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one job."""

    job: Job
    status: Status
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Facts for the report, ready for JSON."""
    reason: str = ""
    """Why the job was not done: one line, without paths or values of the header."""
    trace: str = ""
    """The traceback, for --debug; reports never hold it."""
    disk_refused: bool = False
    """The system refused to write the output: with more room, the job may succeed."""
