"""A position in pixels means the same place on the finer grid."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from cxr_sr.formats.header.derive import RULES, derive
from cxr_sr.formats.header.geometry import divide_pair
from tests.header_builders import (
    make_derivation,
    make_header,
    make_item,
    raw_element,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROWS, COLUMNS = 40, 30
ODD = (2.37, 2.41)

SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
PAIRS = next(rule.attributes for rule in RULES if rule.action is divide_pair)
factors = st.tuples(st.floats(1, 8), st.floats(1, 8))


def new_size(by: tuple[float, float]) -> tuple[int, int]:
    return round(ROWS * by[0]), round(COLUMNS * by[1])


def derived(by: tuple[float, float] = (2, 2), **values: Any) -> Dataset:
    """Derive a 40 x 30 header with these attributes, by these factors."""
    shape = new_size(by)
    exact = (shape[0] / ROWS, shape[1] / COLUMNS)
    size: dict[str, Any] = {"Rows": ROWS, "Columns": COLUMNS}
    header = make_item(**{k: v for k, v in (size | values).items() if v is not None})
    return derive(header, make_derivation(factors=exact), shape, NOW)


# --- spacing


@pytest.mark.parametrize("keyword", PAIRS)
@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_each_spacing_is_divided(keyword: str, factor: int) -> None:
    result = derived((factor, factor), **{keyword: [0.15, 0.143]})
    assert list(result[keyword].value) == pytest.approx([0.15 / factor, 0.143 / factor])


def test_rows_and_columns_are_divided_by_their_own_factors() -> None:
    result = derive(
        make_header(PixelSpacing=[0.2, 0.1]),
        make_derivation(factors=(4.0, 2.0)),
        (160, 60),
        NOW,
    )
    assert list(result.PixelSpacing) == [0.05, 0.05]


@given(
    st.tuples(st.floats(1e-3, 10), st.floats(1e-3, 10)),
    factors,
)
def test_the_physical_extent_is_constant(
    spacing: tuple[float, float], by: tuple[float, float]
) -> None:
    stated = [f"{mm:.10g}" for mm in spacing]
    result = derived(by, **dict.fromkeys(SPACINGS, stated))
    for keyword in SPACINGS:
        texts = [v.original_string for v in result[keyword].value]
        assert all(len(text) <= 16 for text in texts)
        extent = [float(t) * n for t, n in zip(texts, new_size(by), strict=True)]
        before = [float(mm) * n for mm, n in zip(stated, (ROWS, COLUMNS), strict=True)]
        assert extent == pytest.approx(before, rel=1e-9)


def test_a_field_of_view_still_is_spacing_times_size() -> None:
    result = derived(
        (3, 3), FieldOfViewDimensions=[6, 3], ImagerPixelSpacing=[0.15, 0.1]
    )
    extent = [
        mm * n
        for mm, n in zip(
            result.ImagerPixelSpacing, (result.Rows, result.Columns), strict=True
        )
    ]
    assert extent == pytest.approx(list(result.FieldOfViewDimensions))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"0.000\\0.000 ", id="zero"),
        pytest.param(b"0.1\\0", id="one zero"),
        pytest.param(b"-0.1\\-0.1", id="negative"),
        pytest.param(b"", id="empty"),
        pytest.param(b"0.143 ", id="one value"),
        pytest.param(b"0.1\\0.1\\0.1", id="three values"),
        pytest.param(b"about 0.1\\0.1", id="words"),
        pytest.param(b"\xff\xfe\x00\x01", id="binary"),
        pytest.param(b"nan\\inf", id="no number"),
        pytest.param(b"1e308\\1e308", id="absurd"),
    ],
)
@pytest.mark.parametrize("keyword", PAIRS)
def test_what_is_no_spacing_is_not_carried_on(keyword: str, value: bytes) -> None:
    """A reader of the result would use it as a distance (PS3.3 10.7.1.3)."""
    header = make_header()
    header[Tag(keyword)] = raw_element(keyword, value, "DS")
    result = derive(header, make_derivation(), (80, 60), NOW)
    assert keyword not in result


@pytest.mark.parametrize(
    ("spacing", "kept"), [(b"0\\0 ", False), (b"0.1\\0.1 ", True), (None, True)]
)
def test_a_calibration_goes_with_its_invalid_spacing(
    spacing: bytes | None, *, kept: bool
) -> None:
    header = make_header(
        PixelSpacingCalibrationType="FIDUCIAL",
        PixelSpacingCalibrationDescription="A coin",
    )
    if spacing is not None:
        header[Tag("PixelSpacing")] = raw_element("PixelSpacing", spacing, "DS")
    result = derive(header, make_derivation(), (80, 60), NOW)
    assert ("PixelSpacingCalibrationType" in result) is kept
    assert ("PixelSpacingCalibrationDescription" in result) is kept


@pytest.mark.parametrize(
    ("spacing", "factor", "expected"),
    [
        ("0.1", 0.1 / 0.07, "0.07"),
        ("0.143", 2, "0.0715"),
        ("0.143", 0.143 / 0.1, "0.1"),
    ],
)
def test_a_spacing_is_written_without_the_noise_of_floating_point(
    spacing: str, factor: float, expected: str
) -> None:
    header = make_header(PixelSpacing=[spacing, spacing])
    derivation = make_derivation(factors=(factor, factor))
    result = derive(header, derivation, (round(40 * factor), round(30 * factor)), NOW)
    assert [mm.original_string for mm in result.PixelSpacing] == [expected] * 2


def test_an_overlong_spacing_is_read_and_shortened() -> None:
    header = make_header()
    overlong = raw_element("PixelSpacing", b"0.14000000000000001\\0.14", "DS")
    header[overlong.tag] = overlong
    result = derive(header, make_derivation(), (80, 60), NOW)
    assert list(result.PixelSpacing) == [0.07, 0.07]


def test_a_spacing_that_is_absent_stays_absent() -> None:
    assert "PixelSpacing" not in derived()


def test_a_calibration_is_neither_made_nor_lost() -> None:
    result = derived(
        PixelSpacing=[0.1, 0.1],
        ImagerPixelSpacing=[0.12, 0.12],
        PixelSpacingCalibrationType="FIDUCIAL",
    )
    ratio = result.PixelSpacing[0] / result.ImagerPixelSpacing[0]
    assert ratio == pytest.approx(0.1 / 0.12)
    assert result.PixelSpacingCalibrationType == "FIDUCIAL"


# --- aspect ratio


@pytest.mark.parametrize(
    ("by", "source", "expected"),
    [
        pytest.param((2, 2), [1, 1], [1, 1], id="square"),
        pytest.param((2, 2), [30, 40], [30, 40], id="as written"),
        pytest.param((4, 2), [1, 1], [1, 2], id="rows are twice as fine"),
        pytest.param((2, 4), [3, 4], [3, 2], id="columns are twice as fine"),
        pytest.param((4, 2), [0, 1], [0, 1], id="junk"),
    ],
)
def test_pixel_aspect_ratio(
    by: tuple[float, float], source: list[int], expected: list[int]
) -> None:
    result = derived(by, PixelAspectRatio=source)
    assert list(result.PixelAspectRatio) == expected


def test_pixel_aspect_ratio_of_factors_that_are_no_fraction() -> None:
    result = derived(ODD, PixelAspectRatio=[1, 1])
    down, across = (n / o for n, o in zip(new_size(ODD), (ROWS, COLUMNS), strict=True))
    vertical, horizontal = result.PixelAspectRatio
    assert vertical / horizontal == pytest.approx(across / down, abs=1e-3)


# --- edges

NEAR = (
    ("CollimatorLeftVerticalEdge", 1),
    ("CollimatorUpperHorizontalEdge", 0),
    ("ShutterLeftVerticalEdge", 1),
    ("ShutterUpperHorizontalEdge", 0),
)
FAR = (
    ("CollimatorRightVerticalEdge", 1),
    ("CollimatorLowerHorizontalEdge", 0),
    ("ShutterRightVerticalEdge", 1),
    ("ShutterLowerHorizontalEdge", 0),
)


@pytest.mark.parametrize("keyword", [k for k, _ in NEAR])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 3), (5, 15), (30, 90)])
def test_near_edges_at_x3(keyword: str, before: int, after: int) -> None:
    assert derived((3, 3), **{keyword: before})[keyword].value == after


@pytest.mark.parametrize("keyword", [k for k, _ in FAR])
@pytest.mark.parametrize(("before", "after"), [(1, 1), (5, 13), (30, 88)])
def test_far_edges_at_x3(keyword: str, before: int, after: int) -> None:
    assert derived((3, 3), **{keyword: before})[keyword].value == after


@given(edge=st.sampled_from([*NEAR, *FAR]), by=factors)
def test_beyond_the_image_stays_beyond_it(
    edge: tuple[str, int], by: tuple[float, float]
) -> None:
    keyword, axis = edge
    size, size_after = (ROWS, COLUMNS)[axis], new_size(by)[axis]
    assert derived(by, **{keyword: 0})[keyword].value == 0
    assert derived(by, **{keyword: size + 1})[keyword].value == size_after + 1


@given(edge=st.sampled_from([*NEAR, *FAR]), by=factors, data=st.data())
def test_edges_inside_stay_inside(
    edge: tuple[str, int], by: tuple[float, float], data: st.DataObject
) -> None:
    keyword, axis = edge
    size, size_after = (ROWS, COLUMNS)[axis], new_size(by)[axis]
    position = data.draw(st.integers(1, size))
    assert 1 <= derived(by, **{keyword: position})[keyword].value <= size_after


@given(by=factors, left=st.integers(0, COLUMNS), data=st.data())
def test_the_same_part_of_the_image_stays_visible(
    by: tuple[float, float], left: int, data: st.DataObject
) -> None:
    right = data.draw(st.integers(left + 1, COLUMNS + 1))
    result = derived(
        by, CollimatorLeftVerticalEdge=left, CollimatorRightVerticalEdge=right
    )
    factor = new_size(by)[1] / COLUMNS
    visible = result.CollimatorRightVerticalEdge - result.CollimatorLeftVerticalEdge - 1
    assert visible == pytest.approx(factor * (right - left - 1), abs=1)


def test_edges_far_off_the_image_scale_as_well() -> None:
    result = derived(CollimatorLeftVerticalEdge=-184, CollimatorRightVerticalEdge=184)
    assert result.CollimatorLeftVerticalEdge == -368
    assert result.CollimatorRightVerticalEdge == 367


def test_an_edge_does_not_move_past_the_border_by_an_inexact_factor() -> None:
    header = make_header(ShutterLowerHorizontalEdge=40, ShutterUpperHorizontalEdge=40)
    result = derive(header, make_derivation(factors=(2.49, 2.0)), (98, 60), NOW)
    assert result.ShutterLowerHorizontalEdge <= 99
    assert result.ShutterUpperHorizontalEdge <= 99


@pytest.mark.parametrize(
    "value", [b"", b"left", b"1\\2", b"2147483647", b"1e300", b"\x00\x01\x02"]
)
@pytest.mark.parametrize("keyword", [k for k, _ in (*NEAR, *FAR)])
def test_what_is_no_edge_is_left_as_it_is(keyword: str, value: bytes) -> None:
    header = make_header()
    header[Tag(keyword)] = raw_element(keyword, value, "IS")
    result = derive(header, make_derivation(), (80, 60), NOW)
    assert result.get_item(Tag(keyword)).value == value


def test_an_edge_of_a_header_without_a_size_is_mapped_by_the_factor() -> None:
    header = make_header(Rows=None, Columns=None, ShutterRightVerticalEdge=31)
    result = derive(header, make_derivation(), (80, 60), NOW)
    assert result.ShutterRightVerticalEdge == 61


# --- circles and polygons

POINTS = (
    "CenterOfCircularCollimator",
    "CenterOfCircularShutter",
    "VerticesOfThePolygonalCollimator",
    "VerticesOfThePolygonalShutter",
)
RADII = ("RadiusOfCircularCollimator", "RadiusOfCircularShutter")


@given(
    keyword=st.sampled_from(POINTS),
    by=factors,
    row=st.integers(1, ROWS),
    column=st.integers(1, COLUMNS),
)
def test_points_keep_their_place_in_the_image(
    keyword: str, by: tuple[float, float], row: int, column: int
) -> None:
    after = derived(by, **{keyword: [row, column]})[keyword].value
    for point, old, size, size_after in zip(
        after, (row, column), (ROWS, COLUMNS), new_size(by), strict=True
    ):
        assert 1 <= point <= size_after
        fraction, expected = (point - 0.5) / size_after, (old - 0.5) / size
        assert fraction == pytest.approx(expected, abs=0.51 / size_after)


def test_a_polygon_keeps_its_vertices_in_order() -> None:
    polygon = [1, 1, 1, 30, 40, 30, 40, 1]
    result = derived((2, 2), VerticesOfThePolygonalShutter=polygon)
    assert list(result.VerticesOfThePolygonalShutter) == [2, 2, 2, 60, 80, 60, 80, 2]


def test_a_polygon_around_the_image_stays_around_it() -> None:
    polygon = [0, 0, 0, COLUMNS + 1, ROWS + 1, COLUMNS + 1, ROWS + 1, 0]
    result = derived(ODD, VerticesOfThePolygonalCollimator=polygon)
    down, across = new_size(ODD)
    expected = [0, 0, 0, across + 1, down + 1, across + 1, down + 1, 0]
    assert list(result.VerticesOfThePolygonalCollimator) == expected


@pytest.mark.parametrize("keyword", POINTS)
def test_half_a_point_is_left_as_it_is(keyword: str) -> None:
    header = make_header()
    header[Tag(keyword)] = raw_element(keyword, b"10\\20\\30", "IS")
    result = derive(header, make_derivation(), (80, 60), NOW)
    assert list(result[keyword].value) == [10, 20, 30]


@pytest.mark.parametrize("keyword", RADII)
def test_a_radius_counts_pixels_along_a_row(keyword: str) -> None:
    header = make_header(**{keyword: 10})
    result = derive(header, make_derivation(factors=(4.0, 2.5)), (160, 75), NOW)
    assert result[keyword].value == 25


@pytest.mark.parametrize("value", [b"", b"1\\2", b"round", b"2000000000"])
def test_what_is_no_radius_is_left_as_it_is(value: bytes) -> None:
    header = make_header()
    radius = raw_element("RadiusOfCircularShutter", value, "IS")
    header[radius.tag] = radius
    result = derive(header, make_derivation(), (80, 60), NOW)
    assert result.get_item(radius.tag).value == value


# --- position

OBLIQUE = [0.6, 0.8, 0.0, 0.0, 0.0, -1.0]


@pytest.mark.parametrize("orientation", [[1, 0, 0, 0, 1, 0], OBLIQUE])
@given(by=factors)
def test_the_outer_corner_of_the_image_does_not_move(
    orientation: list[float], by: tuple[float, float]
) -> None:
    header = make_header(
        ImagePositionPatient=[-100.5, 20, 3],
        ImageOrientationPatient=orientation,
        PixelSpacing=[0.2, 0.1],
    )
    down, across = new_size(by)
    exact = make_derivation(factors=(down / ROWS, across / COLUMNS))
    result = derive(header, exact, (down, across), NOW)
    assert corner(result) == pytest.approx(corner(header), abs=1e-9)
    assert list(result.ImageOrientationPatient) == orientation


def corner(header: Dataset) -> NDArray[np.float64]:
    along_row, along_column = np.array(header.ImageOrientationPatient).reshape(2, 3)
    down, across = header.PixelSpacing
    centre = np.array(header.ImagePositionPatient, dtype=float)
    outward: NDArray[np.float64] = along_row * across + along_column * down
    return centre - outward / 2


@pytest.mark.parametrize(
    "missing", ["ImageOrientationPatient", "PixelSpacing", "ImagePositionPatient"]
)
def test_a_position_without_its_plane_is_left_as_it_is(missing: str) -> None:
    plane: dict[str, Any] = {
        "ImagePositionPatient": [1, 2, 3],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.1, 0.1],
    }
    result = derived(**plane | {missing: None})
    assert list(result.get("ImagePositionPatient", [1, 2, 3])) == [1, 2, 3]
    assert missing not in result


@given(st.integers(1, 400), st.floats(1, 8))
def test_a_circle_in_millimetres_stays_the_circle(radius: int, factor: float) -> None:
    result = derived((factor, factor), RadiusOfCircularCollimator=radius)
    exact = new_size((factor, factor))[1] / COLUMNS
    assert math.isclose(
        result.RadiusOfCircularCollimator, radius * exact, abs_tol=0.5001
    )
