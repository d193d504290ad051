"""A derived header states the image's identity, its time and its source."""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)

from cxr_sr.formats.header import pixels
from cxr_sr.formats.header.change import Action, drop, keep
from cxr_sr.formats.header.derive import RULES, HeaderOptions, derive, describe_rules
from cxr_sr.radiograph import Derivation
from tests.header_builders import (
    make_code,
    make_derivation,
    make_header,
    make_item,
    raw_element,
    undecoded_header,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)
SHAPE = (80, 60)


def derived(
    header: Dataset | None = None,
    derivation: Derivation | None = None,
    **options: object,
) -> Dataset:
    """Derive a header with defaults; a test names only its own settings."""
    header = make_header() if header is None else header
    derivation = derivation or make_derivation()
    return derive(header, derivation, SHAPE, NOW, HeaderOptions(**options))  # type: ignore[arg-type]


# --- purity


def test_the_source_is_not_touched() -> None:
    header = make_header(
        ContributingEquipmentSequence=[make_item(Manufacturer="Earlier")],
        SourceImageSequence=[make_item(ReferencedSOPInstanceUID="1.9")],
    )
    before = copy.deepcopy(header)
    derived(header)
    assert header == before


def test_an_undecoded_source_stays_undecoded(rg1) -> None:
    header = pydicom.dcmread(rg1, stop_before_pixels=True)
    raw = [t for t in header.keys() if isinstance(header.get_item(t), RawDataElement)]  # noqa: SIM118
    derived(header)
    assert raw
    assert all(isinstance(header.get_item(t), RawDataElement) for t in raw)


def test_no_item_is_shared_with_the_source() -> None:
    header = make_header()
    result = derived(header)
    result.AnatomicRegionSequence[0].CodeMeaning = "changed"
    assert header.AnatomicRegionSequence[0].CodeMeaning == "Chest"


def test_the_same_input_gives_the_same_header() -> None:
    assert derived() == derived()


def test_a_file_data_set_becomes_a_plain_one_without_meta_information(rg1) -> None:
    result = derived(pydicom.dcmread(rg1, stop_before_pixels=True))
    assert type(result) is Dataset
    assert not hasattr(result, "file_meta")


# --- UIDs


def test_all_new_uids_are_new_and_valid() -> None:
    header, result = make_header(), derived()
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert result[keyword].value.is_valid
        assert result[keyword].value != header[keyword].value


def test_uids_reveal_no_clock_and_no_machine() -> None:
    later = derive(make_header(), make_derivation(), SHAPE, NOW + timedelta(days=9))
    assert later.SOPInstanceUID == derived().SOPInstanceUID
    assert later.SeriesInstanceUID == derived().SeriesInstanceUID


ANOTHER = {
    "factors": (3.0, 3.0),
    "model": "vdsr",
    "weights_sha256": "f" * 64,
    "engine": "torch",
    "precision": "int8",
    "consistency": "off",
}


@pytest.mark.parametrize("field", ANOTHER)
def test_a_changed_setting_changes_instance_and_series(field: str) -> None:
    other = derived(derivation=make_derivation(**{field: ANOTHER[field]}))
    assert other.SOPInstanceUID != derived().SOPInstanceUID
    assert other.SeriesInstanceUID != derived().SeriesInstanceUID


def test_a_changed_header_option_changes_the_instance() -> None:
    assert derived(equipment="keep").SOPInstanceUID != derived().SOPInstanceUID


def test_what_was_measured_does_not_change_the_uids() -> None:
    measured = make_derivation(
        consistency_max=0.1, consistency_rms=0.1, maximum=9, padding_kept=False
    )
    other = derived(derivation=measured)
    assert other.SOPInstanceUID == derived().SOPInstanceUID
    assert other.SeriesInstanceUID == derived().SeriesInstanceUID


def test_an_integer_factor_and_a_float_factor_are_the_same_factor() -> None:
    same = derived(derivation=make_derivation(factors=(2, 2)))
    assert same.SOPInstanceUID == derived().SOPInstanceUID


def test_images_of_one_series_stay_in_one_series() -> None:
    first = derived(make_header(SOPInstanceUID="1.2.3.4"))
    second = derived(make_header(SOPInstanceUID="1.2.3.44"))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID == second.SeriesInstanceUID


def test_rounding_the_size_to_whole_pixels_does_not_split_a_series() -> None:
    first = derived(derivation=make_derivation(factors=(2.3701, 2.3699)))
    second = derived(derivation=make_derivation(factors=(2.3698, 2.3702)))
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID


def test_presentation_and_processing_never_share_a_series() -> None:
    processing = make_header(
        SOPClassUID=DigitalXRayImageStorageForProcessing,
        PresentationIntentType="FOR PROCESSING",
    )
    assert derived(processing).SeriesInstanceUID != derived().SeriesInstanceUID
    assert derived(processing).PresentationIntentType == "FOR PROCESSING"


@pytest.mark.parametrize("empty", [None, ""])
def test_a_source_without_uids_gets_them_from_what_is_left(empty: str | None) -> None:
    bare = make_header(SOPInstanceUID=empty, SeriesInstanceUID=empty)
    other = make_header(SOPInstanceUID=empty, SeriesInstanceUID=empty, PatientID="2")
    assert derived(bare).SOPInstanceUID.is_valid
    assert derived(bare).SeriesInstanceUID.is_valid
    assert derived(bare).SOPInstanceUID == derived(bare).SOPInstanceUID
    assert derived(bare).SOPInstanceUID != derived(other).SOPInstanceUID
    assert derived(bare).SeriesInstanceUID != derived(other).SeriesInstanceUID


def test_two_nameless_files_differ_by_their_pixels() -> None:
    bare = make_header(SOPInstanceUID=None)
    brighter = make_derivation(maximum=4001)
    assert derived(bare).SOPInstanceUID != derived(bare, brighter).SOPInstanceUID


@pytest.mark.parametrize("uid", ["1.2.3.4", None, "removed"])
def test_files_under_one_uid_differ_by_their_pixels(uid: str | None) -> None:
    header = make_header()
    if uid is None:
        del header.SOPInstanceUID
    else:
        header[Tag("SOPInstanceUID")] = raw_element("SOPInstanceUID", uid.encode())
    one, other = (
        derived(header, make_derivation(pixels_sha256=sha)) for sha in ("a", "b")
    )
    assert one.SOPInstanceUID != other.SOPInstanceUID
    assert one.SeriesInstanceUID == other.SeriesInstanceUID


@pytest.mark.parametrize("stated", [None, "removed"])
def test_a_study_without_a_uid_gets_one(stated: str | None) -> None:
    header, other = (make_header(PatientID=patient) for patient in ("1", "2"))
    for one in (header, other):
        del one.StudyInstanceUID
        if stated is not None:
            tag = Tag("StudyInstanceUID")
            one[tag] = raw_element("StudyInstanceUID", stated.encode(), "UI")
    brighter = make_derivation(pixels_sha256="f" * 64)
    study = derived(header).StudyInstanceUID
    assert study.is_valid
    assert study == derived(header, brighter).StudyInstanceUID
    assert study != derived(other).StudyInstanceUID


@pytest.mark.parametrize(
    ("keyword", "stated"),
    [
        ("StudyInstanceUID", b"removed "),
        ("SeriesInstanceUID", b"removed "),
        ("SeriesInstanceUID", b""),
    ],
)
def test_images_of_nobody_are_never_filed_together(keyword: str, stated: bytes) -> None:
    header = make_header(PatientID="")
    header[Tag(keyword)] = raw_element(keyword, stated, "UI")
    one, two = (
        derived(header, make_derivation(pixels_sha256=sha)) for sha in ("a", "b")
    )
    assert one[keyword].value != two[keyword].value


def test_a_malformed_study_uid_stays() -> None:
    header = make_header()
    tag = Tag("StudyInstanceUID")
    header[tag] = raw_element("StudyInstanceUID", b"1.02.3", "UI")
    assert derived(header).get_item(tag) == header.get_item(tag)


def test_an_empty_header_is_enough() -> None:
    result = derived(Dataset())
    assert (result.Rows, result.Columns) == SHAPE
    assert "SourceImageSequence" not in result
    assert "ReferencedSeriesSequence" not in result


# --- series


@pytest.mark.parametrize(
    ("source", "offset", "expected"),
    [
        pytest.param(1, 9000, 9001, id="added"),
        pytest.param(None, 9000, 9000, id="absent"),
        pytest.param("", 9000, 9000, id="empty"),
        pytest.param(7, 100, 107, id="settable"),
        pytest.param(2**31 - 1, 9000, 9000, id="beyond what IS holds"),
        pytest.param(-5, 9000, 8995, id="negative"),
    ],
)
def test_series_number(source: object, offset: int, expected: int) -> None:
    result = derived(make_header(SeriesNumber=source), series_offset=offset)
    assert result.SeriesNumber == expected


@pytest.mark.parametrize("source", [1, None])
def test_series_number_can_be_any(source: int | None) -> None:
    result = derived(make_header(SeriesNumber=source), series_number=0)
    assert result.SeriesNumber == 0


@pytest.mark.parametrize(
    "options",
    [{"series_number": 5}, {"dates": "none"}, {"equipment": "keep"}],
    ids=str,
)
def test_what_is_said_of_a_series_makes_another_series(
    options: dict[str, Any],
) -> None:
    assert derived(**options).SeriesInstanceUID != derived().SeriesInstanceUID


def test_series_description_puts_the_notice_before_the_sources_words() -> None:
    assert derived().SeriesDescription == "RESEARCH ONLY (cxr-sr x2): Chest PA"


@pytest.mark.parametrize("source", [None, "", "   "])
def test_series_description_is_the_notice_where_the_source_has_none(
    source: str | None,
) -> None:
    result = derived(make_header(SeriesDescription=source))
    assert result.SeriesDescription == "RESEARCH ONLY (cxr-sr x2)"


def test_series_description_keeps_as_much_as_fits() -> None:
    result = derived(make_header(SeriesDescription="abcdefgh" * 8))
    assert len(result.SeriesDescription) == 64
    assert result.SeriesDescription.endswith(": " + ("abcdefgh" * 8)[:37])


def test_series_description_takes_several_values_and_controls_as_spaces() -> None:
    header = make_header(SeriesDescription=["Chest", "PA"])
    assert derived(header).SeriesDescription.endswith(": Chest PA")
    assert "\n" not in derived(make_header(SeriesDescription="a\nb")).SeriesDescription


@pytest.mark.parametrize(
    "source",
    [
        "RESEARCH ONLY (cxr-sr x4): Chest PA",
        "RESEARCH ONLY (cxr-sr x2.37x2.41): Chest PA",
        "RESEARCH ONLY (cxr-sr x2): RESEARCH ONLY (cxr-sr x2): Chest PA",
    ],
)
def test_series_description_never_grows_a_second_notice(source: str) -> None:
    result = derived(make_header(SeriesDescription=source))
    assert result.SeriesDescription == "RESEARCH ONLY (cxr-sr x2): Chest PA"


def test_a_notice_alone_stays_alone() -> None:
    once = derived(make_header(SeriesDescription=None))
    assert derived(once).SeriesDescription == "RESEARCH ONLY (cxr-sr x2)"


def test_words_that_only_look_like_the_notice_stay() -> None:
    result = derived(make_header(SeriesDescription="RESEARCH ONLY: Chest"))
    assert result.SeriesDescription.endswith(": RESEARCH ONLY: Chest")


@pytest.mark.parametrize(
    ("charset", "encoded"),
    [
        pytest.param("ISO_IR 192", "胸部 正面".encode(), id="UTF-8"),
        pytest.param("ISO_IR 100", "Röntgen".encode("latin-1"), id="Latin-1"),
        pytest.param("GB18030", "胸部".encode("gb18030"), id="GB18030"),
        pytest.param(["", "ISO 2022 IR 87"], b"\x1b$B6;It\x1b(B", id="ISO 2022 IR 87"),
    ],
)
def test_text_in_any_character_set_survives(
    charset: str | list[str], encoded: bytes, tmp_path: Path
) -> None:
    expected = in_bytes(tmp_path, charset, encoded).SeriesDescription
    result = derived(in_bytes(tmp_path, charset, encoded))
    assert result.SeriesDescription == f"RESEARCH ONLY (cxr-sr x2): {expected}"
    assert result.ContributingEquipmentSequence[0].Manufacturer == expected
    assert "?" not in result.SeriesDescription


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("ISO_IR 192", "utf-8"),
        ("GB18030", "gb18030"),
        (["", "ISO 2022 IR 87"], "iso2022_jp"),
    ],
)
def test_a_cut_is_counted_in_bytes_and_between_characters(
    charset: str | list[str], codec: str, tmp_path: Path
) -> None:
    source = "胸部正面" * 8
    header = in_bytes(tmp_path, charset, source.encode(codec))
    said = derived(header).SeriesDescription.removeprefix("RESEARCH ONLY (cxr-sr x2): ")
    assert source.startswith(said)
    assert len(said) >= 8
    written = undecoded_header(tmp_path, derived(header))
    raw = written.get_item(Tag("SeriesDescription"))
    assert raw.is_raw
    assert 56 <= len(raw.value) <= 64
    assert written.SeriesDescription.endswith(said)


def in_bytes(folder: Path, charset: str | list[str], encoded: bytes) -> Dataset:
    """Return an undecoded header with these bytes for two of its texts."""
    header = make_header(SpecificCharacterSet=charset)
    for keyword in ("SeriesDescription", "Manufacturer"):
        header[Tag(keyword)] = raw_element(keyword, encoded, "LO")
    return undecoded_header(folder, header)


def test_bytes_in_no_character_set_become_question_marks(tmp_path: Path) -> None:
    header = in_bytes(tmp_path, "ISO_IR 192", b"Thorax \xe4\xf6")
    assert derived(header).SeriesDescription.endswith(": Thorax ??")


# --- dates


@pytest.mark.parametrize(
    ("offset", "date", "time"),
    [
        pytest.param(None, "20260102", "030405.000600", id="none"),
        pytest.param("-0400", "20260101", "230405.000600", id="the day before"),
        pytest.param("+0530", "20260102", "083405.000600", id="half hours"),
        pytest.param("0400", "20260102", "030405.000600", id="malformed"),
        pytest.param("+9900", "20260102", "030405.000600", id="no such zone"),
    ],
)
def test_dates_are_now_in_the_headers_time_zone(
    offset: str | None, date: str, time: str
) -> None:
    result = derived(make_header(TimezoneOffsetFromUTC=offset))
    for kind in ("Series", "Content", "InstanceCreation"):
        assert result[f"{kind}Date"].value == date
        assert result[f"{kind}Time"].value == time


def test_a_clock_without_a_zone_is_taken_as_it_is() -> None:
    header = make_header(TimezoneOffsetFromUTC="-0400")
    naive = NOW.replace(tzinfo=None)
    result = derive(header, make_derivation(), SHAPE, naive)
    assert result.ContentTime == "030405.000600"
    own = result.ContributingEquipmentSequence[-1]
    assert own.ContributionDateTime == "20260102030405.000600"


def test_a_contribution_states_its_time_zone() -> None:
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    result = derive(make_header(), make_derivation(), SHAPE, tokyo)
    own = result.ContributingEquipmentSequence[-1]
    assert own.ContributionDateTime == "20260102120405.000600+0900"


STAMPED = [
    f"{what}{kind}"
    for what in ("Series", "Content", "InstanceCreation")
    for kind in ("Date", "Time")
]


def dated(**values: object) -> Dataset:
    """Return a header whose dates were shifted by a century and a half."""
    days = {"SeriesDate": "21800102", "ContentDate": "21800102"}
    return make_header(**({"StudyDate": "21800102"} | days | values))


@pytest.mark.parametrize(
    ("values", "of"),
    [
        ({}, "now"),
        ({"PatientIdentityRemoved": "YES"}, "source"),
        ({"PatientIdentityRemoved": "NO"}, "now"),
        ({"PatientIdentityRemoved": ""}, "now"),
        ({"LongitudinalTemporalInformationModified": "MODIFIED"}, "source"),
        ({"LongitudinalTemporalInformationModified": "REMOVED"}, "source"),
        ({"LongitudinalTemporalInformationModified": "UNMODIFIED"}, "now"),
        ({"LongitudinalTemporalInformationModified": "MODIFIED "}, "source"),
        (
            {
                "PatientIdentityRemoved": "YES",
                "LongitudinalTemporalInformationModified": "UNMODIFIED",
            },
            "source",
        ),
    ],
)
def test_a_deidentified_study_keeps_its_own_dates(
    values: dict[str, str], of: str
) -> None:
    header = dated(**values)
    result = derived(header)
    kept = {k: header.get(k) for k in STAMPED} == {k: result.get(k) for k in STAMPED}
    assert kept is (of == "source")
    today = [e.tag for e in result.iterall() if str(e.value).startswith("202601")]
    assert bool(today) is (of == "now")


def test_dates_can_be_those_of_the_source() -> None:
    header = dated(InstanceCreationDate=None, SeriesTime=None)
    result = derived(header, dates="source")
    assert result.SeriesDate == "21800102"
    for absent in ("InstanceCreationDate", "SeriesTime"):
        assert absent not in result
    assert "ContributionDateTime" not in result.ContributingEquipmentSequence[-1]


def test_dates_can_be_left_out() -> None:
    result = derived(dated(), dates="none")
    assert not set(STAMPED) & {e.keyword for e in result}
    assert (result.StudyDate, result.AcquisitionDate) == ("21800102", "20200102")
    assert "ContributionDateTime" not in result.ContributingEquipmentSequence[-1]


def test_dates_can_be_todays_all_the_same() -> None:
    result = derived(dated(PatientIdentityRemoved="YES"), dates="now")
    assert result.SeriesDate == result.ContentDate == "20260102"


# --- ImageType


@pytest.mark.parametrize(
    ("source", "sop_class", "expected"),
    [
        pytest.param(
            ["ORIGINAL", "PRIMARY"],
            ComputedRadiographyImageStorage,
            ["DERIVED", "PRIMARY", "", "RESAMPLED"],
            id="two values",
        ),
        pytest.param(
            ["DERIVED", "SECONDARY", "OTHER"],
            ComputedRadiographyImageStorage,
            ["DERIVED", "SECONDARY", "OTHER", "RESAMPLED"],
            id="CR keeps the third",
        ),
        pytest.param(
            ["ORIGINAL", "PRIMARY", "OTHER"],
            DigitalXRayImageStorageForProcessing,
            ["DERIVED", "PRIMARY", "", "RESAMPLED"],
            id="DX empties the third",
        ),
        pytest.param(
            ["ORIGINAL", "PRIMARY", "TOMO_PROJ", "LEFT"],
            DigitalMammographyXRayImageStorageForPresentation,
            ["DERIVED", "PRIMARY", "TOMO_PROJ", "LEFT", "RESAMPLED"],
            id="the fourth value keeps its place",
        ),
        pytest.param(
            ["ORIGINAL", "PRIMARY", "", "", "MAKERS_OWN"],
            DigitalXRayImageStorageForProcessing,
            ["DERIVED", "PRIMARY", "", "", "MAKERS_OWN", "RESAMPLED"],
            id="an empty fourth keeps its place",
        ),
        pytest.param(
            ["ORIGINAL", "PRIMARY", "", "", ""],
            ComputedRadiographyImageStorage,
            ["DERIVED", "PRIMARY", "", "RESAMPLED"],
            id="empty places at the end are none",
        ),
        pytest.param(
            ["DERIVED", "PRIMARY", "", "RESAMPLED", "LEFT"],
            ComputedRadiographyImageStorage,
            ["DERIVED", "PRIMARY", "", "RESAMPLED", "LEFT"],
            id="twice, before another's value",
        ),
        pytest.param(
            ["DERIVED", "PRIMARY", "", "RESAMPLED"],
            ComputedRadiographyImageStorage,
            ["DERIVED", "PRIMARY", "", "RESAMPLED"],
            id="twice",
        ),
        pytest.param(
            None,
            SecondaryCaptureImageStorage,
            ["DERIVED", "SECONDARY", "", "RESAMPLED"],
            id="absent from a secondary capture",
        ),
        pytest.param(
            "",
            ComputedRadiographyImageStorage,
            ["DERIVED", "PRIMARY", "", "RESAMPLED"],
            id="empty",
        ),
        pytest.param(
            "ORIGINAL PRIMARY",
            ComputedRadiographyImageStorage,
            ["DERIVED", "PRIMARY", "", "RESAMPLED"],
            id="a space for a backslash",
        ),
    ],
)
def test_image_type(source: object, sop_class: str, expected: list[str]) -> None:
    header = make_header(ImageType=source, SOPClassUID=sop_class)
    assert list(derived(header).ImageType) == expected


# --- DerivationDescription


def test_derivation_description_says_all_that_was_done() -> None:
    said = derived().DerivationDescription
    for fact in ("x2", "hydra", "0123456789abcdef", "fp32", "box", "0.5", "RMS 0.25"):
        assert fact in said
    assert "not for diagnosis" in said
    assert said.isascii()


def test_derivation_description_of_an_interpolator_claims_no_network() -> None:
    bicubic = make_derivation(
        model="bicubic", weights_sha256="", factors=(2.37, 2.41), consistency="off"
    )
    said = derived(derivation=bicubic).DerivationDescription
    assert "interpolated x2.37x2.41 by bicubic" in said
    assert "super-resolved" not in said


def test_derivation_description_says_where_the_last_pixels_lie() -> None:
    partial = make_derivation(overhang_px=(0.25, -1 / 3))
    said = derived(derivation=partial).DerivationDescription
    assert (
        "the last row reaches 0.25 px beyond the edge of the source, the last column "
        "ends 0.33 px before the edge of the source"
    ) in said
    assert "edge" not in derived().DerivationDescription
    tiny = make_derivation(overhang_px=(1e-9, 0.0))
    assert "edge" not in derived(derivation=tiny).DerivationDescription


def test_derivation_description_is_appended() -> None:
    header = make_header(DerivationDescription="JPEG 2000 lossy 10:1 ")
    said = derived(header).DerivationDescription
    assert said.startswith("JPEG 2000 lossy 10:1; cxr-sr ")
    assert derived(derived(header)).DerivationDescription.count("hydra") == 2


def test_derivation_description_loses_only_the_tail_of_an_overlong_source() -> None:
    header = make_header(DerivationDescription="x" * 1024)
    said = derived(header).DerivationDescription
    assert len(said) == 1024
    assert said.startswith("x" * 700)
    assert "...; cxr-sr " in said
    assert said.endswith("not for diagnosis")


def test_a_long_derivation_in_multi_byte_text_is_cut_by_its_bytes(
    tmp_path: Path,
) -> None:
    header = make_header(SpecificCharacterSet="ISO_IR 192")
    long = raw_element("DerivationDescription", ("縮小" * 300).encode(), "ST")
    header[long.tag] = long
    said = derived(undecoded_header(tmp_path, header)).DerivationDescription
    assert 1000 < len(said.encode()) <= 1024
    assert said.startswith("縮小" * 90)
    assert "...; cxr-sr " in said


def test_a_derivation_that_ends_in_a_line_break_is_not_cut() -> None:
    header = make_header(DerivationDescription="Processed\r\n")
    assert derived(header).DerivationDescription.startswith("Processed; cxr-sr ")


def test_a_model_name_cannot_break_an_element() -> None:
    odd = make_derivation(model="é\\a\n" + "long" * 40)
    result = derived(derivation=odd)
    assert result.ManufacturerModelName.startswith("??a?long")
    assert len(result.ManufacturerModelName) <= 64
    assert result.DerivationDescription.isascii()


def test_a_source_uid_too_broken_to_quote_is_kept_as_text() -> None:
    header = make_header()
    broken = raw_element("SOPInstanceUID", b"999.999.01.23", "UI")
    header[broken.tag] = broken
    result = derived(header)
    assert "SourceImageSequence" not in result
    assert "999.999.01.23" in result.DerivationDescription


# --- pixels


@pytest.mark.parametrize(("signed", "vr"), [(0, "US"), (1, "SS")])
def test_extremes_are_stated_anew_in_the_pixels_own_sign(signed: int, vr: str) -> None:
    header = make_header(PixelRepresentation=signed)
    header.add_new("SmallestImagePixelValue", vr, 0)
    header.add_new("LargestImagePixelValue", vr, 0)
    result = derived(header)
    assert {result[tag].VR for tag in ("00280106", "00280107")} == {vr}
    assert result.SmallestImagePixelValue == 3
    assert result.LargestImagePixelValue == 4000


def test_extremes_the_source_does_not_state_stay_unstated() -> None:
    assert "SmallestImagePixelValue" not in derived()


@pytest.mark.parametrize("kept", [True, False])
def test_padding_is_declared_only_where_it_was_kept(*, kept: bool) -> None:
    header = make_header()
    header.add_new("PixelPaddingValue", "US", 4095)
    header.add_new("PixelPaddingRangeLimit", "US", 4000)
    result = derived(header, make_derivation(padding_kept=kept))
    assert ("PixelPaddingValue" in result) is kept
    assert ("PixelPaddingRangeLimit" in result) is kept


def test_colour_has_a_size_too() -> None:
    result = derive(make_header(), make_derivation(), (80, 60, 3), NOW)
    assert (result.Rows, result.Columns) == (80, 60)


# --- declarations


def test_a_result_is_always_research() -> None:
    product = make_header(ContentQualification="PRODUCT")
    assert derived(product).ContentQualification == "RESEARCH"
    interpolated = make_derivation(weights_sha256="", model="bicubic")
    assert derived(product, interpolated).ContentQualification == "RESEARCH"


@pytest.mark.parametrize(
    ("learned", "wanted", "source", "expected"),
    [
        (True, True, None, "YES"),
        (True, False, None, None),
        (False, True, None, None),
        (True, True, "NO", "YES"),
        (False, True, "YES", "YES"),
        (True, False, "YES", "YES"),
    ],
)
def test_synthetic_data(
    *, learned: bool, wanted: bool, source: str | None, expected: str | None
) -> None:
    derivation = make_derivation(weights_sha256="a" * 64 if learned else "")
    header = make_header(SyntheticData=source)
    assert derived(header, derivation, synthetic=wanted).get("SyntheticData") == (
        expected
    )


def test_lossy_stays_lossy() -> None:
    header = make_header(
        LossyImageCompression="01",
        LossyImageCompressionRatio=10,
        LossyImageCompressionMethod="ISO_15444_1",
    )
    result = derived(header)
    assert result.LossyImageCompression == "01"
    assert result.LossyImageCompressionRatio == 10


# --- the table


def kept_attributes() -> list[str]:
    return [name for r in RULES if r.action is keep for name in r.attributes]


def dropped_attributes(*actions: Action) -> list[str]:
    return [name for r in RULES if r.action in actions for name in r.attributes]


@pytest.mark.parametrize("keyword", kept_attributes())
def test_kept(keyword: str) -> None:
    header = make_header()
    header[Tag(keyword)] = raw_element(keyword, b"1 ")
    assert derived(header).get_item(Tag(keyword)) == header.get_item(Tag(keyword))


@pytest.mark.parametrize("keyword", dropped_attributes(drop, pixels.drop_everywhere))
def test_dropped(keyword: str) -> None:
    header = make_header()
    header[Tag(keyword)] = raw_element(keyword, b"1 ")
    assert Tag(keyword) not in derived(header)


def test_every_name_in_the_table_is_a_keyword_or_a_tag() -> None:
    names = [name for rule in RULES for name in rule.attributes]
    words = [name for name in names if tag_for_keyword(name) is None]
    assert words == ["(60xx,eeee)", "(odd,eeee)", "(50xx,eeee)", "(gggg,0000)"]
    assert len(names) == len(set(names))


def test_the_table_is_told_in_markdown() -> None:
    lines = describe_rules().splitlines()
    assert len(lines) == len(RULES) + 2
    assert all(line.count("|") == 4 for line in lines)
    spacing = next(line for line in lines if "`PixelSpacing`" in line)
    assert "divided by the factors" in spacing


def test_every_rule_cites_a_clause_or_owns_the_choice() -> None:
    clause = re.compile(r"our choice|(PS3\.\d+ )?[AC]?\.?\d+(\.\d+)*|PS3\.3-2004 .*")
    for rule in RULES:
        assert all(map(clause.fullmatch, rule.source.replace("CID ", "").split(", ")))


# --- what must go


def test_private_elements_go_at_every_depth() -> None:
    code = make_code("1", "99X", "with a secret")
    code.add_new((0x0009, 0x0010), "LO", "ACME")
    code.add_new((0x0009, 0x1001), "LO", "Jane Doe")
    header = make_header(AnatomicRegionSequence=[code])
    header.add_new((0x0019, 0x0010), "LO", "ACME")
    header.add_new((0x0019, 0x1001), "DS", "12")
    result = derived(header)
    assert not [e for e in result.iterall() if e.tag.is_private]
    assert result.AnatomicRegionSequence[0].CodeMeaning == "with a secret"


def test_private_elements_can_be_kept() -> None:
    header = make_header()
    header.add_new((0x0019, 0x0010), "LO", "ACME")
    header.add_new((0x0019, 0x1001), "DS", "12")
    assert derived(header, private="keep")[0x0019, 0x1001].value == 12


def test_group_lengths_go_at_every_depth() -> None:
    code = make_code("1", "99X", "x")
    code.add_new((0x0008, 0x0000), "UL", 16)
    header = make_header(AnatomicRegionSequence=[code])
    header.add_new((0x0028, 0x0000), "UL", 16)
    assert not [e for e in derived(header).iterall() if e.tag.element == 0]


@pytest.mark.parametrize("keyword", dropped_attributes(pixels.drop_everywhere))
def test_pixels_and_their_like_go_at_every_depth(keyword: str) -> None:
    inner = make_item(CodeValue="1")
    inner[Tag(keyword)] = raw_element(keyword, b"\0\0")
    outer = make_item(ConceptCodeSequence=[inner])
    outer[Tag(keyword)] = raw_element(keyword, b"\0\0")
    header = make_header(AnatomicRegionSequence=[outer])
    header.add_new((0x0019, 0x0010), "LO", "ACME")
    header.add_new((0x0019, 0x1001), "SQ", [outer])
    result = derived(header, private="keep")
    for sequence in (result.AnatomicRegionSequence, result[0x0019, 0x1001].value):
        assert Tag(keyword) not in sequence[0]
        assert Tag(keyword) not in sequence[0].ConceptCodeSequence[0]
        assert sequence[0].ConceptCodeSequence[0].CodeValue == "1"


def test_curves_go() -> None:
    header = make_header()
    header.add_new((0x5002, 0x0005), "US", 2)
    header.add_new((0x50FE, 0x3000), "OW", b"\0\0")
    assert not [t for t in derived(header).keys() if 0x5000 <= t.group < 0x5100]  # noqa: SIM118


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "KVP PatientAge ImageComments ExposureTime Laterality BodyPartExamined",
                "ViewPosition PatientComments DetectorID ProtocolName Grid FocalSpots",
            ]
        ).flatmap(lambda names: st.sampled_from(names.split())),
        st.binary(max_size=40),
    )
)
def test_what_no_rule_names_is_copied_byte_for_byte(values: dict[str, bytes]) -> None:
    header = make_header()
    for keyword, value in values.items():
        header[Tag(keyword)] = raw_element(keyword, value)
    result = derived(header)
    for keyword in values:
        tag = Tag(keyword)
        assert result.get_item(tag) == header.get_item(tag)
