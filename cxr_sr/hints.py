"""Hints for messages: a similar name, or an extra that is missing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

_EXTRAS = {
    "PIL": "train",
    "dicomweb_client": "pacs",
    "highdicom": "tasks",
    "lightning": "train",
    "matplotlib": "figures",
    "openvino": "openvino",
    "pydicom_data": "demo",
    "pynetdicom": "pacs",
    "pytorch_msssim": "train",
    "ray": "ray",
    "tensorboard": "train",
    "torch": "train",
    "watchfiles": "pacs",
}
"""By module: the extra of this package that installs it, as in pyproject.toml."""


def how_to_install(error: ImportError) -> str:
    """Return the command that installs the module which an import did not find.

    Returns
    -------
    One sentence; it names the extra where the module belongs to one.
    """
    module = (error.name or "").partition(".")[0]
    extra = f"[{_EXTRAS[module]}]" if module in _EXTRAS else ""
    return (
        f"the package {module or 'it needs'} is not installed; run: "
        f"pip install 'cxr-sr{extra}'"
    )


def similar_file(path: Path) -> str:
    """Return "; did you mean 'chest.dcm'?" for a path that leads to nothing.

    Returns
    -------
    "" where the file is there, its folder is not, or no name is similar.
    """
    if path.exists():
        return ""
    try:
        hint = did_you_mean(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return ""
    return f";{hint}" if hint else ""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return " did you mean 'fine'?", or "" where no known name is similar.

    Parameters
    ----------
    given : the written name; capitals do not matter
    known : the names that there are
    """
    names = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(given.casefold(), names, n=1, cutoff=0.6)
    return f" did you mean {names[close[0]]!r}?" if close else ""
