"""What a file is, from its header alone: no pixel is decoded, no patient is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import UID

from cxr_sr.errors import InputError
from cxr_sr.formats.dicom.findings import findings
from cxr_sr.formats.dicom.layout import check_radiograph, pixel_layout
from cxr_sr.formats.dicom.parse import ParsedDicom, parse_header
from cxr_sr.formats.dicom.pixels import check_pixels
from cxr_sr.formats.dicom.read import spacing
from cxr_sr.formats.dicom.windows import stored_window
from cxr_sr.formats.guard import quiet
from cxr_sr.formats.header.elements import numbers, text
from cxr_sr.formats.header.own import OWN_RESULT, is_own
from cxr_sr.formats.raster.files import read_grid
from cxr_sr.formats.raster.mark import is_marked
from cxr_sr.formats.raster.probe import check_raster, probe
from cxr_sr.formats.sniff import Kind, recognise


@dataclass(frozen=True)
class Inspection:
    """One file, as its header describes it. What the header does not say is None."""

    kind: str
    """The file format, such as "DICOM"."""
    modality: str | None = None
    sop_class: str | None = None
    """By name, such as "Computed Radiography Image Storage"."""
    rows: int | None = None
    columns: int | None = None
    frames: int = 1
    bits_allocated: int | None = None
    bits_stored: int | None = None
    signed: bool | None = None
    photometric: str | None = None
    spacing_mm: tuple[float, float] | None = None
    """(row, column) distance between pixel centres."""
    spacing_attribute: str | None = None
    """Where the spacing was found, such as "ImagerPixelSpacing"."""
    transfer_syntax: str | None = None
    """By name; how the pixels are coded."""
    window: tuple[float, float] | None = None
    """(low, high) stored values of the first window."""
    findings: tuple[str, ...] = ()
    """A sentence for each thing a user should know before trusting the image."""
    own_result: bool = False
    """Whether this package made the image finer already."""
    refusal: str | None = None
    """Why `read` would refuse the file, as far as its header tells."""


def inspect(path: Path | str) -> Inspection:
    """Describe a file without decoding it.

    Raises
    ------
    UnreadableError
        If it cannot be opened or its header is damaged.
    NotARadiographError
        If its content is of no known format.
    """
    path = Path(path)
    kind = recognise(path)
    return _dicom(path, kind) if kind.is_dicom else _raster(path, kind)


def _dicom(path: Path, kind: Kind) -> Inspection:
    parsed = parse_header(path, kind)
    header = parsed.dataset
    with quiet():
        attribute, spacing_mm = spacing(header)
        signed = _integer(header, "PixelRepresentation")
        return Inspection(
            kind=kind.value,
            modality=text(header, "Modality") or None,
            sop_class=_name(text(header, "SOPClassUID")),
            rows=_integer(header, "Rows"),
            columns=_integer(header, "Columns"),
            frames=_integer(header, "NumberOfFrames") or 1,
            bits_allocated=_integer(header, "BitsAllocated"),
            bits_stored=_integer(header, "BitsStored"),
            signed=None if signed is None else signed == 1,
            photometric=text(header, "PhotometricInterpretation") or None,
            spacing_mm=spacing_mm,
            spacing_attribute=attribute or None,
            transfer_syntax=_name(parsed.transfer_syntax),
            window=stored_window(header),
            findings=findings(parsed, kind),
            own_result=is_own(header),
            refusal=_dicom_refusal(parsed),
        )


def _dicom_refusal(parsed: ParsedDicom) -> str | None:
    try:
        pixels = check_radiograph(parsed)
        check_pixels(parsed, pixels, pixel_layout(parsed.dataset))
    except InputError as error:
        return str(error)
    return None


def _raster(path: Path, kind: Kind) -> Inspection:
    facts = probe(path, kind)
    refusal, grid = None, None
    try:
        check_raster(facts)
        grid = read_grid(path, kind)
    except InputError as error:
        refusal = str(error)
    own = is_marked(path)
    return Inspection(
        kind=kind.value,
        findings=(OWN_RESULT,) if own else (),
        own_result=own,
        rows=facts.rows,
        columns=facts.columns,
        frames=facts.frames,
        bits_allocated=facts.bits,
        bits_stored=facts.bits,
        signed=facts.signed,
        photometric=facts.photometric,
        spacing_mm=grid.geometry.spacing_mm if grid else None,
        refusal=refusal,
    )


def _integer(header: Dataset, keyword: str) -> int | None:
    found = numbers(header, keyword)
    return int(found[0]) if found else None


def _name(uid: str) -> str | None:
    return UID(uid).name if uid else None
