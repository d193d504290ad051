"""A header's windows, in stored values, by the rules of PS3.3 C.11."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cxr_sr.formats import read
from cxr_sr.formats.dicom.windows import is_valid
from tests.dicom_files import (
    dicom_file,
)
from tests.header_builders import make_item

WINDOWS: dict[str, tuple[dict[str, Any], tuple[float, float] | None]] = {
    "linear": ({"WindowCenter": 2048, "WindowWidth": 4096}, (0, 4095)),
    "first of several": (
        {"WindowCenter": [600, 1000], "WindowWidth": [401, 9]},
        (399.5, 799.5),
    ),
    "first that is valid": (
        {"WindowCenter": [600, 1000.5], "WindowWidth": [0, 101]},
        (950, 1050),
    ),
    "exact": (
        {"WindowCenter": 600, "WindowWidth": 400, "VOILUTFunction": "LINEAR_EXACT"},
        (400, 800),
    ),
    "sigmoid": (
        {"WindowCenter": 600, "WindowWidth": 400, "VOILUTFunction": "SIGMOID"},
        (400, 800),
    ),
    "rescaled": (
        {
            "WindowCenter": 100.5,
            "WindowWidth": 101,
            "RescaleSlope": 0.5,
            "RescaleIntercept": -50,
        },
        (200, 400),
    ),
    "falling slope": (
        {
            "WindowCenter": 100.5,
            "WindowWidth": 101,
            "RescaleSlope": -1,
            "RescaleIntercept": 0,
        },
        (-150, -50),
    ),
    "slope of zero": (
        {"WindowCenter": 600, "WindowWidth": 400, "RescaleSlope": 0},
        None,
    ),
    "modality table": (
        {
            "WindowCenter": 600,
            "WindowWidth": 400,
            "ModalityLUTSequence": [make_item(LUTExplanation="")],
        },
        None,
    ),
    "none": ({"WindowCenter": None, "WindowWidth": None}, None),
    "empty": ({"WindowCenter": "", "WindowWidth": ""}, None),
    "only a center": ({"WindowCenter": 600, "WindowWidth": None}, None),
    "width of a pixel": ({"WindowCenter": 600, "WindowWidth": 1}, None),
}


@pytest.mark.parametrize(("said", "window"), WINDOWS.values(), ids=WINDOWS)
def test_a_window_is_told_in_stored_values(
    tmp_path: Path, said: dict[str, Any], window: tuple[float, float] | None
):
    assert read(dicom_file(tmp_path / "a.dcm", **said)).window == window


@pytest.mark.parametrize(
    ("width", "function", "valid"),
    [
        (1, "LINEAR", True),
        (0.5, "LINEAR", False),
        (0.5, "LINEAR_EXACT", True),
        (0.5, "SIGMOID", True),
        (0, "LINEAR_EXACT", False),
        (-2, "SIGMOID", False),
        (float("nan"), "LINEAR_EXACT", False),
    ],
)
def test_only_linear_needs_a_width_of_one(width: float, function: str, valid: bool):  # noqa: FBT001
    assert is_valid((100, width), function) == valid
