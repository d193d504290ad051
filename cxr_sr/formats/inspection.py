"""Describe a file from its header, without its pixels and without its patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from pydicom.dataset import Dataset

from cxr_sr.errors import InputError
from cxr_sr.formats.dicom.coding.meaning import loses
from cxr_sr.formats.dicom.findings import findings
from cxr_sr.formats.dicom.layout import check_projection, pixel_layout
from cxr_sr.formats.dicom.naming import known, uid_name
from cxr_sr.formats.dicom.parse import ParsedDicom, parse
from cxr_sr.formats.dicom.pixels import check_pixels, code_head
from cxr_sr.formats.dicom.read import spacing
from cxr_sr.formats.dicom.windows import stored_window
from cxr_sr.formats.guard import quiet, readable
from cxr_sr.formats.header.elements import numbers, text
from cxr_sr.formats.header.own import OWN_RESULT, is_own
from cxr_sr.formats.kind import Kind
from cxr_sr.formats.raster.facts import check_raster
from cxr_sr.formats.raster.mark import is_marked
from cxr_sr.formats.raster.probe import probe
from cxr_sr.formats.raster.scale import SCANNED


@dataclass(frozen=True)
class Inspection:
    """The description of a file by its header; None for an unknown fact."""

    kind: str
    """The file format, such as "DICOM"."""
    modality: str | None = None
    sop_class: str | None = None
    """Name of the SOP class, such as "Computed Radiography Image Storage"."""
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
    """The attribute that states the spacing, such as "ImagerPixelSpacing"."""
    transfer_syntax: str | None = None
    """Name of the coding of the pixels."""
    window: tuple[float, float] | None = None
    """(low, high) stored values of the first window."""
    findings: tuple[str, ...] = ()
    """A sentence for each property that a user should know before using the image."""
    lossy: bool = False
    """True if this file codes its pixels with loss."""
    own_result: bool = False
    """True if the image is a result of this package."""
    refusal: str | None = None
    """The reason why `read` would refuse the file, from its header; else None."""


def inspect_dicom(file: BinaryIO, kind: Kind) -> Inspection:
    """Describe a DICOM file, open at its start, without decoding its pixels.

    Raises
    ------
    UnreadableError
        If its header is damaged.
    """
    with readable("the file"):
        parsed = parse(file, kind)
    header = parsed.dataset
    with quiet():
        attribute, spacing_mm = spacing(header)
        signed = _integer(header, "PixelRepresentation")
        return Inspection(
            kind=kind.value,
            modality=_known(text(header, "Modality")),
            sop_class=uid_name(text(header, "SOPClassUID")) or None,
            rows=_integer(header, "Rows"),
            columns=_integer(header, "Columns"),
            frames=_integer(header, "NumberOfFrames") or 1,
            bits_allocated=_integer(header, "BitsAllocated"),
            bits_stored=_integer(header, "BitsStored"),
            signed=None if signed is None else signed == 1,
            photometric=_known(text(header, "PhotometricInterpretation")),
            spacing_mm=spacing_mm,
            spacing_attribute=attribute or None,
            transfer_syntax=uid_name(parsed.transfer_syntax) or None,
            window=stored_window(header),
            findings=findings(parsed, kind),
            lossy=loses(parsed.transfer_syntax, code_head(parsed)),
            own_result=is_own(header),
            refusal=_dicom_refusal(parsed),
        )


def _dicom_refusal(parsed: ParsedDicom) -> str | None:
    try:
        pixels = check_projection(parsed)
        check_pixels(parsed, pixels, pixel_layout(parsed.dataset))
    except InputError as error:
        return str(error)
    return None


def inspect_raster(file: BinaryIO, kind: Kind) -> Inspection:
    """Describe a raster file, open at its start, without decoding its pixels.

    Raises
    ------
    UnreadableError
        If its header is damaged.
    """
    facts = probe(file, kind)
    refusal, grid = None, facts.upright_grid
    try:
        check_raster(facts)
    except InputError as error:
        refusal = str(error)
    own = is_marked(file)
    rows, columns = facts.shape
    return Inspection(
        kind=kind.value,
        findings=(*((OWN_RESULT,) if own else ()), *facts.findings),
        own_result=own,
        rows=rows,
        columns=columns,
        frames=facts.frames,
        bits_allocated=facts.bits,
        bits_stored=facts.bits,
        signed=facts.signed,
        photometric=facts.photometric,
        spacing_mm=grid.geometry.spacing_mm if grid else None,
        spacing_attribute=SCANNED if facts.scanned else None,
        lossy=facts.lossy,
        refusal=refusal,
    )


def _integer(header: Dataset, keyword: str) -> int | None:
    found = numbers(header, keyword)
    return int(found[0]) if found else None


def _known(term: str) -> str | None:
    return known(term) if term else None
