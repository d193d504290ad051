"""A result names its source, the source's equipment and our own."""

from __future__ import annotations

import getpass
import platform
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from cxr_sr.formats.header.derive import RULES, HeaderOptions, derive
from cxr_sr.formats.header.provenance import move_equipment
from cxr_sr.radiograph import Derivation
from tests.header_builders import (
    make_code,
    make_derivation,
    make_header,
    make_item,
    raw_element,
    undecoded_header,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EQUIPMENT = next(rule.attributes for rule in RULES if rule.action is move_equipment)
INTERPOLATION = make_derivation(model="bicubic", weights_sha256="")


def derived(
    header: Dataset | None = None,
    derivation: Derivation | None = None,
    options: HeaderOptions = HeaderOptions(),  # noqa: B008 - frozen
) -> Dataset:
    header = make_header() if header is None else header
    return derive(header, derivation or make_derivation(), (80, 60), NOW, options)


def codes(items: list[Dataset]) -> list[str]:
    return [f"{i.CodeValue} {i.CodingSchemeDesignator}" for i in items]


def roles(result: Dataset) -> list[str]:
    return [
        item.PurposeOfReferenceCodeSequence[0].CodeMeaning
        for item in result.ContributingEquipmentSequence
    ]


# --- codes


def test_a_network_is_coded_as_resampling_and_as_super_resolution() -> None:
    assert codes(derived().DerivationCodeSequence) == ["113085 DCM", "SUPERRES 99CXRSR"]


def test_the_private_scheme_is_identified() -> None:
    (scheme,) = derived().CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99CXRSR"
    assert "cxr-sr" in scheme.CodingSchemeName


def test_an_interpolator_is_coded_as_resampling_only() -> None:
    result = derived(derivation=INTERPOLATION)
    assert codes(result.DerivationCodeSequence) == ["113085 DCM"]
    assert "CodingSchemeIdentificationSequence" not in result


def test_earlier_codes_stay_first() -> None:
    lossy = make_code("113040", "DCM", "Lossy Compression")
    result = derived(make_header(DerivationCodeSequence=[lossy]))
    assert codes(result.DerivationCodeSequence)[0] == "113040 DCM"
    assert len(result.DerivationCodeSequence) == 3


def test_what_is_coded_already_is_not_coded_again() -> None:
    twice = derived(derived())
    assert codes(twice.DerivationCodeSequence) == ["113085 DCM", "SUPERRES 99CXRSR"]
    assert len(twice.CodingSchemeIdentificationSequence) == 1


# --- references


def test_the_source_is_referred_to_and_its_places_are_not_preserved() -> None:
    header = make_header()
    (source,) = derived(header).SourceImageSequence
    assert source.ReferencedSOPClassUID == header.SOPClassUID
    assert source.ReferencedSOPInstanceUID == header.SOPInstanceUID
    assert source.SpatialLocationsPreserved == "NO"
    assert codes(source.PurposeOfReferenceCodeSequence) == ["121322 DCM"]


def test_earlier_sources_stay_first() -> None:
    earlier = make_item(ReferencedSOPInstanceUID="1.9", ReferencedSOPClassUID="1.8")
    result = derived(make_header(SourceImageSequence=[earlier]))
    uids = [i.ReferencedSOPInstanceUID for i in result.SourceImageSequence]
    assert uids == ["1.9", "1.2.3.4"]


def test_a_chain_of_results_names_every_link() -> None:
    first = derived()
    second = derived(first)
    uids = [i.ReferencedSOPInstanceUID for i in second.SourceImageSequence]
    assert uids == ["1.2.3.4", first.SOPInstanceUID]
    assert len({"1.2.3.4", first.SOPInstanceUID, second.SOPInstanceUID}) == 3


def test_the_source_is_listed_under_its_series() -> None:
    (series,) = derived().ReferencedSeriesSequence
    assert series.SeriesInstanceUID == "1.2.3.5"
    (instance,) = series.ReferencedInstanceSequence
    assert instance.ReferencedSOPInstanceUID == "1.2.3.4"
    assert "SpatialLocationsPreserved" not in instance


def test_the_source_joins_what_its_series_lists_already() -> None:
    other = make_item(ReferencedSOPClassUID="1.8", ReferencedSOPInstanceUID="1.9")
    listed = [
        make_item(SeriesInstanceUID="1.7", ReferencedInstanceSequence=[other]),
        make_item(SeriesInstanceUID="1.2.3.5", ReferencedInstanceSequence=[other]),
    ]
    result = derived(make_header(ReferencedSeriesSequence=listed))
    lengths = [
        len(i.ReferencedInstanceSequence) for i in result.ReferencedSeriesSequence
    ]
    assert lengths == [1, 2]


@pytest.mark.parametrize("missing", ["SOPInstanceUID", "SOPClassUID"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_source_that_cannot_be_named_is_not_referred_to(
    missing: str, value: str | None
) -> None:
    result = derived(make_header(**{missing: value}))
    assert "SourceImageSequence" not in result
    assert "ReferencedSeriesSequence" not in result


@pytest.mark.parametrize(
    "uid", [b"999.1.2", b"1.02.3", b"1." + b"2" * 63, b"1.a", b"1"]
)
def test_an_invalid_uid_is_not_quoted(uid: bytes) -> None:
    header = make_header()
    header[Tag("SOPInstanceUID")] = raw_element("SOPInstanceUID", uid, "UI")
    assert "SourceImageSequence" not in derived(header)


def test_a_padded_uid_is_quoted_without_its_padding() -> None:
    header = make_header()
    header[Tag("SOPInstanceUID")] = raw_element("SOPInstanceUID", b"1.2.3\0", "UI")
    (source,) = derived(header).SourceImageSequence
    assert source.ReferencedSOPInstanceUID == "1.2.3"


def test_a_source_without_a_series_is_still_named() -> None:
    result = derived(make_header(SeriesInstanceUID=None))
    assert len(result.SourceImageSequence) == 1
    assert "ReferencedSeriesSequence" not in result


# --- equipment


def test_the_makers_own_identity_is_the_equipment() -> None:
    result = derived()
    assert result.Manufacturer == "cxr-sr"
    assert result.ManufacturerModelName == "hydra"
    assert result.SoftwareVersions.startswith("cxr-sr ")
    for keyword in ("InstitutionName", "StationName", "DeviceSerialNumber"):
        assert keyword not in result


def test_the_sources_equipment_becomes_a_contribution() -> None:
    acquisition = derived().ContributingEquipmentSequence[0]
    assert acquisition.Manufacturer == "Maker"
    assert acquisition.InstitutionName == "Hospital"
    assert acquisition.StationName == "ROOM1"
    assert acquisition.ManufacturerModelName == "Detector 9"
    assert acquisition.DeviceSerialNumber == "42"
    assert list(acquisition.SoftwareVersions) == ["1.0", "patch 2"]
    assert "SpatialResolution" not in acquisition


def test_a_code_sequence_moves_with_its_items() -> None:
    department = make_code("225728007", "SCT", "Accident and Emergency")
    header = make_header(InstitutionalDepartmentTypeCodeSequence=[department])
    acquisition = derived(header).ContributingEquipmentSequence[0]
    (moved,) = acquisition.InstitutionalDepartmentTypeCodeSequence
    assert moved == department


@pytest.mark.parametrize(
    ("image_type", "role"),
    [
        (["ORIGINAL", "PRIMARY"], "Acquisition Equipment"),
        (["DERIVED", "PRIMARY"], "Processing Equipment"),
    ],
)
def test_the_sources_role_is_that_of_its_image(
    image_type: list[str], role: str
) -> None:
    result = derived(make_header(ImageType=image_type))
    assert roles(result) == [role, "Processing Equipment"]


def test_a_result_of_a_result_lists_each_run_once() -> None:
    once = derived()
    twice = derived(once)
    makers = [i.Manufacturer for i in twice.ContributingEquipmentSequence]
    assert makers == ["Maker", "cxr-sr", "cxr-sr"]


def test_a_picture_written_as_dicom_keeps_its_writer() -> None:
    """Its General Equipment is this tool; no contribution has named it yet."""
    header = make_header(Manufacturer="cxr-sr", ImageType=["DERIVED", "SECONDARY"])
    made = [i.Manufacturer for i in derived(header).ContributingEquipmentSequence]
    assert made == ["cxr-sr", "cxr-sr"]


def test_a_picture_keeps_its_writer_beside_the_contribution_of_another_version() -> (
    None
):
    """A contribution is left out only if an equal one is listed already."""
    other = make_item(Manufacturer="cxr-sr", SoftwareVersions="0.0.1")
    header = make_header(Manufacturer="cxr-sr", ContributingEquipmentSequence=[other])
    made = [i.Manufacturer for i in derived(header).ContributingEquipmentSequence]
    assert made == ["cxr-sr", "cxr-sr", "cxr-sr"]


def test_a_single_fact_about_the_equipment_makes_a_contribution() -> None:
    only = dict.fromkeys(EQUIPMENT) | {"StationName": "ROOM1"}
    made = derived(make_header(**only)).ContributingEquipmentSequence
    assert [i.get("StationName") for i in made] == ["ROOM1", None]


def test_earlier_contributions_stay_first() -> None:
    gateway = make_item(
        Manufacturer="Gateway",
        PurposeOfReferenceCodeSequence=[make_code("109105", "DCM", "De-identifying")],
    )
    result = derived(make_header(ContributingEquipmentSequence=[gateway]))
    makers = [i.Manufacturer for i in result.ContributingEquipmentSequence]
    assert makers == ["Gateway", "Maker", "cxr-sr"]


def test_the_own_contribution_names_model_weights_and_time() -> None:
    own = derived().ContributingEquipmentSequence[-1]
    assert own.ManufacturerModelName == "hydra"
    assert own.DeviceUID.is_valid
    assert own.ContributionDateTime == "20260102030405.000000+0000"
    assert "weights SHA-256 0123456789abcdef" in own.ContributionDescription


def test_a_retrained_model_is_another_device() -> None:
    retrained = derived(derivation=make_derivation(weights_sha256="f" * 64))
    assert retrained.DeviceUID != derived().DeviceUID
    other_scale = derived(derivation=make_derivation(factors=(4.0, 4.0)))
    assert other_scale.DeviceUID == derived().DeviceUID


def test_an_interpolator_is_no_device() -> None:
    header = make_header(DeviceUID="1.2.77")
    result = derived(header, INTERPOLATION)
    assert "DeviceUID" not in result
    assert result.ContributingEquipmentSequence[0].DeviceUID == "1.2.77"


@pytest.mark.parametrize("maker", [None, ""])
def test_a_contribution_without_a_maker_says_so(maker: str | None) -> None:
    result = derived(make_header(Manufacturer=maker))
    assert result.ContributingEquipmentSequence[0].Manufacturer == "UNKNOWN"


def test_equipment_that_is_nowhere_stated_makes_no_contribution() -> None:
    nothing = dict.fromkeys(EQUIPMENT)
    result = derived(make_header(**nothing))
    assert [i.Manufacturer for i in result.ContributingEquipmentSequence] == ["cxr-sr"]


def test_empty_equipment_makes_no_contribution() -> None:
    nothing = dict.fromkeys(EQUIPMENT) | {"Manufacturer": "", "StationName": ""}
    result = derived(make_header(**nothing))
    assert len(result.ContributingEquipmentSequence) == 1
    assert "StationName" not in result


def test_equipment_can_be_kept() -> None:
    result = derived(options=HeaderOptions(equipment="keep"))
    assert result.Manufacturer == "Maker"
    assert result.StationName == "ROOM1"
    assert "DeviceUID" not in result
    assert [i.Manufacturer for i in result.ContributingEquipmentSequence] == ["cxr-sr"]


def test_undecoded_equipment_is_written_as_it_was(tmp_path: Path) -> None:
    header = make_header(SpecificCharacterSet="ISO_IR 192")
    undecodable = b"Gr\xfc\xdfe "
    header[Tag("StationName")] = raw_element("StationName", undecodable, "SH")
    result = derived(undecoded_header(tmp_path, header))
    again = undecoded_header(tmp_path, result)
    acquisition = again.ContributingEquipmentSequence[0]
    assert acquisition.get_item(Tag("StationName")).value == undecodable


def test_nothing_of_this_machine_is_in_a_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No header has the name of the host, the user or the folder."""
    folder = tmp_path / "secret-folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for module, name in (
        (socket, "gethostname"),
        (platform, "node"),
        (getpass, "getuser"),
    ):
        monkeypatch.setattr(module, name, lambda: "secret-name")
    for variable in ("USER", "LOGNAME", "HOSTNAME", "HOME"):
        monkeypatch.setenv(variable, "secret-variable")
    assert "secret" not in str(derived(make_header(**dict.fromkeys(EQUIPMENT))))
