"""A damaged header raises no errors except our own."""

from __future__ import annotations

import contextlib
import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import config
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from cxr_sr.errors import InputError, UnreadableError
from cxr_sr.formats.header.derive import RULES, HeaderOptions, derive
from cxr_sr.formats.header.elements import append, items, numbers, text, uid
from tests.header_builders import (
    make_code,
    make_derivation,
    make_header,
    make_item,
    raw_element,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMED = [
    tag
    for rule in RULES
    for name in rule.attributes
    if (tag := tag_for_keyword(name)) is not None
]
OVERLAY = [0x60000000 | e for e in (0x10, 0x11, 0x15, 0x50, 0x100, 0x1301, 0x3000)]
OTHERS = [tag_for_keyword(k) for k in ("TimezoneOffsetFromUTC", "SpecificCharacterSet")]
VRS = [
    "CS",
    "DA",
    "DS",
    "IS",
    "LO",
    "OB",
    "OW",
    "SQ",
    "SS",
    "UI",
    "UN",
    "US",
    "PN",
    "FD",
]


def derived(header: Dataset, options: HeaderOptions | None = None) -> Dataset:
    """Return the derived header; it states the result's own size after any damage."""
    options = options or HeaderOptions()
    result = derive(header, make_derivation(), (80, 60), NOW, options)
    assert (result["Rows"].value, result["Columns"].value) == (80, 60)
    return result


damaged = st.lists(
    st.tuples(
        st.sampled_from([*NAMED, *OVERLAY, *filter(None, OTHERS)]),
        st.sampled_from(VRS),
        st.one_of(
            st.binary(max_size=24),
            st.sampled_from([b"1\\2", b"-1", b"1e400", b"\x1b$B\x1b", b"\\\\\\", b"0"]),
        ),
    ),
    max_size=8,
)


@given(damaged)
@settings(max_examples=300)
def test_elements_of_any_vr_and_any_bytes(
    elements: list[tuple[int, str, bytes]],
) -> None:
    header = make_header()
    for tag, vr, value in elements:
        header[Tag(tag)] = raw_element(tag, value, vr)
    with contextlib.suppress(InputError):
        derived(header)


@pytest.mark.parametrize(
    ("tag", "vr"), list(itertools.product(NAMED, ["SQ", "US", "FD"])), ids=str
)
def test_every_attribute_in_a_wrong_vr(tag: int, vr: str) -> None:
    header = make_header()
    header[Tag(tag)] = raw_element(tag, b"\x01\x02\x03", vr)
    derived(header)


@pytest.mark.parametrize("tag", NAMED, ids=str)
def test_every_attribute_empty(tag: int) -> None:
    header = make_header()
    header[Tag(tag)] = raw_element(tag, b"")
    derived(header)


@pytest.mark.parametrize("value", ["", "2", ["1", "2"], 2.5, None])
def test_values_of_a_wrong_python_type(value: object) -> None:
    header = make_header()
    for keyword in ("PixelSpacing", "CollimatorLeftVerticalEdge", "SeriesNumber"):
        header[keyword] = DataElement(
            Tag(keyword), "LO", value, validation_mode=config.IGNORE
        )
    derived(header)


def test_a_sequence_that_cannot_be_read_is_left_as_it_is() -> None:
    header = make_header()
    header[Tag("SourceImageSequence")] = raw_element(
        "SourceImageSequence", b"\xfe\xff", "SQ"
    )
    result = derived(header)
    element = result.get_item(Tag("SourceImageSequence"))
    assert element.value == b"\xfe\xff"


def test_sequences_nested_beyond_reason_are_refused() -> None:
    header = make_header()
    inner = make_item(CodeValue="1")
    for _ in range(2000):
        inner = make_item(ConceptCodeSequence=[inner])
    header.AnatomicRegionSequence = Sequence([inner])
    with pytest.raises(UnreadableError, match="nested deeper"):
        derived(header)


def test_a_damaged_sign_is_refused() -> None:
    header = make_header()
    sign = raw_element("PixelRepresentation", b"\0\0", "Uy")
    header[sign.tag] = sign
    with pytest.raises(UnreadableError, match="PixelRepresentation"):
        derived(header)


def test_damage_in_one_place_spares_the_rest() -> None:
    header = make_header(PixelSpacing=[0.2, 0.2])
    for keyword in ("DerivationCodeSequence", "CenterOfCircularShutter", "ImageType"):
        header[Tag(keyword)] = raw_element(keyword, b"\xff\xff\xff", "US")
    result = derived(header)
    assert list(result.PixelSpacing) == [0.1, 0.1]
    assert len(result.SourceImageSequence) == 1


def test_private_elements_inside_a_sequence_of_unknown_vr_go() -> None:
    # An implicit file gives such a VR; so does a sender that writes unknown VRs as UN.
    secret = make_code("1", "99X", "x")
    secret.add_new((0x0009, 0x0010), "LO", "ACME")
    encoded = _encoded_sequence(secret)
    header = make_header()
    tag = Tag("AnatomicRegionSequence")
    header[tag] = raw_element("AnatomicRegionSequence", encoded, "UN")
    header.set_original_encoding(is_implicit_vr=False, is_little_endian=True)
    result = derived(header)
    assert not [e for e in result.AnatomicRegionSequence[0] if e.tag.is_private]


def _encoded_sequence(item: Dataset) -> bytes:
    """Return one item in implicit little endian, as UN holds one (PS3.5 6.2.2)."""
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = True, True
    write_dataset(stream, item)
    body = stream.getvalue()
    return b"\xfe\xff\x00\xe0" + len(body).to_bytes(4, "little") + body


def test_options_apply_to_damaged_headers_too() -> None:
    header = make_header()
    header[Tag("Manufacturer")] = raw_element("Manufacturer", b"\xff\xfe", "FD")
    for equipment in ("standard", "keep"):
        derived(header, HeaderOptions(equipment=equipment))


# --- reading single elements


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("DS", b"0.143\\0.143 ", (0.143, 0.143)),
        ("DS", b"0.14000000000000001\0", (0.14000000000000001,)),
        ("DS", b"", ()),
        ("DS", b"0.1\\", ()),
        ("DS", b"inf", ()),
        ("DS", b"0,1", ()),
        ("UN", b"1.5", (1.5,)),
    ],
)
def test_numbers(vr: str, value: bytes, expected: tuple[float, ...]) -> None:
    header = make_item()
    header[Tag("PixelSpacing")] = raw_element("PixelSpacing", value, vr)
    assert numbers(header, "PixelSpacing") == expected


def test_numbers_of_an_absent_element() -> None:
    assert numbers(Dataset(), "PixelSpacing") == ()


def test_numbers_of_binary_elements() -> None:
    header = make_item(Rows=7)
    assert numbers(header, "Rows") == (7.0,)
    header[Tag("Rows")] = raw_element("Rows", b"\x07\x00\x08\x00", "US")
    assert numbers(header, "Rows") == (7.0, 8.0)
    header[Tag("Rows")] = raw_element("Rows", b"\x07", "US")
    assert numbers(header, "Rows") == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", ""),
        (b" a b \0", "a b"),
        (b"a\\b ", "a\\b"),
        (b"\xe4", "\N{LATIN SMALL LETTER A WITH DIAERESIS}"),
    ],
)
def test_text(value: bytes, expected: str) -> None:
    header = make_item()
    header[Tag("StationName")] = raw_element("StationName", value, "SH")
    assert text(header, "StationName") == expected


def test_text_of_what_is_no_text() -> None:
    header = make_header(Rows=7)
    assert text(header, "AnatomicRegionSequence") == ""
    assert text(header, "Rows") == "7"
    assert text(header, "SoftwareVersions") == "1.0\\patch 2"


def test_uid() -> None:
    assert uid(make_item(StudyInstanceUID="1.2.3"), "StudyInstanceUID") == "1.2.3"
    assert uid(Dataset(), "StudyInstanceUID") == ""


def test_items() -> None:
    header = make_header()
    assert len(items(header, "AnatomicRegionSequence") or ()) == 1
    assert items(header, "AcquisitionContextSequence") == []
    assert items(header, "SourceImageSequence") == []
    assert items(header, "PatientID") is None


def test_append_leaves_what_is_no_sequence() -> None:
    header = make_header()
    append(header, "PatientID", make_item())
    assert header.PatientID == "1"
