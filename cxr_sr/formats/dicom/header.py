"""Define the DICOM header of a radiograph."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from cxr_sr.formats.guard import quiet
from cxr_sr.formats.header.dates import ChosenDates
from cxr_sr.formats.header.derive import HeaderOptions, derive
from cxr_sr.formats.header.elements import VALID_UID, text
from cxr_sr.formats.header.own import is_own
from cxr_sr.radiograph import Derivation, Header


@dataclass(frozen=True)
class Uids:
    """The UIDs that identify an image in an archive; the header's text, valid or not.

    None if the header does not state the UID, or the image is not DICOM.
    """

    instance: str | None = None
    """SOPInstanceUID (0008,0018)."""
    series: str | None = None
    """SeriesInstanceUID (0020,000E)."""

    @property
    def is_valid(self) -> bool:
        """True if other files may refer to the instance, PS3.5 9.1."""
        found = self.instance or ""
        return len(found) <= 64 and VALID_UID.fullmatch(found) is not None

    @classmethod
    def of(cls, header: Header) -> Uids:
        """Return the UIDs of a radiograph's header."""
        if not isinstance(header, DicomHeader):
            return cls()
        with quiet():
            return cls(
                text(header.dataset, "SOPInstanceUID") or None,
                text(header.dataset, "SeriesInstanceUID") or None,
            )


@dataclass(frozen=True, eq=False)
class DicomHeader:
    """The data set of a DICOM file without its pixel data; implements `Header`."""

    dataset: Dataset
    """The data set in Explicit VR Little Endian, without groups 0002 and 7FE0; never
    changed in place."""
    transfer_syntax: UID = ExplicitVRLittleEndian
    """Transfer syntax of the source file."""
    options: HeaderOptions = field(default_factory=HeaderOptions)
    """The user's options for headers that are derived from this header."""

    @property
    def own(self) -> bool:
        """True if the image is a result of this package."""
        with quiet():
            return is_own(self.dataset)

    @property
    def lossy(self) -> bool:
        """True if the pixels were ever compressed with loss."""
        with quiet():
            return text(self.dataset, "LossyImageCompression") == "01"

    @property
    def dates(self) -> ChosenDates:
        """The origin of the dates in headers that are derived from this header."""
        with quiet():
            return ChosenDates.by(self.dataset, self.options.dates)

    def derived(
        self, derivation: Derivation, shape: tuple[int, ...], now: datetime
    ) -> DicomHeader:
        """Return the header of the upscaled image of `shape`, made at `now`."""
        with quiet():
            dataset = derive(self.dataset, derivation, shape, now, self.options)
        return DicomHeader(dataset, options=self.options)
