"""The rules hold for every real header: no attribute is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from cxr_sr.formats.header.change import keep
from cxr_sr.formats.header.derive import RULES, derive
from cxr_sr.formats.header.elements import items, numbers, text, uid
from tests.header_builders import make_derivation, real_files

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FACTORS = [(2.0, 2.0), (2.37, 2.41)]
NAMED = {
    tag_for_keyword(name)
    for rule in RULES
    if rule.action is not keep
    for name in rule.attributes
}
EACH = pytest.mark.parametrize("path", real_files())


def read(path: Path) -> Dataset:
    """Read a header, also without a preamble."""
    return pydicom.dcmread(path, force=True, stop_before_pixels=True)


def size(header: Dataset) -> tuple[int, int]:
    return header.Rows, header.Columns


def derived(header: Dataset, by: tuple[float, float] = (2.0, 2.0)) -> Dataset:
    shape = [round(n * f) for n, f in zip(size(header), by, strict=True)]
    exact = [new / old for new, old in zip(shape, size(header), strict=True)]
    derivation = make_derivation(factors=(exact[0], exact[1]))
    return derive(header, derivation, (shape[0], shape[1]), NOW)


def ruled(tag: BaseTag) -> bool:
    """Tell whether a rule may change or remove the element."""
    repeated = tag.group & 0xFF00 in {0x5000, 0x6000}
    return tag in NAMED or tag.is_private or tag.element == 0 or repeated


def without_private(header: Dataset) -> Dataset:
    """Remove the attributes that cxr-sr removes at every depth."""
    tags = [e.tag for e in header.elements()]
    for tag in [t for t in tags if t.is_private or t.element == 0]:
        del header[tag]
    for element in list(header.elements()):
        if element.VR in {"SQ", "UN", None}:
            for item in items(header, element.tag) or ():
                without_private(item)
    return header


@EACH
def test_what_no_rule_names_is_unchanged(path: Path) -> None:
    header, result = without_private(read(path)), derived(read(path))
    for before in [e for e in header.elements() if not ruled(e.tag)]:
        after = result.get_item(before.tag)
        if before.is_raw and after.is_raw:
            assert after == before
        else:
            assert result[before.tag] == header[before.tag]


@EACH
def test_nothing_appears_that_no_rule_names(path: Path) -> None:
    header = read(path)
    before = set(header.keys())
    assert {
        tag for tag in set(derived(header).keys()) - before if not ruled(tag)
    } == set()


@EACH
def test_the_source_is_not_touched(path: Path) -> None:
    header = read(path)
    assert size(header)
    before = list(header.elements())
    derived(header)
    assert list(header.elements()) == before


@EACH
@pytest.mark.parametrize("by", FACTORS)
def test_the_physical_extent_is_constant(path: Path, by: tuple[float, float]) -> None:
    header = read(path)
    result = derived(header, by)
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        before, after = numbers(header, keyword), numbers(result, keyword)
        if before and min(before) > 0:
            extent = [mm * n for mm, n in zip(before, size(header), strict=True)]
            now = [mm * n for mm, n in zip(after, size(result), strict=True)]
            assert now == pytest.approx(extent, rel=1e-12)
        else:
            assert keyword not in result


@EACH
def test_uids_are_new_and_the_source_is_named(path: Path) -> None:
    header = read(path)
    result = derived(header)
    own = {uid(result, "SOPInstanceUID"), uid(result, "SeriesInstanceUID")}
    theirs = {text(header, k) for k in ("SOPInstanceUID", "SeriesInstanceUID")}
    assert len(own) == 2
    assert not own & (theirs | {""})
    source = uid(header, "SOPInstanceUID")
    named = [
        uid(i, "ReferencedSOPInstanceUID")
        for i in result.get("SourceImageSequence", [])
    ]
    assert source == "" or named[-1] == source


@EACH
def test_the_same_file_gives_the_same_header_on_any_day(path: Path) -> None:
    first = derived(read(path))
    second = derived(read(path))
    assert {t: first.get_item(t) for t in first.keys()} == {  # noqa: SIM118
        t: second.get_item(t)
        for t in second.keys()  # noqa: SIM118
    }
    later = derive(
        read(path), make_derivation(), size(first), NOW + timedelta(days=400)
    )
    assert later.SOPInstanceUID == first.SOPInstanceUID


@EACH
def test_overlays_follow_the_image_or_go(path: Path) -> None:
    header = read(path)
    result = derived(header)
    for group in {tag.group for tag in result.keys() if tag.group & 0xFF00 == 0x6000}:  # noqa: SIM118
        for element in (0x10, 0x11):
            before = numbers(header, group << 16 | element)
            after = numbers(result, group << 16 | element)
            assert after == tuple(2 * n for n in before)


@EACH
def test_what_must_go_is_gone(path: Path) -> None:
    result = derived(read(path))
    tags = list(result.keys())
    assert not [t for t in tags if t.is_private or t.element == 0]
    assert not [t for t in tags if t.group & 0xFF00 == 0x5000]
    assert "PixelData" not in result
    assert (0xFFFC, 0xFFFC) not in result


@EACH
def test_a_research_notice_fits_where_people_look(path: Path) -> None:
    result = derived(read(path))
    assert result.ContentQualification == "RESEARCH"
    assert "RESEARCH ONLY" in result.SeriesDescription
    assert len(result.SeriesDescription) <= 64
    assert len(result.DerivationDescription) <= 1024
