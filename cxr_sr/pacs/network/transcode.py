"""Recode a result for a receiver, in a separate process.

The JPEG-LS encoder holds Python's global lock. In this process, it would block
receiving and computing.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any, Self, cast

from cxr_sr.batch.runner import Processes
from cxr_sr.errors import OutputError
from cxr_sr.formats import read, write
from cxr_sr.names import Compression
from cxr_sr.report.outcome import Job


class Transcoder:
    """Writes the same image in another transfer syntax; one image at a time."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._crew = Processes(recode, count=1)

    def __enter__(self) -> Self:
        self._crew.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._crew.__exit__(*exception)

    def __call__(self, path: Path, compression: Compression) -> Path:
        """Return the recoded file, in the given folder or beside the original.

        Raises
        ------
        OutputError
            If the image cannot have this coding.
        """
        target = self._place(path, compression)
        if target.exists():  # another receiver's thread, or a killed process, wrote it
            return target
        with self._lock:
            self._crew.submit(Job(path.name, path, compression, target))
            (outcome,) = self._crew.finished()
        if outcome.status != "done":
            raise OutputError(outcome.reason)
        return target

    def _place(self, path: Path, compression: Compression) -> Path:
        if self._folder is None:
            return path.with_name(f"{path.stem}.{compression}.dcm")
        name = hashlib.sha256(f"{compression} {path}".encode(errors="replace"))
        return self._folder / f"{name.hexdigest()[:16]}.dcm"


def recode(job: Job) -> dict[str, Any]:
    """Read a file and write it again; the job's output names the compression.

    Raises
    ------
    CxrSrError
        If the file is no radiograph, or cannot have this coding.
    """
    compression = cast("Compression", job.output)
    write(read(job.source), job.target, compression=compression, overwrite=True)
    return {}
