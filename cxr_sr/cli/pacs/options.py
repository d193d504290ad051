"""Options of the commands that connect to a PACS."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from cxr_sr.errors import SettingsError

if TYPE_CHECKING:
    from cxr_sr.pacs.network.peers import Peer
    from cxr_sr.pacs.network.tls import Certificates

NETWORK = "Network"

Tls = Annotated[
    tuple[Path, Path, Path] | None,
    Option(
        "--tls",
        metavar="CERT KEY CA",
        help="PEM files: our certificate, its key, and the certificate of the trusted "
        "authority. With this option, the port and all receivers use TLS.",
        show_default=False,
        rich_help_panel=NETWORK,
    ),
]
Aet = Annotated[
    str,
    Option(
        "--aet",
        metavar="AET",
        help="Our own AE title.",
        rich_help_panel=NETWORK,
    ),
]


def require_pacs(*packages: str) -> None:
    """Make sure that the packages of the extra `pacs` are installed.

    Raises
    ------
    SettingsError
        If a package is missing.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"this needs {', '.join(missing)}; run: pip install 'cxr-sr[pacs]'"
        )


def certificates(given: tuple[Path, Path, Path] | None) -> "Certificates | None":
    """Return the given certificates after a check.

    Raises
    ------
    SettingsError
        If they cannot be used.
    """
    from cxr_sr.pacs.network.tls import Certificates

    if given is None:
        return None
    found = Certificates(*given)
    found.client()
    return found


def peers(dicom: list[str], web: list[str], *, tls: bool) -> "tuple[Peer, ...]":
    """Return the given receivers.

    Raises
    ------
    SettingsError
        If a receiver is neither AET@HOST:PORT nor a URL.
    """
    from cxr_sr.pacs.network.peers import parse_peer, web_peer

    return (*(parse_peer(text, tls=tls) for text in dicom), *map(web_peer, web))
