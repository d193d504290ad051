"""Ctrl-C and SIGTERM, which end a command once and for all.

Python forgets an exception that is raised within a destructor, as a library's may well
run when the signal comes: the command would go on as if nothing had been asked.
"""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

_came = threading.Event()


def listen() -> None:
    """Let both signals raise KeyboardInterrupt, and be remembered.

    One that the process is to ignore, as behind `nohup` or `&`, stays ignored; but a
    batch system ends a job with SIGTERM, which is as clean an end as Ctrl-C.
    """
    _came.clear()
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    sys.unraisablehook = _say_no_more


def check() -> None:
    """Raise what was forgotten.

    Raises
    ------
    KeyboardInterrupt
        If a signal has come since `listen`.
    """
    if _came.is_set():
        raise KeyboardInterrupt


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _came.set()
    raise KeyboardInterrupt


def _say_no_more(raised: sys.UnraisableHookArgs) -> None:
    """Tell of what could not be raised, but for interruptions: they are remembered."""
    if not isinstance(raised.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(raised)
