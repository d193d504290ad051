"""A DICOM header as a radiograph carries it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from cxr_sr.formats.guard import quiet
from cxr_sr.formats.header.derive import HeaderOptions, derive
from cxr_sr.formats.header.own import is_own
from cxr_sr.radiograph import Derivation


@dataclass(frozen=True, eq=False)
class DicomHeader:
    """The data set of a DICOM file without its pixel data; implements `Header`."""

    dataset: Dataset
    """Never changed in place; Explicit VR Little Endian, without groups 0002, 7FE0."""
    transfer_syntax: UID = ExplicitVRLittleEndian
    """How the file was coded that this was read from."""
    options: HeaderOptions = field(default_factory=HeaderOptions)
    """What the user chose for headers derived from this one."""

    @property
    def own(self) -> bool:
        """Whether this package made the image finer already."""
        with quiet():
            return is_own(self.dataset)

    def derived(
        self, derivation: Derivation, shape: tuple[int, ...], now: datetime
    ) -> DicomHeader:
        """Return the header of the upscaled image of `shape`, made at `now`."""
        with quiet():
            dataset = derive(self.dataset, derivation, shape, now, self.options)
        return DicomHeader(dataset, options=self.options)
