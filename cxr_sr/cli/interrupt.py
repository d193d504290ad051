"""Make sure that Ctrl-C and SIGTERM end a command.

Python drops an exception that is raised in a destructor. If the signal comes while a
library's destructor runs, the command would go on.
"""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

_came = threading.Event()


def listen() -> None:
    """Let both signals raise KeyboardInterrupt, and remember each signal.

    If the process ignores SIGINT, for example after `nohup` or `&`, it stays ignored.
    SIGTERM, which batch systems send to end a job, works like Ctrl-C.
    """
    _came.clear()
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)
    sys.unraisablehook = _say_no_more


def check() -> None:
    """Raise KeyboardInterrupt again if Python dropped it.

    Raises
    ------
    KeyboardInterrupt
        If a signal has come since `listen`.
    """
    if _came.is_set():
        raise KeyboardInterrupt


def came() -> bool:
    """Tell whether a signal has come since `listen`."""
    return _came.is_set()


def ignore() -> None:
    """Ignore both signals from now on: the command has ended."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _came.set()
    raise KeyboardInterrupt


def _say_no_more(raised: sys.UnraisableHookArgs) -> None:
    """Print an exception that Python dropped, unless it is an interruption."""
    if not isinstance(raised.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(raised)
