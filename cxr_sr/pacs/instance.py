"""Read the facts for rules: some attributes of an instance, and its sender.

The facts are never written to a file: together with other data, they may identify a
patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_file_meta_info

from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.dicom.parse import parse_header
from cxr_sr.formats.dicom.read import spacing
from cxr_sr.formats.dicom.subject import Subject
from cxr_sr.formats.guard import quiet, readable
from cxr_sr.formats.header.elements import numbers, text
from cxr_sr.formats.kind import Kind


@dataclass(frozen=True)
class Instance:
    """The facts about one instance; "" or None if the header does not state them."""

    modality: str = ""
    body_part: str = ""
    """BodyPartExamined (0018,0015)."""
    view: str = ""
    """ViewPosition (0018,5101), or the term for ViewCodeSequence (0054,0220)."""
    station: str = ""
    """StationName (0008,1010)."""
    calling: str = ""
    """AE title of the sender."""
    called: str = ""
    """AE title that the sender called."""
    rows: int = 0
    columns: int = 0
    spacing_mm: float | None = None
    """The larger of the two distances between pixel centres, in mm."""
    series: str = ""
    """SeriesInstanceUID (0020,000E)."""

    @property
    def long_side(self) -> int:
        """The longer side in pixels."""
        return max(self.rows, self.columns)


def instance_of(path: Path) -> Instance:
    """Return the facts in the header of a received file.

    Raises
    ------
    UnreadableError
        If the file or its header is damaged.
    NotARadiographError
        If the header has more elements than the limit allows.
    """
    parsed = parse_header(path, Kind.DICOM)
    with readable("the file meta information"):
        meta = read_file_meta_info(path)
    subject = Subject.of(DicomHeader(parsed.dataset, parsed.transfer_syntax))
    header = parsed.dataset
    with quiet():
        spacing_mm = spacing(header)[1]
        return Instance(
            modality=subject.modality,
            body_part=subject.body_part,
            view=subject.view,
            station=text(header, "StationName"),
            calling=text(meta, "SendingApplicationEntityTitle"),
            called=text(meta, "ReceivingApplicationEntityTitle"),
            rows=_whole(header, "Rows"),
            columns=_whole(header, "Columns"),
            spacing_mm=max(spacing_mm) if spacing_mm else None,
            series=text(header, "SeriesInstanceUID"),
        )


def _whole(header: Dataset | FileMetaDataset, keyword: str) -> int:
    found = numbers(header, keyword)
    return int(found[0]) if found else 0
