"""`cxr-sr serve`: a DICOM node that super-resolves the radiographs that it receives."""

import dataclasses
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from cxr_sr.batch.pipeline import Overlapped
from cxr_sr.cli import interrupt, output
from cxr_sr.cli.batch import executor
from cxr_sr.cli.errors import DONE
from cxr_sr.cli.options import Json, Quiet
from cxr_sr.cli.pacs.options import (
    NETWORK,
    Aet,
    Tls,
    certificates,
    peers,
    require_pacs,
)
from cxr_sr.cli.upscale.options import Options, Treatment
from cxr_sr.errors import SettingsError

if TYPE_CHECKING:
    from cxr_sr.batch.upscaling import UpscalingRecipe
    from cxr_sr.pacs.rules import Rules
    from cxr_sr.pacs.settings import NodeSettings

LIMITS = "Limits"
SWITCH_S = 0.0005
"""A tenth of Python's own: an association answers while an image is computed."""


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
            help="Most associations at the same time.",
            rich_help_panel=LIMITS,
        ),
    ] = 10
    max_object: Annotated[
        int,
        Option(
            min=1,
            metavar="MB",
            help="Largest size of an instance.",
            rich_help_panel=LIMITS,
        ),
    ] = 512
    max_queue: Annotated[
        int,
        Option(
            min=1,
            help="Most unfinished instances in the queue.",
            rich_help_panel=LIMITS,
        ),
    ] = 10000
    min_free: Annotated[
        int,
        Option(
            min=0,
            metavar="MB",
            help="Refuse instances when the disk has less free space than this.",
            rich_help_panel=LIMITS,
        ),
    ] = 2000
    remember: Annotated[
        float,
        Option(
            min=0,
            metavar="HOURS",
            help="Do not treat an instance again if it was sent within this time.",
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
        """The store.

        Raises
        ------
        SettingsError
            If none was given.
        """
        if self.store is None:
            raise SettingsError("give --store DIR, a folder for the queue")
        return self.store


def serve(options: ServeOptions) -> int:
    """Receive radiographs by C-STORE, super-resolve them, and send the results on.

    The node answers when an instance is in the queue on disk. In the end, its result
    was sent, or a rule left it alone, or it lies in DIR/dead with the reason. --json
    prints each line of the report.
    """
    if options.status:
        return _tell_status(options)
    require_pacs("pynetdicom", "dicomweb_client")
    if options.conformance:
        from cxr_sr.pacs.conformance import statement

        for line in statement().splitlines():
            output.data(line)
        return DONE
    output.say(output.NOTICE)
    from cxr_sr.pacs.node import Node
    from cxr_sr.pacs.queue import Queue
    from cxr_sr.pacs.settings import Told

    settings, recipes = _settings(options)
    if options.retry:
        output.say(f"{Queue(options.folder).revive()} entries are tried again")
    told = Told(
        say=_silent if options.quiet else output.say,
        record=partial(output.record, stands=True) if options.as_json else _silent,
        check=interrupt.check,
    )
    hands: Any = Overlapped if options.jobs == 1 else executor(options.jobs)
    sys.setswitchinterval(SWITCH_S)
    Node(settings, recipes, hands, told).run()
    return DONE


def _silent(_said: object) -> None:
    """Tell nobody."""


def _tell_status(options: ServeOptions) -> int:
    from cxr_sr.pacs.status import lines_of, status_of

    status = status_of(options.folder)
    if options.as_json:
        output.record(status)
    else:
        for line in lines_of(status):
            output.data(line)
    return DONE


def _settings(
    options: ServeOptions,
) -> "tuple[NodeSettings, list[UpscalingRecipe]]":
    from cxr_sr.pacs.network.peers import Callers, ae_title, is_loopback
    from cxr_sr.pacs.receive import Address, NodeLimits
    from cxr_sr.pacs.router import Router
    from cxr_sr.pacs.rules import Rules, read_rules
    from cxr_sr.pacs.settings import NodeSettings

    tls = certificates(options.tls)
    rules = Rules()
    if options.rules is not None:
        rules = read_rules(options.rules, tls=tls is not None)
    receivers = peers(options.send, options.send_web, tls=tls is not None)
    router = Router(rules, receivers, options.back)
    router.check()
    callers = Callers.parse(options.allow)
    if not callers.allowed and not is_loopback(options.bind):
        raise SettingsError(
            f"--bind {options.bind} lets others reach the port; say who may send, with "
            "--allow AET@HOST, or --allow '*' for everyone"
        )
    settings = NodeSettings(
        store=options.folder,
        address=Address(ae_title(options.aet), options.bind, options.port),
        router=router,
        callers=callers,
        limits=NodeLimits(
            options.max_associations,
            options.max_object,
            options.max_queue,
            options.min_free,
        ),
        tls=tls,
        remember_hours=options.remember,
        notice=output.NOTICE,
    )
    return settings, _recipes(options, rules)


def _recipes(options: ServeOptions, rules: "Rules") -> "list[UpscalingRecipe]":
    """Return the recipe of the command line, and one for each rule."""
    from cxr_sr.cli.upscale.request import recipe_of

    if options.format not in ("same", "dicom"):
        raise SettingsError(
            f"--format {options.format}: a node sends DICOM; leave it out"
        )
    given = {f.name: getattr(options, f.name) for f in dataclasses.fields(Treatment)}
    common = partial(Options, inputs=[], output=options.folder, jobs=options.jobs)
    recipes = [recipe_of(common(**given))]
    for rule in rules.rules:
        changes: dict[str, Any] = {}
        if rule.model is not None:
            changes["model"] = rule.model
        if rule.scale is not None:
            changes |= {"scale": rule.scale, "spacing": None, "long_side": None}
        try:
            recipe = recipe_of(common(**given | changes)) if changes else recipes[0]
        except SettingsError as error:
            raise SettingsError(f"rule {rule.name}: {error}") from error
        recipes.append(recipe)
    return recipes
