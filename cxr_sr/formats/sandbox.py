"""Decode in a second process, because a damaged file may crash its decoder.

::

    own_sandbox().ask(request, payload, what, size, shaped)

A process that reads images starts its sandbox for the first compressed image, and keeps
the sandbox for the next images. On Linux, the sandbox decodes each image in a separate
fork. If a decoder crashes, hangs or needs too much memory, the sandbox is replaced.
Data and images pass through two pipes. This module knows no format; `sandbox_child`
does the work.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import IO, Any, TypeVar

from cxr_sr.errors import UnreadableError
from cxr_sr.processes import end_of

# Not multiprocessing: --jobs and DataLoader work in its daemons, which may not start
# processes. Its spawning would also run the user's script a second time.
_START = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from cxr_sr.formats.sandbox_child import serve; serve()"
)
_ENVIRONMENT = {
    # The stacks of a thread pool need address space, which is limited. Threads also
    # count as processes, and no more processes are allowed.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
    # The C library fills new memory with the complement of this byte, and freed memory
    # with this byte: mallopt(3), M_PERTURB.
    "MALLOC_PERTURB_": "255",
    # macOS has other names and another byte: malloc(3).
    "MallocPreScribble": "1",
    "MallocScribble": "1",
}
DEADLINE_S = 25
"""Time limit for an image, in seconds; a file with its header takes less than 30."""
Facts = dict[str, Any]
Answer = TypeVar("Answer")
_LONGEST_ANSWER = 10_000
"""Largest length in bytes of the line before the samples."""


def own_sandbox() -> Sandbox:
    """Return the sandbox of this process."""
    return _own_sandbox(os.getpid())


@functools.cache
def _own_sandbox(_pid: int) -> Sandbox:
    """Return the sandbox of one process; a fork must not share its parent's pipes."""
    return Sandbox()


class Sandbox:
    """A decoding process; it starts at the first request."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._child: _Child | None = None

    def ask(
        self,
        request: Facts,
        payload: bytes,
        what: str,
        size: Callable[[Facts], int],
        shaped: Callable[[Facts, bytes], Answer],
    ) -> Answer:
        """Send a request, and return the result of `shaped` for the answer.

        Parameters
        ----------
        what : name of the data, for messages
        size : returns the number of bytes after the facts of the answer. If `size` or
            `shaped` raises an error, the answer is invalid, and the process is replaced

        Raises
        ------
        UnreadableError
            If the decoder refuses the payload, crashes, needs more than `DEADLINE_S`,
            or needs more memory than the limit for an image of this size.
        """
        request = request | {"seconds": DEADLINE_S}
        with self._one_at_a_time:
            if self._child is None or self._child.is_dead:
                self._child = _Child()
            try:
                return shaped(*self._child.answer(request, payload, size))
            except UnreadableError:
                raise
            except (OSError, EOFError) as error:  # the process has ended, or ends now
                raise _refusal(self._child.exit_code(), what) from error
            except (ValueError, TypeError, LookupError, RecursionError) as error:
                self._child.stop()
                raise _no_image(what) from error
            except BaseException:  # an interruption before the answer
                self._child.stop()
                raise


class _Child:
    """The operating system's process of a sandbox, from its start to its end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - the same interpreter
            [sys.executable, "-c", _START, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # codecs print about damage; so does our error
            env=os.environ | _ENVIRONMENT,
        )
        self._finalizer = weakref.finalize(self, _end, self._process)

    @property
    def is_dead(self) -> bool:
        return self._process.poll() is not None

    def answer(
        self, request: Facts, payload: bytes, size: Callable[[Facts], int]
    ) -> tuple[Facts, bytes]:
        """Send a request, and return the answer.

        Raises
        ------
        EOFError, ValueError
            If the process ends, or its answer is invalid.
        UnreadableError
            If the decoder refuses the payload.
        """
        ask, answers = _pipes(self._process)
        ask.write(json.dumps(request).encode() + b"\n")
        ask.write(payload)
        ask.flush()
        line = answers.readline(_LONGEST_ANSWER)
        if not line:
            raise EOFError
        facts = json.loads(line)
        refused = facts.get("refused") if isinstance(facts, dict) else None
        data = b"" if refused else _exactly(answers, size(facts))
        if _exactly(answers, 1) != b"\n":
            raise ValueError
        if refused:
            raise UnreadableError(str(refused))
        return facts, data

    def exit_code(self) -> int:
        """Wait for the end of the process; return its exit code, or minus its signal.

        Its pipe is closed, so the process has ended, or the system is ending it.
        """
        try:
            self._process.wait(DEADLINE_S)
        finally:
            self._finalizer()
        return self._process.returncode

    def stop(self) -> None:
        """End the process."""
        self._finalizer()


def _exactly(pipe: IO[bytes], count: int) -> bytes:
    """Return `count` bytes; raise EOFError if the process ends before."""
    data = pipe.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise EOFError
    return process.stdin, process.stdout


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(SystemExit, KeyboardInterrupt):  # at the interpreter's end
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # the process ended without all data
                pipe.close()


def _no_image(what: str) -> UnreadableError:
    return UnreadableError(
        f"the answer of the decoder of {what} is no image: the file is damaged or "
        "hostile; export it again, uncompressed if you can"
    )


def _refusal(code: int, what: str) -> UnreadableError:
    timers = () if sys.platform == "win32" else (-signal.SIGALRM, -signal.SIGXCPU)
    if code in timers:
        return UnreadableError(
            f"{what} was not decoded within "
            f"{DEADLINE_S} s; the file is damaged or hostile: export it "
            "again, uncompressed if you can"
        )
    return UnreadableError(
        f"the decoder of {what} {end_of(code)}; try again, and if it fails again, "
        "export the file again, uncompressed if you can"
    )
