"""Options of the commands that connect to a PACS."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

if TYPE_CHECKING:
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
