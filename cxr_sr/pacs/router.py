"""Choose the treatment of an instance: by a rule, or by the default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cxr_sr.errors import SettingsError
from cxr_sr.pacs.instance import Instance
from cxr_sr.pacs.network.peers import Peer
from cxr_sr.pacs.rules import RoutingRule, RoutingRules


@dataclass(frozen=True)
class Decision:
    """The treatment of an instance."""

    recipe: int = 0
    """Number of the recipe: 0 for the command line, then one for each rule."""
    receivers: tuple[str, ...] = ()
    """The receivers by name; without any, the result stays in the store."""
    left: str = ""
    """The reason to leave the instance alone; "" to process it."""


@dataclass(frozen=True)
class Router:
    """Decides by the first rule that fits.

    Parameters
    ----------
    peers, back : receivers of results without a receiver in a rule
    """

    rules: RoutingRules
    peers: Sequence[Peer] = ()
    back: bool = False

    def decide(self, instance: Instance) -> Decision:
        """Return the treatment of an instance.

        Raises
        ------
        SettingsError
            If the result must go back to a sender without an address.
        """
        rule = self.rules.first(instance)
        if rule is None:
            return Decision(0, self._receivers(RoutingRule("none"), instance))
        if rule.leave:
            return Decision(left=f"rule {rule.name} leaves it alone")
        number = 1 + self.rules.rules.index(rule)
        return Decision(number, self._receivers(rule, instance))

    @property
    def by_sender(self) -> bool:
        """True if the receivers of a result depend on the sender."""
        return self.back or any(
            rule.back or "calling" in rule.texts for rule in self.rules.rules
        )

    @property
    def all_peers(self) -> dict[str, Peer]:
        """All possible receivers of a result, by name."""
        named = [*self.peers, *self.rules.peers.values()]
        return {peer.name: peer for peer in named}

    def check(self) -> None:
        """Make sure that there is a table of peers if one is needed.

        Raises
        ------
        SettingsError
            If results must go back to senders, but no rules have their addresses.
        """
        back = self.back or any(rule.back for rule in self.rules.rules)
        if back and not self.rules.peers:
            raise SettingsError(
                "results go back to their senders, but no sender has an address; list "
                'them in [peers] of --rules, such as ROOM3 = "ROOM3@HOST:PORT"'
            )

    def _receivers(self, rule: RoutingRule, instance: Instance) -> tuple[str, ...]:
        if rule.send is None:
            receivers = [peer.name for peer in self.peers]
        else:
            receivers = [self.rules.peers[name].name for name in rule.send]
        if self.back if rule.back is None else rule.back:
            sender = self.rules.peer_of(instance.calling)
            if sender is None:
                raise SettingsError(
                    "its result must go back to the sender, but [peers] of the rules "
                    f"lacks {instance.calling or 'a sender without AE title'}"
                )
            receivers.append(sender.name)
        return tuple(dict.fromkeys(receivers))
