"""Define the settings of a node, checked at its start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxr_sr.pacs.network.peers import Callers
from cxr_sr.pacs.network.tls import Certificates
from cxr_sr.pacs.receive import Address, NodeLimits
from cxr_sr.pacs.router import Router


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """The settings of a node, checked."""

    store: Path
    address: Address
    router: Router
    callers: Callers = field(default_factory=Callers)
    limits: NodeLimits = field(default_factory=NodeLimits)
    tls: Certificates | None = None
    remember_hours: float = 24.0
    """Hours after sending in which the node recognises the same instance."""
    notice: str = ""


@dataclass(frozen=True, kw_only=True)
class Told:
    """Callbacks: the node reports its work, and asks whether to continue."""

    say: Callable[[str], None]
    record: Callable[[dict[str, Any]], None]
    """Called with every line of the report."""
    check: Callable[[], None] = lambda: None
    """Called regularly; raises an exception to end the node."""
