"""Keep a queue on disk that survives a kill or a power failure at any moment.

::

    STORE/incoming/TOKEN/     in transfer; the sender has no answer yet
    STORE/waiting/KEY/        accepted: source.dcm, byte for byte
    STORE/sending/KEY/        also result.dcm, route.json, sent-PEER, refused-PEER
    STORE/sent/KEY/           empty: every receiver has the result; kept for some hours
    STORE/stored/KEY/         finished, and no receiver is configured
    STORE/left/KEY/           a rule leaves the instance alone: reason.txt
    STORE/dead/KEY/           given up: source.dcm and reason.txt, for a person

One rename changes the state. Files are on the disk before the rename. The node answers
the sender when the rename to `waiting` is on the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cxr_sr.files import write_text
from cxr_sr.pacs.disk import flush_folder, write_through

State = Literal["waiting", "sending", "sent", "stored", "left", "dead"]
STATES: tuple[State, ...] = ("waiting", "sending", "sent", "stored", "left", "dead")
SETTLED: tuple[State, ...] = ("sent", "stored")
"""States of an instance that needs no work if it comes again."""
UNFINISHED: tuple[State, ...] = ("waiting", "sending")

SOURCE, RESULT, REASON, ROUTE = "source.dcm", "result.dcm", "reason.txt", "route.json"
_INCOMING = "incoming"
_BEGUN, _SENT, _REFUSED = "begun", "sent-", "refused-"
KEY_DIGITS = 32


@dataclass(frozen=True)
class Queue:
    """The entries in a folder; several threads of one process may use it."""

    root: Path
    _lock: threading.Lock = field(
        default_factory=threading.Lock, repr=False, compare=False
    )

    def prepare(self) -> None:
        """Make the folders, and repair entries that a killed process left."""
        for name in (_INCOMING, *STATES):
            # The folders hold images of patients: no other user may read them.
            (self.root / name).mkdir(0o700, parents=True, exist_ok=True)
        for left_over in (self.root / _INCOMING).iterdir():
            shutil.rmtree(left_over, ignore_errors=True)
        for key in self.keys("sending"):
            self._mend(key)
        for key in self.keys("sent"):
            self.clear("sent", key)

    def _mend(self, key: str) -> None:
        """Finish an entry whose last receiver had just answered, or restart it."""
        folder = self.folder("sending", key)
        if not ((folder / RESULT).exists() and (folder / ROUTE).exists()):
            self._move(key, "sending", "waiting")
        elif not self.receivers(key):
            self._conclude(key, folder)

    def folder(self, state: State, key: str) -> Path:
        """Return the path of an entry in a state; the folder need not exist."""
        return self.root / state / key

    def state_of(self, key: str) -> State | None:
        """Return the state of an entry; None if it is unknown."""
        return next((s for s in STATES if self.folder(s, key).is_dir()), None)

    def keys(self, state: State) -> list[str]:
        """Return the entries in a state, the oldest first."""
        found = []
        with suppress(FileNotFoundError), os.scandir(self.root / state) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    found.append((entry.stat().st_mtime_ns, entry.name))
        return [key for _, key in sorted(found)]

    def count(self, state: State) -> int:
        """Return how many entries are in a state."""
        try:
            return len(os.listdir(self.root / state))  # noqa: PTH208 - names suffice
        except FileNotFoundError:
            return 0

    def free_mb(self) -> float:
        """Return the free space of the disk, in MB."""
        return shutil.disk_usage(self.root).free / 1e6

    def accept(self, key: str, content: bytes) -> bool:
        """Put an instance into `waiting`; return True if it is new there.

        The entry is on the disk when this returns. An entry in work or sent does not
        change; an entry that was left alone or given up is tried again.

        Raises
        ------
        OSError
            If the disk refuses; then nothing is stored.
        """
        state = self.state_of(key)
        if state in UNFINISHED or state in SETTLED:
            return False
        token = self.root / _INCOMING / secrets.token_hex(8)
        try:
            token.mkdir()
            write_through(token / SOURCE, content)
            flush_folder(token)
            entered = self._enter(token, key)
        finally:
            shutil.rmtree(token, ignore_errors=True)
        if state is not None:  # last, because a kill must not lose both entries
            shutil.rmtree(self.folder(state, key), ignore_errors=True)
        return entered

    def _enter(self, token: Path, key: str) -> bool:
        target = self.folder("waiting", key)
        try:
            token.rename(target)
        except OSError:
            # Another association brought the same instance meanwhile.
            if target.is_dir():
                return False
            raise
        flush_folder(target.parent)
        return True

    def begin(self, key: str) -> None:
        """Record that work on an entry begins."""
        (self.folder("waiting", key) / f"{_BEGUN}-{self.begun(key)}").touch()

    def begun(self, key: str) -> int:
        """Return how often work on a waiting entry began but did not end."""
        return len(list(self.folder("waiting", key).glob(f"{_BEGUN}-*")))

    def rest(self, key: str) -> None:
        """Record that work on a waiting entry ended and no process died."""
        for mark in self.folder("waiting", key).glob(f"{_BEGUN}-*"):
            mark.unlink()

    def route(self, key: str, peers: Iterable[str]) -> State:
        """Move a finished entry on to its receivers; return the new state.

        Parameters
        ----------
        peers : the names of the receivers; without any, the result stays in the store
        """
        names = list(peers)
        folder = self.folder("waiting", key)
        if names:
            write_text(folder / ROUTE, json.dumps(names))
        self.rest(key)
        return self._move(key, "waiting", "sending" if names else "stored")

    def receivers(self, key: str) -> list[str]:
        """Return the receivers of an entry that have not answered yet."""
        folder = self.folder("sending", key)
        try:
            names = json.loads((folder / ROUTE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [name for name in names if not _answered(folder, name)]

    def note_sent(self, key: str, peer: str) -> State:
        """Record that a receiver has an entry's result; return the new state."""
        return self._note(key, peer, f"{_SENT}{_digest(peer)}", "")

    def note_refused(self, key: str, peer: str, reason: str) -> State:
        """Record that a receiver finally refused the result; return the new state."""
        return self._note(
            key, peer, f"{_REFUSED}{_digest(peer)}", f"{peer}: {reason}\n"
        )

    def _note(self, key: str, peer: str, name: str, text: str) -> State:
        folder = self.folder("sending", key)
        with self._lock:  # the last two receivers may answer at the same moment
            last = self.receivers(key) in ([], [peer])
            refused = text or any(folder.glob(f"{_REFUSED}*"))
            if refused or not last:  # else the new state already shows it
                write_text(folder / name, text)
            return self._conclude(key, folder) if last else "sending"

    def _conclude(self, key: str, folder: Path) -> State:
        refusals = sorted(folder.glob(f"{_REFUSED}*"))
        if not refusals:
            return self._settle(key, "sending", "sent")
        reasons = "".join(path.read_text(encoding="utf-8") for path in refusals)
        return self.bury(key, reasons.strip(), state="sending")

    def leave(self, key: str, reason: str) -> State:
        """Leave a waiting entry alone; keep only the reason."""
        write_text(self.folder("waiting", key) / REASON, reason + "\n")
        return self._settle(key, "waiting", "left", keep=(REASON,))

    def bury(self, key: str, reason: str, *, state: State = "waiting") -> State:
        """Give an entry up; keep it with the reason, for a person to inspect."""
        write_text(self.folder(state, key) / REASON, reason + "\n")
        return self._move(key, state, "dead")

    def revive(self) -> int:
        """Put all dead entries back into the queue; return their number."""
        keys = self.keys("dead")
        for key in keys:
            folder = self.folder("dead", key)
            ready = (folder / ROUTE).exists() and (folder / RESULT).exists()
            for pattern in (REASON, f"{_REFUSED}*", f"{_BEGUN}-*"):
                for path in folder.glob(pattern):
                    path.unlink()
            self._move(key, "dead", "sending" if ready else "waiting")
        return len(keys)

    def reason(self, state: State, key: str) -> str:
        """Return the reason why an entry was left alone or given up."""
        try:
            return (self.folder(state, key) / REASON).read_text("utf-8").strip()
        except OSError:
            return ""

    def forget(self, hours: float) -> int:
        """Delete entries that ended more than `hours` ago; return their number."""
        before = time.time() - 3600 * hours
        count = 0
        for state in ("sent", "left"):
            for folder in (self.root / state).iterdir():
                with suppress(FileNotFoundError):
                    if folder.stat().st_mtime < before:
                        shutil.rmtree(folder, ignore_errors=True)
                        count += 1
        return count

    def _settle(
        self, key: str, before: State, after: State, keep: tuple[str, ...] = ()
    ) -> State:
        """Move an entry to a state that keeps only its key, and delete its files."""
        state = self._move(key, before, after)
        self.clear(state, key, keep)
        return state

    def clear(self, state: State, key: str, keep: tuple[str, ...] = ()) -> None:
        """Delete an entry's files, because they hold images of a patient."""
        folder = self.folder(state, key)
        for path in list(folder.iterdir()):
            if path.name not in keep:
                path.unlink(missing_ok=True)

    def _move(self, key: str, before: State, after: State) -> State:
        """Rename a folder after its files are on the disk.

        A power failure may undo the last renames; the node then repeats their steps.
        """
        source, target = self.folder(before, key), self.folder(after, key)
        if after != "sent":  # this state keeps no files
            flush_folder(source)
        os.utime(source)  # its time is the time of the new state
        source.rename(target)
        return after


def key_of(*parts: bytes) -> str:
    """Return the name of an entry; the same content gives the same name."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:KEY_DIGITS]


def _answered(folder: Path, peer: str) -> bool:
    digest = _digest(peer)
    return any((folder / f"{prefix}{digest}").exists() for prefix in (_SENT, _REFUSED))


def _digest(peer: str) -> str:
    return hashlib.sha256(peer.encode()).hexdigest()[:12]
