"""Choose the images of an index by view and body part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cxr_sr.errors import SettingsError
from cxr_sr.formats.dicom.subject import code
from cxr_sr.index.facts import Facts

NONE = "NONE"
"""The option's value for images whose header and manifest state nothing."""


@dataclass(frozen=True)
class Wanted:
    """The wanted views and body parts; an empty set accepts all."""

    views: frozenset[str] = frozenset()
    body_parts: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, views: str | None, body_parts: str | None) -> Self:
        """Read "PA,AP" and "CHEST"; `none` accepts images that state nothing.

        Raises
        ------
        SettingsError
            If a value is no code string of DICOM (PS3.5 6.2, CS).
        """
        return cls(_codes("--view", views), _codes("--body-part", body_parts))

    def refusal(self, facts: Facts) -> str:
        """Return the reason to leave an image out; "" if the image is wanted.

        Parameters
        ----------
        facts : the facts of the image, completed by a manifest
        """
        return _refusal("view", facts.view, self.views) or _refusal(
            "body part", facts.body_part, self.body_parts
        )


def unstated(attribute: str) -> str:
    """Return the reason to leave out an image that does not state the attribute."""
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
