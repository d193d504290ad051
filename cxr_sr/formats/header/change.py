"""Define the input of the header rules, and the options of the caller."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydicom.dataset import Dataset

from cxr_sr.formats.header.dates import ChosenDates
from cxr_sr.formats.header.elements import numbers, remove
from cxr_sr.names import Dates, Equipment, OverlayPlanes, PrivateElements
from cxr_sr.radiograph import Derivation

TOOL = "cxr-sr"


@functools.cache
def tool_version() -> str:
    """Return the installed version; "0" in a checkout that was never installed."""
    try:
        return importlib.metadata.version(TOOL)
    except importlib.metadata.PackageNotFoundError:
        return "0"


@dataclass(frozen=True)
class HeaderOptions:
    """The user's options for derived headers."""

    equipment: Equipment = "standard"
    """standard: General Equipment names this tool, and the source's equipment moves to
    ContributingEquipmentSequence. keep: the source's Manufacturer and related
    attributes stay, for studies that group images by them."""
    private: PrivateElements = "drop"
    """Keep or drop private elements; they may hold pixel coordinates, LUTs or a
    patient's name."""
    overlays: OverlayPlanes = "scale"
    """Enlarge overlay planes with the image, or drop them."""
    synthetic: bool = True
    """Declare the pixels of a trained network as SyntheticData."""
    series_offset: int = 9000
    """Number to add to SeriesNumber, so that viewers list results after their
    sources."""
    series_number: int | None = None
    """SeriesNumber of every result, instead of the source's number plus the offset."""
    dates: Dates = "auto"
    """Dates of series, content and instance. now: the time of the run; source: the
    source's dates; none: no dates; auto: source if PatientIdentityRemoved is YES or
    LongitudinalTemporalInformationModified is MODIFIED or REMOVED, else now."""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Values by DICOM keyword for an image without a header (a picture, an array):
    PatientID, StudyInstanceUID, StudyDate, Modality and others. Not used for a DICOM
    file, which has its own header."""


@dataclass(frozen=True, eq=False)
class Change:
    """One derivation of a header: all facts that a rule may use."""

    source: Dataset
    """The header of the source; rules write to another data set, never to this one."""
    derivation: Derivation
    shape: tuple[int, int]
    """(rows, columns) of the result."""
    now: datetime
    """Time of the run, in the time zone of the header."""
    options: HeaderOptions = field(default_factory=HeaderOptions)

    @functools.cached_property
    def dates(self) -> ChosenDates:
        """Origin of the dates of series, content and instance."""
        return ChosenDates.by(self.source, self.options.dates)

    @functools.cached_property
    def source_shape(self) -> tuple[int, int]:
        """(rows, columns) of the source; from the factors if its header is invalid."""
        stated = [*numbers(self.source, "Rows"), *numbers(self.source, "Columns")]
        if len(stated) == 2 and min(stated) >= 1:
            return int(stated[0]), int(stated[1])
        (rows, columns), (down, across) = self.shape, self.derivation.factors
        return round(rows / down), round(columns / across)


Action = Callable[[Dataset, tuple[str, ...], Change], None]
"""A function (result so far, attributes, change) that changes the result in place."""


@dataclass(frozen=True)
class Rule:
    """One rule of the table: attributes, and the action on them."""

    names: str
    """Keywords of PS3.6, separated by spaces. An attribute without a unique keyword has
    a tag in the form of PS3.6: (60xx,eeee)."""
    action: Action
    told: str
    """Text for the documentation: a phrase that follows the names."""
    source: str
    """The clause of the standard that demands the change, or "our choice"."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names as a list."""
        return tuple(self.names.split())


def each(act: Callable[[Dataset, str, Change], None]) -> Action:
    """Make an action from a function for a single attribute."""

    @functools.wraps(act)
    def action(result: Dataset, attributes: tuple[str, ...], change: Change) -> None:
        for attribute in attributes:
            act(result, attribute, change)

    return action


def keep(_result: Dataset, _attributes: tuple[str, ...], _change: Change) -> None:
    """Do nothing; the rule is for the documentation and for tests."""


@each
def drop(result: Dataset, keyword: str, _change: Change) -> None:
    """Remove the attribute."""
    remove(result, keyword)
