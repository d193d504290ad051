"""Describe the end of a process."""

from __future__ import annotations

import signal

_FROM_OUTSIDE = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
"""Signals from people and schedulers; a process does not cause them itself."""


def cause_of(code: int | None) -> str:
    """Return the name of the signal that ended a process, or its exit code, as text.

    Parameters
    ----------
    code : exit code, or minus the number of a signal, as in `subprocess` and
        `multiprocessing`
    """
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:  # a real-time signal
        return f"signal {-code}"


def end_of(code: int | None) -> str:
    """Return a text about a process that ended early; it follows a subject.

    Parameters
    ----------
    code : as for `cause_of`
    """
    cause = cause_of(code)
    if cause == "SIGKILL":
        return (
            f"was killed ({cause}): by the system because memory ran out, or by "
            "somebody"
        )
    if cause in _FROM_OUTSIDE:
        return f"was stopped from outside ({cause})"
    return (
        f"crashed ({cause}): its data is damaged or hostile, memory ran out, or a "
        "library has a fault"
    )
