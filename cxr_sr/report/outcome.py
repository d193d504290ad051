"""A job, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["done", "kept", "skipped", "failed"]
"""Written now; found as an earlier run left it; no radiograph, as many files of an
export are not; or not written for the reason given."""


@dataclass(frozen=True)
class Job:
    """One file to make out of another."""

    name: str
    """Path below the input root, with forward slashes: what reports call the file."""
    source: Path
    output: str = ""
    """Path below the output folder, likewise; "" if the file is only read."""
    target: Path = Path()
    """The output itself."""
    asked: bool = True
    """The user named this very file; False for one that a walk of a folder found."""


@dataclass(frozen=True)
class Outcome:
    """What became of one job."""

    job: Job
    status: Status
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the work found out, ready for JSON."""
    reason: str = ""
    """Why it was not done: one line, without paths or values of the header."""
    trace: str = ""
    """The traceback, for the person who debugs; kept out of reports."""
