"""Who was imaged and how, of headers as they really are."""

import pytest
from pydicom.dataset import Dataset

from cxr_sr.formats import read
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.dicom.subject import Subject, code, sex
from cxr_sr.formats.raster.files import RasterHeader
from tests.header_builders import make_code, make_header, raw_element


def subject(**overrides) -> Subject:
    """Return the subject of a header; text values may be invalid, as in a file."""
    header = make_header(**dict.fromkeys(overrides))
    for keyword, value in overrides.items():
        if isinstance(value, str):
            header[keyword] = raw_element(keyword, value.encode())
        elif value is not None:
            setattr(header, keyword, value)
    return Subject.of(DicomHeader(header))


def test_a_raster_file_says_nothing_of_anybody():
    assert Subject.of(RasterHeader()) == Subject()


def test_an_empty_header_says_nothing_either():
    assert Subject.of(DicomHeader(Dataset())) == Subject()


@pytest.mark.parametrize(
    ("identifier", "issuer", "patient"),
    [
        ("17", None, ("17", "")),
        ("17", "NORTH", ("17", "NORTH")),
        (" 17 ", "NORTH ", ("17", "NORTH")),
        ("", "NORTH", None),
        ("  ", None, None),
        (None, None, None),
    ],
)
def test_number_and_issuer_make_a_patient(identifier, issuer, patient):
    found = subject(PatientID=identifier, IssuerOfPatientID=issuer)
    assert found.patient == patient


@pytest.mark.parametrize(
    ("age", "years"),
    [
        ("046Y", 46),
        ("46Y", 46),
        ("001Y", 1),
        ("100Y", 100),
        ("023M", 1),
        ("024M", 2),
        ("012M", 1),
        ("011M", 0),
        ("060W", 1),
        ("010D", 0),
        ("999Y", None),
        ("-01Y", None),
    ],
)
def test_an_age_in_whatever_unit_is_whole_years(age, years):
    assert subject(PatientAge=age, PatientBirthDate="").age_years == years


@pytest.mark.parametrize(
    ("birth", "study", "years"),
    [
        ("19700101", "20200102", 50),
        ("19700103", "20200102", 49),
        ("20000229", "20010228", 0),
        ("20200103", "20200102", None),
        ("19700101", "", None),
        ("", "20200102", None),
        ("19701301", "20200102", None),
        ("1970.01.01", "20200102", None),
        ("18000101", "20200102", None),
    ],
)
def test_an_age_that_is_not_stated_comes_from_the_dates(birth, study, years):
    found = subject(PatientAge=None, PatientBirthDate=birth, StudyDate=study)
    assert found.age_years == years


def test_a_stated_age_counts_more_than_dates():
    assert subject(PatientAge="030Y", PatientBirthDate="19200101").age_years == 30


@pytest.mark.parametrize(
    ("position", "coded", "view"),
    [
        ("PA", None, "PA"),
        (" ap", None, "AP"),
        ("LATERAL", None, "LATERAL"),
        ("", ("272479007", "SCT"), "PA"),
        (None, ("399348003", "SCT"), "AP"),
        (None, ("R-10206", "SRT"), "AP"),
        (None, ("R-10214", "SNM3"), "PA"),
        (None, ("399173006", "SCT"), "LL"),
        (None, ("12345", "99LOCAL"), ""),
        ("AP", ("272479007", "SCT"), "AP"),
        (None, None, ""),
    ],
)
def test_the_view_is_stated_or_coded(position, coded, view):
    codes = [make_code(coded[0], coded[1], "whatever")] if coded else []
    assert subject(ViewPosition=position, ViewCodeSequence=codes).view == view


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("chest", "CHEST"),
        (" CHEST ", "CHEST"),
        ("CHEST_2 VIEWS", "CHEST_2 VIEWS"),
        ("Chest of Anna, b. 1931", ""),
        ("A" * 17, ""),
        ("CHEST^ANNA", ""),
        ("", ""),
    ],
)
def test_what_is_no_code_is_not_repeated(value, kept):
    assert code(value) == kept


@pytest.mark.parametrize(
    ("value", "kept"), [("F", "F"), ("m ", "M"), ("O", "O"), ("Anna", ""), ("", "")]
)
def test_there_are_three_sexes_to_repeat(value, kept):
    assert sex(value) == kept


def test_a_manufacturer_is_one_printable_line():
    assert subject(Manufacturer=" Maker\r\n  of \x1b[31mDetectors ").manufacturer == (
        "Maker of [31mDetectors"
    )


def test_a_header_that_cannot_be_decoded_is_no_error():
    header = make_header(PatientAge=None, PatientBirthDate=None)
    for keyword, value in (
        ("PatientID", b"\xff\xfe17"),
        ("PatientAge", b"\x00\xff\xff\xff"),
        ("PatientBirthDate", b"\xff" * 8),
    ):
        header[keyword] = raw_element(keyword, value)
    found = Subject.of(DicomHeader(header))
    assert found.patient is not None
    assert found.age_years is None


def test_of_a_real_radiograph(rg1):
    found = Subject.of(read(rg1).header)
    assert (found.view, found.body_part, found.modality) == ("PA", "CHEST", "CR")
    assert (found.sex, found.age_years) == ("F", 64)
    assert found.manufacturer == "Philips Medical Systems"
    assert found.study.startswith("1.")
