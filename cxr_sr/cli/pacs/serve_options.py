"""The options of `cxr-sr serve`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from typer import Option

from cxr_sr.cli.options import Json, Quiet
from cxr_sr.cli.pacs.options import NETWORK, Aet, Tls
from cxr_sr.cli.upscale.options import Treatment
from cxr_sr.errors import SettingsError

LIMITS = "Limits"


@dataclass(frozen=True, kw_only=True)
class ServeOptions(Treatment):
    """The options of `cxr-sr serve`."""

    store: Annotated[
        Path | None,
        Option(
            "--store",
            metavar="DIR",
            help="Folder of the queue and the report, on a local disk. Required.",
            show_default=False,
        ),
    ] = None
    aet: Aet = "CXR-SR"
    bind: Annotated[
        str,
        Option(
            metavar="HOST",
            help="Address to listen on. The default is for this machine alone; "
            "0.0.0.0 is for all networks, and needs --allow.",
            rich_help_panel=NETWORK,
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Option(
            min=0,
            max=65535,
            help="TCP port; 0: any free port.",
            rich_help_panel=NETWORK,
        ),
    ] = 11112
    send: Annotated[
        list[str],
        Option(
            metavar="AET@HOST:PORT",
            help="Send results to this AE by C-STORE. Repeat the option for several.",
            show_default=False,
            rich_help_panel=NETWORK,
        ),
    ] = field(default_factory=list)
    send_web: Annotated[
        list[str],
        Option(
            metavar="URL",
            help="Send results to this DICOMweb server by STOW-RS. User and password "
            "may stand in the URL or in ~/.netrc. Repeat the option for several.",
            show_default=False,
            rich_help_panel=NETWORK,
        ),
    ] = field(default_factory=list)
    back: Annotated[
        bool,
        Option(
            "--back",
            help="Send each result back to the AE title that sent the instance; "
            "[peers] in --rules has its address.",
            rich_help_panel=NETWORK,
        ),
    ] = False
    allow: Annotated[
        list[str],
        Option(
            metavar="AET[@HOST]",
            help="Accept associations only from this AE title (*: any) and, if given, "
            "from this host or network. Repeat the option for several.",
            show_default=False,
            rich_help_panel=NETWORK,
        ),
    ] = field(default_factory=list)
    rules: Annotated[
        Path | None,
        Option(
            metavar="FILE.toml",
            help="Rules that choose the treatment and the receivers of an instance; "
            "see docs/pacs.md.",
            rich_help_panel=NETWORK,
        ),
    ] = None
    tls: Tls = None
    max_associations: Annotated[
        int,
        Option(
            min=1,
            help="Largest number of associations at the same time.",
            rich_help_panel=LIMITS,
        ),
    ] = 10
    max_object: Annotated[
        int,
        Option(
            min=1,
            metavar="MB",
            help="Largest size of an instance, in MB.",
            rich_help_panel=LIMITS,
        ),
    ] = 512
    max_queue: Annotated[
        int,
        Option(
            min=1,
            help="Largest number of unfinished instances in the queue.",
            rich_help_panel=LIMITS,
        ),
    ] = 10000
    min_free: Annotated[
        int,
        Option(
            min=0,
            metavar="MB",
            help="Refuse instances when the disk has less free space than this, in MB.",
            rich_help_panel=LIMITS,
        ),
    ] = 2000
    remember: Annotated[
        float,
        Option(
            min=0,
            metavar="HOURS",
            help="Hours after sending a result in which the same instance is not "
            "processed again.",
            rich_help_panel=LIMITS,
        ),
    ] = 24.0
    jobs: Annotated[int, Option(min=1, help="Number of processes.")] = 1
    retry: Annotated[
        bool,
        Option("--retry", help="First, put all files of DIR/dead back into the queue."),
    ] = False
    status: Annotated[
        bool, Option("--status", help="Print the state of the node of DIR, and end.")
    ] = False
    conformance: Annotated[
        bool,
        Option("--conformance", help="Print the DICOM conformance statement, and end."),
    ] = False
    quiet: Quiet = False
    as_json: Json = False

    @property
    def folder(self) -> Path:
        """The folder of the store.

        Raises
        ------
        SettingsError
            If --store is missing.
        """
        if self.store is None:
            raise SettingsError("give --store DIR, a folder for the queue")
        return self.store
