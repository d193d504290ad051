"""Describe the end of a process."""

from __future__ import annotations

import signal

_FROM_OUTSIDE = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
"""Signals by which people and schedulers stop a process; it does not cause them."""


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
    """Return what happened to a process that ended early, as the rest of a sentence.

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
