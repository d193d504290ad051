"""A screen shows the values that pydicom's steps and the standard's formulas give."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing

from cxr_sr.display.render import render
from cxr_sr.errors import SettingsError
from cxr_sr.formats import read
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.radiograph import PixelFormat, Radiograph
from tests.builders import FORMATS, noise, pixel_format, radiograph
from tests.dicom_files import described, dicom_file
from tests.header_builders import make_item

RAMP12 = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def of_dicom(
    pixels: NDArray[Any] = RAMP12, fmt: PixelFormat | None = None, **said: Any
) -> Radiograph:
    """Return all 12-bit values; the DX header has no window unless `said` adds one."""
    fmt = fmt or pixel_format()
    defaults: dict[str, Any] = {
        "WindowCenter": None,
        "WindowWidth": None,
        "RescaleSlope": None,
        "RescaleIntercept": None,
        "PresentationLUTShape": None,
    }
    header = DicomHeader(described(pixels, fmt, **defaults | said))
    return radiograph(pixels, fmt, header=header)


def table(
    count: int, first: int, depth: int, data: list[int] | bytes, vr: str = "US"
) -> Dataset:
    """An item of a LUT sequence."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [count, first, depth])
    item.add_new("LUTData", vr, data)
    return item


# ---- windows -------------------------------------------------------------------------


def test_the_linear_window_is_that_of_the_standard():
    """PS3.3 C.11.2.1.2.1: center 2048, width 4096 is the identity of 12 bits."""
    shown = render(of_dicom(WindowCenter=2048, WindowWidth=4096), bits=16)
    np.testing.assert_allclose(shown / 65535, RAMP12 / 4095, atol=1e-5)


def test_beyond_the_window_is_black_and_white():
    shown = render(of_dicom(WindowCenter=1000, WindowWidth=101), bits=8).ravel()
    assert shown[949] == 0
    assert shown[1050] == 255
    assert 0 < shown[1000] < 255


@given(
    center=st.integers(100, 4000),
    width=st.integers(2, 5000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)
@example(center=355, width=2, function="SIGMOID")
def test_every_window_is_as_pydicom_applies_it(center: int, width: int, function: str):
    image = of_dicom(WindowCenter=center, WindowWidth=width, VOILUTFunction=function)
    assert isinstance(image.header, DicomHeader)
    with np.errstate(over="ignore"):  # pydicom's own, far below a narrow sigmoid
        expected = apply_windowing(RAMP12, image.header.dataset) / 4095
    shown = render(image, bits=16) / 65535
    # At the upper end pydicom steps just after the last value of the ramp.
    np.testing.assert_allclose(shown, expected, atol=2e-5)


def test_the_first_window_is_shown_and_another_if_it_is_asked_for():
    image = of_dicom(WindowCenter=[1000, 3000], WindowWidth=[100, 100])
    first, second = render(image).ravel(), render(image, window=1).ravel()
    np.testing.assert_array_equal(first, render(image, window=0).ravel())
    assert (first[2000], second[2000]) == (255, 0)


def test_a_window_can_be_given():
    shown = render(of_dicom(), window=(1000, 200)).ravel()
    assert (shown[900], shown[1000], shown[1100]) == (0, 128, 255)


@pytest.mark.parametrize("window", [2, -1])
def test_a_window_that_is_not_there_is_refused(window: int):
    image = of_dicom(WindowCenter=[1000, 3000], WindowWidth=[100, 100])
    with pytest.raises(SettingsError, match="the file has 2 window"):
        render(image, window=window)


@pytest.mark.parametrize("width", [0, -5, float("nan")])
def test_a_window_without_width_is_refused(width: float):
    with pytest.raises(SettingsError, match="width is"):
        render(of_dicom(), window=(1000, width))


@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
def test_a_window_narrower_than_one_unit_is_shown(function: str):
    """PS3.3 C.11.2.1.3: only LINEAR needs a width of at least 1."""
    header: dict[str, Any] = {"RescaleSlope": "0.0001", "RescaleIntercept": "0"}
    header |= {"WindowCenter": "0.2", "WindowWidth": "0.1", "VOILUTFunction": function}
    image = of_dicom(**header)
    assert isinstance(image.header, DicomHeader)
    units = RAMP12 * 0.0001
    expected = apply_windowing(units, image.header.dataset) / units.max()
    np.testing.assert_allclose(render(image, bits=16) / 65535, expected, atol=2e-5)


def test_the_first_valid_window_is_shown():
    both = of_dicom(WindowCenter=[600, 1000], WindowWidth=[0, 101])
    alone = of_dicom(WindowCenter=1000, WindowWidth=101)
    np.testing.assert_array_equal(render(both), render(alone))


def test_a_linear_window_narrower_than_one_unit_is_refused_if_it_is_asked_for():
    image = of_dicom(WindowCenter=1000, WindowWidth="0.5")
    with pytest.raises(SettingsError, match=r"width is 0.5; expected at least 1"):
        render(image, window=0)


TRAPS: dict[str, dict[str, Any]] = {
    "a width that LINEAR cannot have": {"WindowCenter": 1000, "WindowWidth": "0.5"},
    "none": {},
    "empty": {"WindowCenter": "", "WindowWidth": ""},
    "wholly outside": {"WindowCenter": 60000, "WindowWidth": 100},
    "no width": {"WindowCenter": 1000, "WindowWidth": 0},
    "only a center": {"WindowCenter": 1000},
    "empty tables": {
        "ModalityLUTSequence": [make_item(LUTExplanation="")],
        "VOILUTSequence": [make_item(LUTExplanation="")],
    },
    "empty rescale": {"RescaleSlope": "", "RescaleIntercept": ""},
    "slope of zero": {"RescaleSlope": 0, "RescaleIntercept": 5},
    "too short a table": {"VOILUTSequence": [table(256, 0, 8, [1, 2, 3])]},
}


@pytest.mark.parametrize("said", TRAPS.values(), ids=TRAPS)
def test_a_window_that_cannot_be_used_makes_way_for_the_range_of_the_image(
    said: dict[str, Any],
):
    pixels = np.array([[500, 1000, 1500]], np.uint16)
    shown = render(of_dicom(pixels, **said))
    assert shown.tolist() == [[0, 128, 255]]


def test_padding_is_not_the_range_of_the_image():
    pixels = np.array([[0, 500, 1000, 1500]], np.uint16)
    image = of_dicom(pixels).replace(padding=(0, 10))
    assert render(image).tolist() == [[0, 0, 128, 255]]


def test_an_image_of_one_value_is_shown_all_the_same():
    assert np.unique(render(of_dicom(np.full((3, 3), 7, np.uint16)))).size == 1
    padded = of_dicom(np.zeros((3, 3), np.uint16)).replace(padding=(0, 0))
    assert render(padded).shape == (3, 3)


# ---- polarity ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted"),
    [
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_the_polarity_is_righted_once(
    photometric: str,
    shape: str | None,
    inverted: bool,  # noqa: FBT001
):
    fmt = pixel_format(12, photometric=photometric)
    shown = render(of_dicom(fmt=fmt, PresentationLUTShape=shape)).ravel()
    assert (shown[0], shown[-1]) == ((255, 0) if inverted else (0, 255))


# ---- modality and tables -------------------------------------------------------------


def test_a_window_is_in_rescaled_units():
    image = of_dicom(
        RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=500, WindowWidth=201
    )
    shown = render(image).ravel()
    assert (shown[699], shown[801]) == (0, 255)
    assert 0 < shown[750] < 255


def test_a_modality_table_is_looked_up():
    item = table(4, 100, 8, [0, 10, 20, 200])
    image = of_dicom(
        np.array([[0, 100, 101, 102, 103, 4000]], np.uint16),
        ModalityLUTSequence=[item],
        WindowCenter=100.5,
        WindowWidth=201,
    )
    assert render(image, bits=16).tolist()[0] == [0, 0, 3277, 6554, 65535, 65535]


@pytest.mark.parametrize("vr", ["US", "OW"])
def test_a_voi_table_comes_before_the_window(vr: str):
    entries = [0, 1000, 4095]
    data = np.array(entries, "<u2").tobytes() if vr == "OW" else entries
    image = of_dicom(
        np.array([[0, 10, 11, 12, 99]], np.uint16),
        VOILUTSequence=[table(3, 10, 12, data, vr)],
        WindowCenter=5,
        WindowWidth=2,
    )
    expected = [0, 0, round(1000 / 4095 * 255), 255, 255]
    assert render(image).tolist()[0] == expected
    assert render(image, window=0).tolist()[0] == [0, 255, 255, 255, 255]


def test_entries_of_eight_bits_may_be_packed():
    image = of_dicom(
        np.array([[0, 1, 2, 3]], np.uint16),
        VOILUTSequence=[table(4, 0, 8, bytes([0, 100, 200, 255]), "OW")],
    )
    assert render(image).tolist() == [[0, 100, 200, 255]]


def test_entries_of_eight_bits_may_have_sixteen_each():
    entries = np.array([0, 100, 200, 255], "<u2").tobytes()
    image = of_dicom(
        np.array([[0, 1, 2, 3]], np.uint16),
        VOILUTSequence=[table(4, 0, 8, entries, "OW")],
    )
    assert render(image).tolist() == [[0, 100, 200, 255]]


def test_padding_behind_a_table_is_no_entry():
    """Beyond the last of three packed entries, that entry counts, and not the pad."""
    image = of_dicom(
        np.array([[0, 1, 2, 3]], np.uint16),
        VOILUTSequence=[table(3, 0, 8, bytes([0, 100, 255, 7]), "OW")],
    )
    assert render(image).tolist() == [[0, 100, 255, 255]]


@pytest.mark.parametrize(
    ("depth", "entries", "white"),
    [(12, [0, 1000], 4095), (16, [0, 1000, 4000], 4095), (16, [0, 255], 255)],
)
def test_white_is_the_largest_entry_that_a_table_can_have(
    depth: int, entries: list[int], white: int
):
    """A table may state 16 bits and use fewer: only the bits in use count."""
    image = of_dicom(
        np.arange(len(entries), dtype=np.uint16)[None],
        VOILUTSequence=[table(len(entries), 0, depth, entries)],
    )
    expected = [round(entry / white * 255) for entry in entries]
    assert render(image).tolist() == [expected]


def test_the_first_value_of_a_table_may_be_negative():
    fmt = pixel_format(12, signed=True)
    image = of_dicom(
        np.array([[-2000, -1999, -1998]], np.int16),
        fmt,
        VOILUTSequence=[table(3, 0x10000 - 2000, 8, [0, 128, 255])],
    )
    assert render(image).tolist() == [[0, 128, 255]]


def test_a_table_of_65536_entries_states_none():
    entries = np.arange(65536, dtype="<u2")
    image = of_dicom(
        np.array([[0, 32768, 65535]], np.uint16),
        pixel_format(16),
        VOILUTSequence=[table(0, 0, 16, entries.tobytes(), "OW")],
    )
    assert render(image, bits=16).tolist() == [[0, 32768, 65535]]


# ---- shapes and types ----------------------------------------------------------------


@given(fmt=FORMATS)
def test_every_format_is_shown_over_its_whole_range(fmt: PixelFormat):
    ends = np.array([[fmt.minimum, fmt.maximum]], fmt.dtype)
    shown = render(radiograph(ends, fmt), bits=16).ravel().tolist()
    expected = [65535, 0] if fmt.photometric == "MONOCHROME1" else [0, 65535]
    assert shown == expected


@pytest.mark.parametrize("bits", [8, 16])
def test_colours_are_only_brought_to_the_bits(bits: Any):
    fmt = pixel_format(16, photometric="RGB")
    pixels = noise((300, 5, 3), fmt)
    shown = render(radiograph(pixels, fmt), bits=bits)
    assert shown.shape == pixels.shape
    assert shown.dtype == f"u{bits // 8}"
    np.testing.assert_allclose(shown / (2**bits - 1), pixels / 65535, atol=0.002)


def test_a_raster_of_eight_bits_is_shown_over_the_range_it_uses():
    fmt = pixel_format(8)
    pixels = np.array([[50, 100, 150]], np.uint8)
    assert render(radiograph(pixels, fmt)).tolist() == [[0, 128, 255]]


def test_the_stored_values_are_left_alone():
    image = of_dicom(WindowCenter=100, WindowWidth=50)
    before = image.pixels.copy()
    render(image)[:] = 0
    np.testing.assert_array_equal(image.pixels, before)


# ---- real files ----------------------------------------------------------------------

BY_PYDICOM = [
    "chest_fuji440_explicitle",
    "cr_chest_sc_512_16b_signed",
    "cr_teeth_modalitylut_jpll_m1",
    "hdr_agfa_cspine16_rescale",
    "mg_ge_voilutseq_multiwindow_jpll",
    "mg_overlay_outofbounds_jpll",
    "rf_siemens_modlut",
]


@pytest.mark.parametrize("name", BY_PYDICOM)
def test_real_files_are_shown_as_pydicom_shows_them(shared_dicom: Path, name: str):
    path = shared_dicom / f"{name}.dcm"
    shown = render(read(path), bits=16) / 65535
    np.testing.assert_allclose(shown, _by_pydicom(path), atol=1e-3)


def _by_pydicom(path: Path) -> NDArray[np.float64]:
    """pydicom's steps, brought to 0 to 1 and to the right polarity."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = pydicom.dcmread(path)
        units = apply_modality_lut(file.pixel_array, file)
        if "VOILUTSequence" in file:
            top = 2 ** file.VOILUTSequence[0].LUTDescriptor[2] - 1
            shown = apply_voi(units, file) / top
        elif "WindowCenter" in file:
            shown = _windowed(units, file)
        else:
            shown = (units - units.min()) / (units.max() - float(units.min()))
    shown = np.asarray(shown, np.float64)
    return 1 - shown if file.PhotometricInterpretation == "MONOCHROME1" else shown


def _windowed(units: NDArray[Any], file: Dataset) -> NDArray[np.float64]:
    shown = apply_windowing(units, file)
    extremes = apply_windowing(np.array([-1e6, 1e6]), file)  # black and white
    scaled: NDArray[np.float64] = (shown - extremes[0]) / (extremes[1] - extremes[0])
    return scaled


def test_the_chest_that_comes_with_pydicom_has_bright_bone(rg1: Path):
    shown = render(read(rg1)).astype(float)
    spine, lung = shown[700:900, 880:960].mean(), shown[700:900, 480:620].mean()
    assert spine > lung + 20


def test_a_file_is_shown_as_its_pixels_in_memory_are(tmp_path: Path):
    pixels = noise()
    image = read(dicom_file(tmp_path / "a.dcm", pixels))
    np.testing.assert_array_equal(
        render(image),
        render(of_dicom(pixels, WindowCenter=2048, WindowWidth=4096)),
    )
