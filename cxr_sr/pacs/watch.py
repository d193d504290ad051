"""Watch a folder: each complete file becomes a job of the batch loop.

A file is complete when its size and its time have not changed for a while. A file that
was renamed into the folder, with an older time, is complete at the second check. A file
that changes later becomes a job again.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cxr_sr.batch.outputs import OutputFormat, by_whole_name, job_of
from cxr_sr.formats.discover import Candidate, found_below
from cxr_sr.report.outcome import Job, Outcome

LOOK_S = 0.5
"""Seconds between two checks of incomplete files."""
LOOK_AT_ALL_S = 60.0
"""Seconds between two checks of all files: a busy system may lose notices of
changes."""
Stamp = tuple[int, int]
"""Size in bytes, time of the last change in nanoseconds."""


@dataclass(frozen=True)
class Watched:
    """A watched folder, and the settings for it."""

    folder: Path
    output: Path
    form: OutputFormat
    settle_s: float = 2.0
    """Seconds without a change after which a file is complete."""
    poll_s: float | None = None
    """Seconds between two checks of all files, for network shares without notices of
    changes; None: the system gives notice."""
    written: Mapping[str, str] = field(default_factory=dict)
    """Outputs of earlier runs by file; a file keeps its output."""


@dataclass
class _Growing:
    """A file that may still grow."""

    stamp: Stamp
    since: float
    """Time when the file was first seen in this state, by our clock."""


@dataclass
class Settling:
    """Check files at intervals, and find the complete files.

    Parameters
    ----------
    clock : returns the time in seconds; tests replace it
    """

    settle_s: float
    clock: Callable[[], float] = time.monotonic
    _growing: dict[Path, _Growing] = field(default_factory=dict)
    _taken: dict[Path, Stamp] = field(default_factory=dict)

    def notice(self, path: Path) -> None:
        """Record that a file is new or has changed."""
        stamp = _stamp(path)
        if stamp is None or self._taken.get(path) == stamp:
            return
        known = self._growing.get(path)
        if known is None or known.stamp != stamp:
            self._growing[path] = _Growing(stamp, self.clock())

    def complete(self) -> Iterator[Path]:
        """Yield files that have become complete; each file once, until it changes."""
        now = self.clock()
        for path, known in list(self._growing.items()):
            stamp = _stamp(path)
            if stamp is None:
                del self._growing[path]
            elif stamp != known.stamp:
                self._growing[path] = _Growing(stamp, now)
            elif stamp[0] and self._is_old(known, now):
                del self._growing[path]
                self._taken[path] = stamp
                yield path

    def _is_old(self, known: _Growing, now: float) -> bool:
        unchanged_s = now - known.since
        if unchanged_s >= self.settle_s:
            return True
        # The file was renamed, or copied with its time: it was complete before.
        age_s = time.time() - known.stamp[1] / 1e9
        return unchanged_s >= LOOK_S / 2 and age_s >= self.settle_s


class Watcher:
    """Finds files in a folder, on a separate thread, and gives jobs to the loop.

    Parameters
    ----------
    give : called with a job for each complete file, or with an outcome if no job is
        possible
    ended : called when the watcher ends, for any reason
    """

    def __init__(
        self,
        watched: Watched,
        give: Callable[[Job | Outcome], None],
        ended: Callable[[], None],
    ) -> None:
        self._watched, self._give, self._ended = watched, give, ended
        self._settling = Settling(watched.settle_s)
        self._stopping = threading.Event()
        self._outputs = {o.casefold(): name for name, o in watched.written.items()}
        self._thread = threading.Thread(target=self._serve, daemon=True, name="watch")

    def start(self) -> None:
        """Start the thread: first for the files in the folder, then for new files."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the watcher."""
        self._stopping.set()
        self._thread.join(5)

    def _serve(self) -> None:
        try:
            self._watch()
        finally:
            self._ended()

    def _watch(self) -> None:
        looked = -math.inf
        for changed in self._changes():
            now = time.monotonic()
            # At the start, and later in case a change was missed.
            if now - looked >= LOOK_AT_ALL_S:
                looked = now
                changed.add(self._watched.folder)
            for path in changed:
                self._notice(path)
            for path in self._settling.complete():
                self._take(path)

    def _changes(self) -> Iterator[set[Path]]:
        """Yield sets of changed files and folders; an empty set without a change."""
        from watchfiles import watch

        poll_s = self._watched.poll_s
        for changes in watch(
            self._watched.folder,
            watch_filter=None,
            debounce=200,
            step=50,
            rust_timeout=int(LOOK_S * 1000),
            yield_on_timeout=True,
            stop_event=self._stopping,
            raise_interrupt=False,
            force_polling=poll_s is not None,
            poll_delay_ms=int((poll_s or LOOK_S) * 1000),
        ):
            yield {Path(path) for _, path in changes}

    def _notice(self, path: Path) -> None:
        if not path.is_dir():
            self._settling.notice(path)
            return
        # A folder was moved here: the system gives no notice of its files.
        for folder, subfolders, names in os.walk(path):
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            for name in names:
                self._settling.notice(Path(folder, name))

    def _take(self, path: Path) -> None:
        """Give the job for a complete file, or an outcome with the reason for none."""
        watched = self._watched
        if _is_hidden(path.relative_to(watched.folder)):
            return
        found = found_below(watched.folder, path)
        job = job_of(found, watched.output, watched.form)
        if not isinstance(found, Candidate):
            self._give(Outcome(job, "skipped", reason=found.reason))
            return
        owners: list[str] = []
        for tried in (job, by_whole_name(job)):  # a.jpg beside a.png
            key = tried.output.casefold()
            owners.append(self._outputs.setdefault(key, job.name))
            if owners[-1] == job.name:
                self._give(tried)
                return
        reason = (
            f"its output would replace the output of {owners[0]}; rename one of them"
        )
        self._give(Outcome(job, "failed", reason=reason))


def _is_hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


def _stamp(path: Path) -> Stamp | None:
    """Return the size and the time of a file; None without a file."""
    with suppress(OSError):
        status = path.stat()
        if path.is_file():
            return status.st_size, status.st_mtime_ns
    return None
