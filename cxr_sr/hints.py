"""Make hints for messages: a similar name, or a missing extra."""

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
"""The extra of this package that installs a module, by module; see pyproject.toml."""


def how_to_install(error: ImportError) -> str:
    """Return the command that installs the module which an import did not find.

    Returns
    -------
    One sentence; it names the extra if the module belongs to an extra.
    """
    module = (error.name or "").partition(".")[0]
    extra = f"[{_EXTRAS[module]}]" if module in _EXTRAS else ""
    return (
        f"the package {module or 'it needs'} is not installed; run: "
        f"pip install 'cxr-sr{extra}'"
    )


def similar_file(path: Path) -> str:
    """Return "; did you mean 'chest.dcm'?" for a path that does not exist.

    Returns
    -------
    "" if the file exists, its folder is missing, or no name is similar.
    """
    if path.exists():
        return ""
    try:
        hint = did_you_mean(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return ""
    return f";{hint}" if hint else ""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return " did you mean 'fine'?", or "" if no known name is similar.

    Parameters
    ----------
    given : the name that the user wrote; capitals do not matter
    known : all valid names
    """
    names = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(given.casefold(), names, n=1, cutoff=0.6)
    return f" did you mean {names[close[0]]!r}?" if close else ""
