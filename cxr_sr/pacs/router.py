"""Choose the treatment of an instance: by the rules, or by the default."""

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
    """Which recipe: 0 is that of the command line, then one for each rule."""
    receivers: tuple[str, ...] = ()
    """By name; none: the result stays in the store."""
    left: str = ""
    """Why it is left alone; "" if it is not."""


@dataclass(frozen=True)
class Router:
    """Decides by the first rule that fits.

    Parameters
    ----------
    peers, back : where results go that no rule speaks of
    """

    rules: RoutingRules
    peers: Sequence[Peer] = ()
    back: bool = False

    def decide(self, instance: Instance) -> Decision:
        """Return the treatment of an instance.

        Raises
        ------
        SettingsError
            If it is to go back to a sender that is not among the peers.
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
        """Whether it matters who sent an instance."""
        return self.back or any(
            rule.back or "calling" in rule.texts for rule in self.rules.rules
        )

    @property
    def all_peers(self) -> dict[str, Peer]:
        """Every receiver that a result may go to, by name."""
        named = [*self.peers, *self.rules.peers.values()]
        return {peer.name: peer for peer in named}

    def check(self) -> None:
        """Make sure that there is a table of peers where one is needed.

        Raises
        ------
        SettingsError
            If results are to go back, and no rules say where senders are.
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
                    f"its result is to go back, but the [peers] of the rules have no "
                    f"{instance.calling or 'sender without AE title'}"
                )
            receivers.append(sender.name)
        return tuple(dict.fromkeys(receivers))
