"""Describe the end of a process."""

from __future__ import annotations

import signal


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
