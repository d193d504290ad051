"""Which images an index should have, by view and by body part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cxr_sr.errors import SettingsError
from cxr_sr.formats.dicom.subject import code
from cxr_sr.index.facts import Facts

NONE = "NONE"
"""Stands for images whose header and manifest say nothing."""


@dataclass(frozen=True)
class Wanted:
    """The views and body parts that are wanted; empty sets want all."""

    views: frozenset[str] = frozenset()
    body_parts: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, views: str | None, body_parts: str | None) -> Self:
        """Read "PA,AP" and "CHEST"; `none` among them stands for nothing stated.

        Raises
        ------
        SettingsError
            If a value is no code string of DICOM (PS3.5 6.2, CS).
        """
        return cls(_codes("--view", views), _codes("--body-part", body_parts))

    def refusal(self, facts: Facts) -> str:
        """Return why an image is not wanted; "" if it is.

        Parameters
        ----------
        facts : completed by a manifest
        """
        return _refusal("view", facts.view, self.views) or _refusal(
            "body part", facts.body_part, self.body_parts
        )


def unstated(attribute: str) -> str:
    """Return the reason of an image about which nothing states the attribute."""
    return f"its header states no {attribute}"


def _refusal(attribute: str, found: str, wanted: frozenset[str]) -> str:
    if not wanted or (found or NONE) in wanted:
        return ""
    if not found:
        return unstated(attribute)
    return f"its {attribute} is {found}; wanted: {', '.join(sorted(wanted))}"


def _codes(option: str, text: str | None) -> frozenset[str]:
    if text is None:
        return frozenset()
    given = [part.strip() for part in text.split(",")]
    codes = frozenset(map(code, given))
    if "" in codes:
        raise SettingsError(
            f"{option} {text!r}; expected values of the header, such as "
            f"{'PA,AP' if option == '--view' else 'CHEST'}, and none for images that "
            "state nothing"
        )
    return codes
