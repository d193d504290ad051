"""`cxr-sr serve`: a DICOM node that super-resolves the radiographs that it receives."""

import dataclasses
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from cxr_sr.batch.pipeline import Overlapped
from cxr_sr.cli import interrupt, output
from cxr_sr.cli.batch import executor
from cxr_sr.cli.errors import DONE
from cxr_sr.cli.options import require
from cxr_sr.cli.pacs.options import certificates
from cxr_sr.cli.pacs.serve_options import ServeOptions
from cxr_sr.cli.upscale.options import Options, Treatment
from cxr_sr.errors import SettingsError

if TYPE_CHECKING:
    from cxr_sr.batch.upscaling import UpscalingRecipe
    from cxr_sr.pacs.rules import RoutingRules
    from cxr_sr.pacs.settings import NodeSettings

SWITCH_S = 0.0005
"""A tenth of Python's default, so that an association answers during computing."""


def serve(options: ServeOptions) -> int:
    """Receive radiographs by C-STORE, super-resolve them, and send the results.

    The node answers when an instance is in the queue on disk. Each instance has one of
    three ends: the node sends its result, or a rule leaves the instance alone, or the
    instance moves to DIR/dead with a reason. --json prints each line of the report.
    """
    if options.status:
        return _tell_status(options)
    require("pynetdicom", "dicomweb_client")
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
    """Print nothing."""


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
    from cxr_sr.pacs.network.peers import (
        Callers,
        ae_title,
        is_loopback,
        parse_peer,
        web_peer,
    )
    from cxr_sr.pacs.receive import Address, NodeLimits
    from cxr_sr.pacs.router import Router
    from cxr_sr.pacs.rules import RoutingRules, read_rules
    from cxr_sr.pacs.settings import NodeSettings

    tls = certificates(options.tls)
    rules = RoutingRules()
    if options.rules is not None:
        rules = read_rules(options.rules, tls=tls is not None)
    receivers = [parse_peer(text, tls=tls is not None) for text in options.send]
    receivers += map(web_peer, options.send_web)
    router = Router(rules, receivers, options.back)
    router.check()
    callers = Callers.parse(options.allow)
    if not callers.allowed and not is_loopback(options.bind):
        raise SettingsError(
            f"--bind {options.bind} lets other machines reach the port; name permitted "
            "senders with --allow AET@HOST, or use --allow '*' for all"
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


def _recipes(options: ServeOptions, rules: "RoutingRules") -> "list[UpscalingRecipe]":
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
