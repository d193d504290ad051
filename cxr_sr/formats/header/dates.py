"""Choose the dates of a result: dates of the run, of its source, or none.

The dates of a de-identified cohort are often shifted, sometimes by a century. With the
date of the run, a series would lie long before or after its own study.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydicom.dataset import Dataset

from cxr_sr.formats.header.elements import text
from cxr_sr.names import Dates

SHIFTED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("PatientIdentityRemoved", "(0012,0062)", ("YES",)),
    (
        "LongitudinalTemporalInformationModified",
        "(0028,0303)",
        ("MODIFIED", "REMOVED"),
    ),
)
"""Attributes and values that state a de-identification, PS3.3 C.7.1.1 and C.12.1."""


@dataclass(frozen=True)
class ChosenDates:
    """The origin of the dates of one result, and the reason."""

    which: Literal["now", "source", "none"]
    because: str = ""
    """The element of the header that decided, if any."""

    @classmethod
    def by(cls, header: Dataset, option: Dates) -> ChosenDates:
        """Return the origin of the dates for one header."""
        if option != "auto":
            return cls(option)
        for keyword, tag, values in SHIFTED:
            value = text(header, keyword).upper()
            if value in values:
                return cls("source", f"{keyword} {tag} is {value}")
        return cls("now")
