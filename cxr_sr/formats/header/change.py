"""The input of the rules of a derived header, and the options of the caller."""

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
    """Return the installed version, "0" in a checkout that was never installed."""
    try:
        return importlib.metadata.version(TOOL)
    except importlib.metadata.PackageNotFoundError:
        return "0"


@dataclass(frozen=True)
class HeaderOptions:
    """The user's options for derived headers."""

    equipment: Equipment = "standard"
    """standard: General Equipment names this tool and the source's moves to
    ContributingEquipmentSequence; keep: Manufacturer and its like stay, for studies
    that group images by them."""
    private: PrivateElements = "drop"
    """Private elements may hold pixel coordinates, LUTs or a patient's name."""
    overlays: OverlayPlanes = "scale"
    """Overlay planes follow the image, or go."""
    synthetic: bool = True
    """Declare the pixels of a trained network as SyntheticData."""
    series_offset: int = 9000
    """Added to SeriesNumber, so that results sort behind their sources."""
    series_number: int | None = None
    """SeriesNumber of every result, in place of the source's and the offset."""
    dates: Dates = "auto"
    """now: series, content and instance get the time of the run; source: they keep
    their dates; none: they have none; auto: source where PatientIdentityRemoved is YES
    or LongitudinalTemporalInformationModified is MODIFIED or REMOVED, else now."""
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Keyword -> value, stated of an image that came without a header (a picture, an
    array): PatientID, StudyInstanceUID, StudyDate, Modality and their like. A DICOM
    file has its own."""


@dataclass(frozen=True, eq=False)
class Change:
    """One derivation of a header: all that a rule may look at."""

    source: Dataset
    """The header before; rules write to another dataset, never to this one."""
    derivation: Derivation
    shape: tuple[int, int]
    """(rows, columns) of the result."""
    now: datetime
    """When the result is made, in the header's own time zone."""
    options: HeaderOptions = field(default_factory=HeaderOptions)

    @functools.cached_property
    def dates(self) -> ChosenDates:
        """Where series, content and instance take their dates from."""
        return ChosenDates.by(self.source, self.options.dates)

    @functools.cached_property
    def source_shape(self) -> tuple[int, int]:
        """(rows, columns) of the source; by the factors if its header says nonsense."""
        stated = [*numbers(self.source, "Rows"), *numbers(self.source, "Columns")]
        if len(stated) == 2 and min(stated) >= 1:
            return int(stated[0]), int(stated[1])
        (rows, columns), (down, across) = self.shape, self.derivation.factors
        return round(rows / down), round(columns / across)


Action = Callable[[Dataset, tuple[str, ...], Change], None]
"""Changes a header in place: (result so far, the rule's attributes, the change)."""


@dataclass(frozen=True)
class Rule:
    """A rule: some attributes, and the change that is made to them."""

    names: str
    """Keywords of PS3.6 and, for what has none, tags as PS3.6 writes them: (60xx,eeee);
    a space between them."""
    action: Action
    told: str
    """What a user is told, as a phrase that follows the names."""
    source: str
    """The clause that asks for it, or "our choice"."""

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names one by one."""
        return tuple(self.names.split())


def each(act: Callable[[Dataset, str, Change], None]) -> Action:
    """Make an action from a change of a single attribute."""

    @functools.wraps(act)
    def action(result: Dataset, attributes: tuple[str, ...], change: Change) -> None:
        for attribute in attributes:
            act(result, attribute, change)

    return action


def keep(_result: Dataset, _attributes: tuple[str, ...], _change: Change) -> None:
    """Do nothing: the rule is there to be read, and tested."""


@each
def drop(result: Dataset, keyword: str, _change: Change) -> None:
    """Take the attribute out."""
    remove(result, keyword)
