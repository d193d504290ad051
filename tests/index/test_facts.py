"""An index has the same facts for every coding, and nothing about the patient."""

import dataclasses

import numpy as np
import pytest
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

import cxr_sr
from cxr_sr.errors import NotARadiographError, UnreadableError
from cxr_sr.formats import read, write
from cxr_sr.index.facts import age, examine
from cxr_sr.index.split import Salt
from tests.builders import noise, pixel_format, write_png
from tests.index.export import ANNA, BERT, NOBODY, SECRETS, image

SALT = Salt.of("a secret of sixteen")


def facts(path, seed=1, person=ANNA, **more):
    return examine(image(path, seed, person, **more), SALT)


@pytest.fixture
def anna(tmp_path):
    return facts(tmp_path / "anna")


def test_what_a_radiograph_says(anna):
    assert (anna.view, anna.age, anna.sex, anna.modality) == ("PA", "88", "F", "DX")
    assert (anna.manufacturer, anna.body_part) == ("Maker", "CHEST")
    assert (anna.bits, anna.photometric) == (12, "MONOCHROME2")
    assert (anna.rows, anna.columns) == (33, 34)
    assert (anna.row_spacing_mm, anna.column_spacing_mm) == (0.15, 0.1)


def test_a_term_that_the_standard_does_not_have_is_not_repeated(tmp_path):
    typed = {
        "ViewPosition": "MISS SMITH",
        "BodyPartExamined": "ROOM 7",
        "Modality": "X",
    }
    found = facts(tmp_path / "a", **typed)
    assert (found.view, found.body_part, found.modality) == ("OTHER",) * 3
    vendor = {"ViewPosition": "LATERAL", "BodyPartExamined": "PORT CHEST"}
    found = facts(tmp_path / "b", **vendor)
    assert (found.view, found.body_part) == ("LATERAL", "PORT CHEST")
    found = facts(tmp_path / "c", ViewPosition="", BodyPartExamined=None)
    assert (found.view, found.body_part) == ("", "")


def test_nothing_of_it_tells_whose_it_is(anna):
    told = repr(dataclasses.asdict(anna))
    assert not [secret for secret in SECRETS if secret in told]


def test_a_patient_is_one_in_all_studies(tmp_path, anna):
    other = facts(tmp_path / "b", 2, StudyInstanceUID="1.2.3", PatientName="Married")
    assert other.patient == anna.patient
    assert other.study != anna.study


@pytest.mark.parametrize(
    "change",
    [
        {"PatientID": "ID-4712-ANNA"},
        {"IssuerOfPatientID": "HOSPITAL-SOUTH"},
        {"IssuerOfPatientID": None},
    ],
    ids=str,
)
def test_number_and_issuer_tell_patients_apart(tmp_path, anna, change):
    assert facts(tmp_path / "b", **change).patient != anna.patient


def test_who_is_not_named_has_no_hash(tmp_path):
    nobody = facts(tmp_path / "nobody", person=NOBODY, StudyInstanceUID=None)
    assert (nobody.patient, nobody.study, nobody.age) == ("", "", "")


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        JPEGLSLossless,
        JPEG2000Lossless,
        RLELossless,
    ],
    ids=lambda syntax: syntax.name,
)
def test_the_same_pixels_have_one_hash_in_every_coding(tmp_path, anna, syntax):
    other = facts(tmp_path / "b", person=BERT, syntax=syntax)
    assert other.pixel_hash == anna.pixel_hash


def test_so_they_have_in_another_format(tmp_path, anna):
    write(read(tmp_path / "anna"), tmp_path / "same.png")
    assert examine(tmp_path / "same.png", SALT).pixel_hash == anna.pixel_hash


def test_other_pixels_have_another_hash(tmp_path, anna):
    assert facts(tmp_path / "b", seed=2).pixel_hash != anna.pixel_hash


def test_real_files_of_one_image_agree(shared_dicom):
    names = ["j2kr", "jlsl", "jpll"]
    hashes = {
        examine(shared_dicom / f"hip_fuji_rg2_{name}.dcm", SALT).pixel_hash
        for name in names
    }
    assert len(hashes) == 1
    lossy = examine(shared_dicom / "hip_fuji_rg2_jlsn.dcm", SALT)
    assert lossy.pixel_hash not in hashes


def test_a_picture_says_only_what_its_pixels_are(tmp_path):
    pixels = np.stack([noise((20, 30), pixel_format(8))] * 3, -1)
    found = examine(write_png(tmp_path / "rgb.png", pixels), SALT)
    assert (found.rows, found.columns, found.bits) == (20, 30, 8)
    assert found.photometric == "MONOCHROME2"
    said = {k for k, v in dataclasses.asdict(found).items() if v not in ("", None)}
    assert said == {"bits", "photometric", "rows", "columns", "pixel_hash", "lossy"}
    assert found.lossy == "no"


def test_a_result_is_told_from_an_original(tmp_path):
    original = image(tmp_path / "a", 1, ANNA)
    finer = cxr_sr.upscale(read(original), cxr_sr.load_model("bicubic"), 2)
    write(finer, tmp_path / "finer.dcm")
    assert examine(original, SALT).result_of == ""
    assert examine(tmp_path / "finer.dcm", SALT).result_of == "cxr-sr"


def test_spacing_is_free_of_floating_point_noise(tmp_path):
    found = facts(tmp_path / "a", ImagerPixelSpacing=["0.1430000000", "0.14300001"])
    assert (found.row_spacing_mm, found.column_spacing_mm) == (0.143, 0.143)


def test_what_is_no_radiograph_is_said_so(tmp_path):
    with pytest.raises(NotARadiographError, match="CT Image Storage"):
        facts(tmp_path / "ct", SOPClassUID=CTImageStorage, Modality="CT")


def test_what_is_damaged_is_said_so(tmp_path):
    path = image(tmp_path / "cut", syntax=ExplicitVRLittleEndian)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnreadableError, match="truncated"):
        examine(path, SALT)


@pytest.mark.parametrize(
    ("years", "told"),
    [
        ("46", "46"),
        ("046Y", "46"),
        ("46.5", "46"),
        ("0", "0"),
        ("89", "89"),
        ("90", "90+"),
        ("103", "90+"),
        ("", ""),
        ("unknown", ""),
        ("-3", ""),
        ("19310412", ""),
    ],
)
def test_the_oldest_are_told_together(years, told):
    assert age(years) == told


def test_so_they_are_when_the_header_says_more(tmp_path):
    assert facts(tmp_path / "bert", person=BERT).age == "90+"
