"""A user's values for a picture are written as valid DICOM, or refused by name."""

from __future__ import annotations

import pytest

from cxr_sr.errors import SettingsError
from cxr_sr.formats.header.tags import checked_tags, keyword_of, study_uid, value_of


@pytest.mark.parametrize(
    ("column", "keyword"),
    [
        ("PatientID", "PatientID"),
        ("patient_id", "PatientID"),
        ("Patient ID", "PatientID"),
        ("StudyInstanceUID", "StudyInstanceUID"),
        ("modality", "Modality"),
        ("ViewPosition", "ViewPosition"),
        ("SeriesDescription", "SeriesDescription"),
        ("PatientIdentityRemoved", "PatientIdentityRemoved"),
        ("BurnedInAnnotation", "BurnedInAnnotation"),
        ("LossyImageCompression", "LossyImageCompression"),
        ("LongitudinalTemporalInformationModified",) * 2,
    ],
)
def test_a_column_names_an_attribute_in_any_spelling(column: str, keyword: str) -> None:
    assert keyword_of(column) == keyword


def test_a_near_miss_is_told_what_was_probably_meant() -> None:
    with pytest.raises(SettingsError, match="did you mean 'PatientID'"):
        keyword_of("PatientIDs")


@pytest.mark.parametrize("column", ["", "label", "0010,0020"])
def test_what_is_no_attribute_is_refused(column: str) -> None:
    with pytest.raises(SettingsError, match="no attribute of DICOM"):
        keyword_of(column)


@pytest.mark.parametrize(
    "column",
    [
        "SOPInstanceUID",
        "SeriesInstanceUID",
        "SOPClassUID",
        "Rows",
        "BitsStored",
        "PixelData",
        "PixelSpacing",
        "PhotometricInterpretation",
        "ImageType",
        "Manufacturer",
        "ContentQualification",
        "SyntheticData",
        "TransferSyntaxUID",
        "SourceImageSequence",
        "WindowCenter",
        "SpecificCharacterSet",
    ],
)
def test_what_follows_from_the_image_cannot_be_stated(column: str) -> None:
    with pytest.raises(SettingsError, match=f"{column} cannot be stated"):
        keyword_of(column)


@pytest.mark.parametrize(
    ("keyword", "given", "value"),
    [
        ("StudyDate", "2020-01-31", "20200131"),
        ("StudyDate", "20200131", "20200131"),
        ("StudyTime", "23:59", "2359"),
        ("StudyTime", "23:59:01.5", "235901.5"),
        ("Modality", "dx", "DX"),
        ("PatientAge", "62", "062Y"),
        ("PatientAge", "003M", "003M"),
        ("PatientID", " 17 ", "17"),
        ("PatientOrientation", "L\\F", "L\\F"),
        ("PatientName", "Doe^Jane", "Doe^Jane"),
        ("PatientWeight", "70.5", "70.5"),
    ],
)
def test_a_value_becomes_what_dicom_writes(
    keyword: str, given: str, value: str
) -> None:
    assert value_of(keyword, given) == value


@pytest.mark.parametrize(
    ("keyword", "given", "vr"),
    [
        ("StudyDate", "31.01.2020", "DA"),
        ("StudyInstanceUID", "1.2.03", "UI"),
        ("StudyInstanceUID", "my study", "UI"),
        ("PatientAge", "sixty", "AS"),
        ("Modality", "digital radiography", "CS"),
        ("AccessionNumber", "x" * 17, "SH"),
        ("PatientWeight", "heavy", "DS"),
    ],
)
def test_a_value_of_another_kind_is_refused_without_repeating_it(
    keyword: str, given: str, vr: str
) -> None:
    with pytest.raises(SettingsError, match=f"value of {keyword} is no {vr}") as error:
        value_of(keyword, given)
    assert given not in str(error.value)


def test_empty_values_state_nothing() -> None:
    assert checked_tags({"PatientID": "", "patient_sex": "f"}) == {"PatientSex": "F"}


def test_a_study_is_one_for_all_its_images() -> None:
    stated = {"PatientID": "17", "StudyDate": "20200131"}
    assert study_uid(stated) == study_uid(stated | {"ViewPosition": "LL"})
    assert study_uid(stated) != study_uid(stated | {"PatientID": "18"})
    assert study_uid(stated) != study_uid(stated | {"StudyID": "2"})
    assert study_uid(stated | {"StudyInstanceUID": "1.2.3"}) == "1.2.3"
    assert study_uid({"PatientID": "17"}) == ""
