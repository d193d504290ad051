"""Read rules: each rule chooses instances, their treatment, and their receivers.

::

    [peers]                        # names for receivers, and the table for --back
    ARCHIVE = "PACS@10.0.0.5:104"
    WEB = "https://pacs.example/dicom-web"
    ROOM3 = { aet = "ROOM3", host = "10.0.0.7", port = 104, tls = false }

    [[rule]]                       # the first rule that fits an instance is taken
    modality = "MG"
    leave = true

    [[rule]]
    modality = ["CR", "DX"]
    body_part = "CHEST"
    max_long_side = 2500
    model = "fine"
    scale = 2
    send = ["ARCHIVE"]

If no rule fits an instance, the options of the command line decide.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from cxr_sr.errors import SettingsError
from cxr_sr.pacs.instance import Instance
from cxr_sr.pacs.network.peers import DicomPeer, Peer, ae_title, parse_peer, port_number

T = TypeVar("T")

TEXTS = ("modality", "body_part", "view", "station", "calling", "called")
"""Conditions with a text or a list of texts; * and ? stand for other characters."""
BOUNDS = ("min_long_side", "max_long_side", "min_spacing_mm", "max_spacing_mm")
"""Conditions with numbers; the limits are included."""
ACTIONS = ("leave", "model", "scale", "send", "back")
_KEYS = ("name", *TEXTS, *BOUNDS, *ACTIONS)


@dataclass(frozen=True)
class RoutingRule:
    """Conditions, and the treatment if all conditions hold."""

    name: str
    """Name for messages: the name in the file, or the number of the rule."""
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bounds: Mapping[str, float] = field(default_factory=dict)
    leave: bool = False
    model: str | None = None
    """None: the model of the command line."""
    scale: int | None = None
    """None: the scale of the command line."""
    send: tuple[str, ...] | None = None
    """Names of peers; None: the receivers of the command line."""
    back: bool | None = None
    """Send the result back to the sender; None: the option of the command line."""

    def fits(self, instance: Instance) -> bool:
        """Tell whether all conditions hold."""
        return all(
            _matches(str(getattr(instance, name)), patterns)
            for name, patterns in self.texts.items()
        ) and all(
            _within(instance, bound, limit) for bound, limit in self.bounds.items()
        )


@dataclass(frozen=True)
class RoutingRules:
    """The rules of a file in their order, and the receivers in the file."""

    rules: tuple[RoutingRule, ...] = ()
    peers: Mapping[str, Peer] = field(default_factory=dict)

    def first(self, instance: Instance) -> RoutingRule | None:
        """Return the first rule that fits; None without such a rule."""
        return next((rule for rule in self.rules if rule.fits(instance)), None)

    def peer_of(self, aet: str) -> Peer | None:
        """Return the receiver to send back to, for the AE title of a sender."""
        by_title = {p.aet: p for p in self.peers.values() if isinstance(p, DicomPeer)}
        return self.peers.get(aet) or by_title.get(aet)


def read_rules(path: Path, *, tls: bool = False) -> RoutingRules:
    """Read and check a rules file.

    Parameters
    ----------
    tls : use TLS for receivers if the file does not state it

    Raises
    ------
    SettingsError
        If the file cannot be read, or has an unknown key or a value of a wrong type.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise SettingsError(
            f"the rules {path.name} cannot be read: {error.strerror}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the rules {path.name} are no TOML: {error}") from error
    _refuse_unknown(content, ("peers", "rule"), "the file")
    peers = {
        name: _peer(name, given, tls=tls)
        for name, given in _table(content, "peers").items()
    }
    listed = content.get("rule", [])
    if not isinstance(listed, list) or not all(isinstance(r, dict) for r in listed):
        raise SettingsError("rules: expected [[rule]] tables, with two brackets")
    rules = tuple(_rule(n, given, peers) for n, given in enumerate(listed, 1))
    return RoutingRules(rules, peers)


def _peer(name: str, given: object, *, tls: bool) -> Peer:
    where = f"rules, peer {name}"
    if isinstance(given, str):
        try:
            return parse_peer(given, tls=tls)
        except SettingsError as error:
            raise SettingsError(f"{where}: {error}") from error
    if not isinstance(given, dict):
        raise SettingsError(f"{where}: expected a text or a table, found {given!r}")
    _refuse_unknown(given, ("aet", "host", "port", "tls"), where)
    aet, host = (_typed(given.get(key), str, f"{where}, {key}") for key in _NAMES)
    port = _typed(given.get("port"), int, f"{where}, port")
    secure = _typed(given.get("tls", tls), bool, f"{where}, tls")
    return DicomPeer(ae_title(aet), host, port_number(str(port)), secure)


_NAMES = ("aet", "host")


def _rule(number: int, given: dict[str, Any], peers: Mapping[str, Peer]) -> RoutingRule:
    name = str(given.get("name", number))
    where = f"rule {name}"
    _refuse_unknown(given, _KEYS, where)
    rule = RoutingRule(
        name=name,
        texts={k: _texts(given[k], f"{where}, {k}") for k in TEXTS if k in given},
        bounds={k: _number(given[k], f"{where}, {k}") for k in BOUNDS if k in given},
        leave=_typed(given.get("leave", False), bool, f"{where}, leave"),
        model=_optional(given, "model", str, where),
        scale=_optional(given, "scale", int, where),
        send=_texts(given["send"], f"{where}, send") if "send" in given else None,
        back=_optional(given, "back", bool, where),
    )
    _check(rule, where, peers)
    return rule


def _check(rule: RoutingRule, where: str, peers: Mapping[str, Peer]) -> None:
    acts = (rule.model, rule.scale, rule.send, rule.back)
    if rule.leave and any(action is not None for action in acts):
        raise SettingsError(
            f"{where}: with leave, the keys model, scale, send and back have no "
            "meaning; remove them, or remove leave"
        )
    for name in rule.send or ():
        if name not in peers:
            raise SettingsError(
                f"{where}, send: there is no peer {name!r}; expected one of [peers]: "
                f"{', '.join(peers) or '(none there)'}"
            )


def _matches(value: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value.upper(), pattern.upper()) for pattern in patterns)


def _within(instance: Instance, bound: str, limit: float) -> bool:
    side, _, name = bound.partition("_")
    value = getattr(instance, name)
    if not value:  # a missing value fulfils no condition
        return False
    return bool(value >= limit if side == "min" else value <= limit)


def _refuse_unknown(
    given: Mapping[str, object], known: tuple[str, ...], where: str
) -> None:
    unknown = [key for key in given if key not in known]
    if unknown:
        raise SettingsError(
            f"rules, {where}: {unknown[0]!r} is unknown; expected {', '.join(known)}"
        )


def _table(content: Mapping[str, object], key: str) -> dict[str, object]:
    found = content.get(key, {})
    if not isinstance(found, dict):
        raise SettingsError(f"rules: [{key}] is no table")
    return found


def _texts(given: object, where: str) -> tuple[str, ...]:
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(t, str) for t in listed):
        raise SettingsError(f"{where}: expected a text or a list of texts")
    return tuple(listed)


def _number(given: object, where: str) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise SettingsError(f"{where}: expected a number, found {given!r}")
    return float(given)


def _optional(
    given: Mapping[str, object], key: str, kind: type[T], where: str
) -> T | None:
    return _typed(given[key], kind, f"{where}, {key}") if key in given else None


def _typed(given: object, kind: type[T], where: str) -> T:
    # In Python, a bool is also an int; here it is no number.
    if not isinstance(given, kind) or (kind is int and isinstance(given, bool)):
        words = {str: "a text", int: "a whole number", bool: "true or false"}
        raise SettingsError(f"{where}: expected {words[kind]}, found {given!r}")
    return given
