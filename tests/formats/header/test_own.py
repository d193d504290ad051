"""One trace is enough to recognise a result."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydicom.dataset import Dataset

from cxr_sr.formats.header.derive import HeaderOptions, derive
from cxr_sr.formats.header.own import is_own
from tests.header_builders import make_derivation, make_header, make_item, real_files

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TRACES = ("ContributingEquipmentSequence", "DerivationDescription", "SeriesDescription")


def result(**options: object) -> Dataset:
    header = make_header(DerivationDescription="JPEG 2000 lossy 10:1")
    chosen = HeaderOptions(**options)  # type: ignore[arg-type]
    return derive(header, make_derivation(), (80, 60), NOW, chosen)


@pytest.mark.parametrize("trace", TRACES)
def test_one_trace_is_enough(trace: str) -> None:
    made = result()
    for other in set(TRACES) - {trace}:
        del made[other]
    assert is_own(made)


def test_kept_equipment_hides_nothing() -> None:
    assert is_own(result(equipment="keep", synthetic=False))


def test_an_interpolated_result_is_a_result() -> None:
    plain = make_derivation(weights_sha256="", model="bicubic")
    assert is_own(derive(make_header(), plain, (80, 60), NOW))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"SeriesDescription": "RESEARCH ONLY (other tool)"},
        {"DerivationDescription": "compared with cxr-sr by hand"},
        {"ContributingEquipmentSequence": [make_item(Manufacturer="Maker")]},
        {"Manufacturer": "cxr-sr"},  # a picture that was only written as DICOM
    ],
)
def test_others_are_none(values: dict[str, object]) -> None:
    assert not is_own(make_header(**values))


@pytest.mark.parametrize("path", real_files())
def test_no_real_file_is_one(path: str) -> None:
    import pydicom  # noqa: PLC0415 - most tests need none

    assert not is_own(pydicom.dcmread(path, force=True, stop_before_pixels=True))
