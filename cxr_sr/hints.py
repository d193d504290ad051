"""Near misses: the known name that somebody probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return " did you mean 'fine'?", or "" where no known name is similar.

    Parameters
    ----------
    given : what was written; capitals do not matter
    known : the names that there are
    """
    names = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(given.casefold(), names, n=1, cutoff=0.6)
    return f" did you mean {names[close[0]]!r}?" if close else ""
