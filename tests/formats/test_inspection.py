"""A file is described from its header alone, traps and refusals included."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    SecondaryCaptureImageStorage,
)

from cxr_sr.errors import InputError, NotARadiographError, UnreadableError
from cxr_sr.formats import inspect, read, write
from cxr_sr.formats.dicom import pixels as dicom_pixels
from cxr_sr.formats.inspection import Inspection
from cxr_sr.radiograph import Geometry
from tests.builders import noise, pixel_format, radiograph, write_png
from tests.dicom_files import (
    JPEG_EXTENDED_FRAME,
    RAMP,
    described,
    dicom_file,
    frame_for,
    saved,
)
from tests.header_builders import make_item


def test_a_radiograph_is_described(tmp_path: Path):
    path = dicom_file(
        tmp_path / "a.dcm", fmt=pixel_format(10, photometric="MONOCHROME1")
    )
    assert inspect(path) == Inspection(
        kind="DICOM",
        modality="DX",
        sop_class="Digital X-Ray Image Storage - For Presentation",
        rows=33,
        columns=34,
        frames=1,
        bits_allocated=16,
        bits_stored=10,
        signed=False,
        photometric="MONOCHROME1",
        spacing_mm=(0.15, 0.1),
        spacing_attribute="ImagerPixelSpacing",
        transfer_syntax="Explicit VR Little Endian",
        window=(0, 4095),
        findings=("MONOCHROME1: the smallest value is white, also in the result.",),
        refusal=None,
    )


def test_a_description_is_ready_for_json_and_names_no_patient(tmp_path: Path):
    path = dicom_file(
        tmp_path / "Doe_Jane.dcm", InstitutionName="Hospital", PatientComments="Jane"
    )
    told = json.dumps(dataclasses.asdict(inspect(path)))
    for secret in ("Doe", "Jane", "Hospital", "ROOM1", "1.2.3", "2020", str(tmp_path)):
        assert secret not in told


def test_no_code_stream_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = dicom_file(tmp_path / "a.dcm", syntax=JPEG2000Lossless)
    monkeypatch.setattr(dicom_pixels, "decode_apart", None)
    assert inspect(path).refusal is None


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda s: s.name,
)
def test_the_encoding_changes_nothing_but_its_name(tmp_path: Path, syntax: UID):
    plain = inspect(dicom_file(tmp_path / "a.dcm"))
    other = inspect(dicom_file(tmp_path / "b.dcm", syntax=syntax))
    assert other == dataclasses.replace(plain, transfer_syntax=syntax.name)


# ---- findings ------------------------------------------------------------------------

FINDINGS: dict[str, tuple[dict[str, Any], str]] = {
    "pixels that are not square": (
        {"PixelAspectRatio": [2, 1], "PixelSpacing": None, "ImagerPixelSpacing": None},
        "PixelAspectRatio (0028,0034) is 2:1 (height to width of a pixel)",
    ),
    "a window of no width": (
        {"WindowCenter": [5, 9], "WindowWidth": [0, 8]},
        "Window 0 has the width 0; LINEAR allows only 1 or more",
    ),
    "zero spacing": (
        {"PixelSpacing": [0, 0]},
        "PixelSpacing (0028,0030) is no valid spacing; results do not repeat it.",
    ),
    "no spacing": (
        {"ImagerPixelSpacing": None},
        "No pixel spacing is stated: sizes in mm are unknown.",
    ),
    "calibrated": (
        {"PixelSpacing": [0.1, 0.1]},
        "PixelSpacing (0028,0030) differs from ImagerPixelSpacing (0018,1164)",
    ),
    "inverse": (
        {"PresentationLUTShape": "INVERSE"},
        "PresentationLUTShape (2050,0020) is INVERSE.",
    ),
    "lossy once": (
        {"LossyImageCompression": "01"},
        "It was compressed with loss",
    ),
    "ours": (
        {"DerivationDescription": "cxr-sr 0.1: super-resolved x2 by hydra"},
        "It is itself a result of cxr-sr.",
    ),
    "raw": (
        {"PresentationIntentType": "FOR PROCESSING"},
        "FOR PROCESSING: raw detector values, which look unlike a display image.",
    ),
    "names in the pixels": (
        {"BurnedInAnnotation": "YES"},
        "BurnedInAnnotation (0028,0301) is YES: names may be in the pixels.",
    ),
    "empty window": (
        {"WindowCenter": "", "WindowWidth": ""},
        "WindowCenter (0028,1050) is empty or no number.",
    ),
    "several windows": (
        {"WindowCenter": [1, 2], "WindowWidth": [3, 4]},
        "It has 2 windows; cxr-sr uses the first valid window.",
    ),
    "modality table": (
        {"ModalityLUTSequence": [make_item(LUTExplanation="")]},
        "It has a ModalityLUTSequence (0028,3000), which only concerns its display.",
    ),
    "display table": (
        {"VOILUTSequence": [make_item(LUTExplanation="")]},
        "It has a VOILUTSequence (0028,3010), which only concerns its display.",
    ),
}


@pytest.mark.parametrize(("said", "finding"), FINDINGS.values(), ids=FINDINGS)
def test_a_trap_is_told_where_it_is_and_only_there(
    tmp_path: Path, said: dict[str, Any], finding: str
):
    odd = inspect(dicom_file(tmp_path / "a.dcm", **said)).findings
    plain = inspect(dicom_file(tmp_path / "b.dcm")).findings
    assert any(sentence.startswith(finding) for sentence in odd)
    assert not any(sentence.startswith(finding) for sentence in plain)


def test_an_ordinary_file_gives_nothing_to_tell(tmp_path: Path):
    assert inspect(dicom_file(tmp_path / "a.dcm")).findings == ()


def overlay(tmp_path: Path, *, data: bool = True, **said: Any) -> tuple[str, ...]:
    """Findings on a file with an overlay plane, by element."""
    header = described(noise((33, 34)), pixel_format())
    defaults: dict[str, Any] = {"rows": 33, "columns": 34, "origin": [1, 1]}
    plane = defaults | said
    header.add_new(0x60020010, "US", plane["rows"])
    header.add_new(0x60020011, "US", plane["columns"])
    header.add_new(0x60020050, "SS", plane["origin"])
    if "bit" in plane:
        header.add_new(0x60020102, "US", plane["bit"])
    if data:
        header.add_new(0x60023000, "OW", bytes(142))
    return inspect(saved(tmp_path / "a.dcm", header)).findings


@pytest.mark.parametrize(
    ("said", "finding"),
    [
        ({}, "Overlay 6002 lies over the image."),
        ({"rows": 34}, "Overlay 6002 reaches beyond the image."),
        ({"origin": [1, 2]}, "Overlay 6002 reaches beyond the image."),
        ({"origin": [-3, 1]}, "Overlay 6002 reaches beyond the image."),
        (
            {"data": False, "bit": 15},
            (
                "Overlay 6002 lies in the bits of the pixels (retired); "
                "results have it as a separate plane."
            ),
        ),
        (
            {"data": False},
            "Overlay 6002 lies in the bits of the pixels (retired); it is left out.",
        ),
    ],
    ids=str,
)
def test_an_overlay_is_told_with_where_it_lies(
    tmp_path: Path, said: dict[str, Any], finding: str
):
    assert finding in overlay(tmp_path, **said)


def test_private_groups_are_counted_and_not_read(tmp_path: Path):
    header = described(noise(), pixel_format())
    for group in (0x0009, 0x0019):
        header.add_new(group << 16 | 0x10, "LO", "MAKER OF JANE")
        header.add_new(group << 16 | 0x1001, "LO", "Jane")
    told = inspect(saved(tmp_path / "a.dcm", header)).findings
    assert (
        "It has private elements (groups 0009, 0019); only the manufacturer knows "
        "their meaning."
    ) in told
    assert "Jane" not in "".join(told)


def test_a_lossy_coding_that_the_header_is_silent_about_is_told(tmp_path: Path):
    path = dicom_file(
        tmp_path / "a.dcm",
        RAMP,
        syntax=JPEGExtended12Bit,
        frame=JPEG_EXTENDED_FRAME,
        LossyImageCompression=None,
    )
    told = "The pixels are coded as JPEG Extended (Process 2 and 4), with loss. "
    assert any(f.startswith(told) for f in inspect(path).findings)
    assert inspect(path).lossy


def test_a_missing_preamble_is_told(tmp_path: Path):
    path = dicom_file(tmp_path / "a", syntax=ImplicitVRLittleEndian, preamble=False)
    found = inspect(path)
    assert found.kind == "DICOM without preamble"
    assert found.findings[-1].startswith("There is no preamble")


# ---- refusals ------------------------------------------------------------------------

REFUSED: dict[str, dict[str, Any]] = {
    "CT": {"SOPClassUID": CTImageStorage},
    "captured MR": {"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "MR"},
    "cine": {"NumberOfFrames": 12},
    "colour": {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3},
    "no rows": {"Rows": None},
    "absurd": {"Rows": 65535, "Columns": 65535},
    "too short": {"Rows": 34},
    "unknown syntax": {"syntax": UID("1.2.3.4"), "frame": frame_for(JPEGExtended12Bit)},
}


@pytest.mark.parametrize("said", REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_the_one_that_reading_gives(tmp_path: Path, said: dict[str, Any]):
    path = dicom_file(tmp_path / "a.dcm", **said)
    with pytest.raises(InputError) as error:
        read(path)
    assert inspect(path).refusal == str(error.value)


def test_what_is_refused_is_described_all_the_same(tmp_path: Path):
    path = dicom_file(
        tmp_path / "a.dcm", SOPClassUID=CTImageStorage, Modality="CT", NumberOfFrames=3
    )
    found = inspect(path)
    assert (found.modality, found.sop_class) == ("CT", "CT Image Storage")
    assert (found.rows, found.frames) == (33, 3)


def test_a_report_is_described_without_pixels(tmp_path: Path):
    header = make_item(SOPClassUID=CTImageStorage, Modality="SR")
    found = inspect(saved(tmp_path / "a.dcm", header))
    assert (found.rows, found.bits_stored, found.signed) == (None, None, None)
    assert found.refusal is not None


def test_a_damaged_header_is_an_error(tmp_path: Path):
    path = dicom_file(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(UnreadableError, match="the header ends within element"):
        inspect(path)


def test_nothing_known_is_an_error(tmp_path: Path):
    (tmp_path / "a.dcm").write_text("text")
    with pytest.raises(NotARadiographError, match="neither DICOM nor PNG"):
        inspect(tmp_path / "a.dcm")


# ---- rasters -------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif", ".mha", ".nrrd"])
def test_a_raster_is_described(tmp_path: Path, suffix: str):
    fmt = pixel_format(16)
    path = tmp_path / f"a{suffix}"
    write(radiograph(noise((7, 11), fmt), fmt, geometry=Geometry((0.3, 0.2))), path)
    found = inspect(path)
    assert (found.rows, found.columns, found.bits_stored) == (7, 11, 16)
    assert (found.signed, found.photometric) == (False, "MONOCHROME2")
    assert found.spacing_mm == pytest.approx((0.3, 0.2))
    assert found.refusal is None


def test_a_raster_that_is_none_says_why(tmp_path: Path):
    image = pytest.importorskip("PIL.Image")
    image.new("CMYK", (6, 5)).save(tmp_path / "a.jpg")
    found = inspect(tmp_path / "a.jpg")
    assert found.refusal is not None
    assert "CMYK" in found.refusal
    assert (found.rows, found.columns) == (5, 6)


def test_a_png_from_anywhere_has_no_spacing(tmp_path: Path):
    assert inspect(write_png(tmp_path / "a.png")).spacing_mm is None


# ---- real files ----------------------------------------------------------------------


def test_every_shared_file_is_described_and_refused_as_reading_refuses_it(
    shared_dicom: Path, capfd: pytest.CaptureFixture[str]
):
    for path in sorted(shared_dicom.glob("*.dcm")):
        found = inspect(path)
        refused = "chrJapMulti" in path.name
        assert (found.refusal is not None) == refused, path.name
        assert found.rows is not None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("chest_philips_rg1_jlsn", "PixelSpacing (0028,0030) is no valid spacing"),
        ("mg_overlay_outofbounds_jpll", "Overlay 6002 reaches beyond the image"),
        ("ot_535x800_16b_jpll_lut_ovl", "WindowCenter (0028,1050) is empty"),
        ("mg_ge_voilutseq_multiwindow_jpll", "It has 3 windows"),
        ("chest_fuji440_headless_nopreamble", "There is no preamble"),
        ("leg_fuji_rg3_j2ki", "No pixel spacing is stated"),
        ("cr_teeth_modalitylut_jpll_m1", "It has a ModalityLUTSequence"),
    ],
)
def test_the_traps_of_real_files_are_told(shared_dicom: Path, name: str, finding: str):
    told = inspect(shared_dicom / f"{name}.dcm").findings
    assert any(sentence.startswith(finding) for sentence in told)


def test_a_sequence_may_be_anything(tmp_path: Path):
    header = described(noise(), pixel_format())
    header.ModalityLUTSequence = Sequence([])
    assert inspect(saved(tmp_path / "a.dcm", header)).rows == 16
