"""Overlay planes cover the same anatomy after a change of size by any factor."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from cxr_sr.formats.header.derive import HeaderOptions, derive
from tests.header_builders import (
    add_overlay,
    make_derivation,
    make_header,
    overlay_bits,
    raw_element,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROWS, COLUMNS = 40, 30


def noise(shape: tuple[int, int] = (ROWS, COLUMNS), seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, 2, shape, np.uint8)


def with_overlay(
    bits: NDArray[Any], *, group: int = 0x6000, **elements: Any
) -> Dataset:
    """Return a 40 x 30 header under a plane; e0050=[0, 0] overrides an element."""
    header = make_header()
    add_overlay(header, bits, group)
    for name, value in elements.items():
        tag = (group, int(name[1:], 16))
        if value is None:
            del header[tag]
        else:
            header[tag].value = value
    return header


def derived(
    header: Dataset,
    shape: tuple[int, int] = (2 * ROWS, 2 * COLUMNS),
    options: HeaderOptions = HeaderOptions(),  # noqa: B008 - frozen
) -> Dataset:
    exact = (shape[0] / ROWS, shape[1] / COLUMNS)
    return derive(header, make_derivation(factors=exact), shape, NOW, options)


def has_overlay(header: Dataset) -> bool:
    return any(0x6000 <= tag.group < 0x6100 for tag in header.keys())  # noqa: SIM118


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
def test_an_integer_factor_repeats_every_bit(factor: int) -> None:
    bits = noise()
    result = derived(with_overlay(bits), (factor * ROWS, factor * COLUMNS))
    expected = bits.repeat(factor, axis=0).repeat(factor, axis=1)
    np.testing.assert_array_equal(overlay_bits(result), expected)
    assert list(result[0x6000, 0x0050].value) == [1, 1]


@given(
    hnp.arrays(np.uint8, (ROWS, COLUMNS), elements=st.integers(0, 1)),
    st.integers(ROWS, 8 * ROWS),
    st.integers(COLUMNS, 8 * COLUMNS),
)
def test_any_factor_takes_the_nearest_bit(
    bits: NDArray[Any], rows: int, columns: int
) -> None:
    result = derived(with_overlay(bits), (rows, columns))
    nearest_row = ((np.arange(rows) + 0.5) * ROWS / rows).astype(int)
    nearest_column = ((np.arange(columns) + 0.5) * COLUMNS / columns).astype(int)
    expected = bits[np.ix_(nearest_row, nearest_column)]
    np.testing.assert_array_equal(overlay_bits(result), expected)


def test_a_plane_as_large_as_the_image_stays_so_by_an_inexact_factor() -> None:
    rough = make_derivation(factors=(2.37, 2.41))
    result = derive(with_overlay(noise()), rough, (96, 71), NOW)
    assert overlay_bits(result).shape == (96, 71)


@pytest.mark.parametrize("mm", [0.06, 0.07, 0.09])
def test_a_spacing_that_is_reached_exactly_moves_no_bit(mm: float) -> None:
    """A part of the last pixel may be outside the image; the bits do not move."""
    bits = np.zeros((ROWS, COLUMNS), np.uint8)
    bits[20, 10] = 1
    by = 0.2 / mm
    shape = (round(ROWS * by), round(COLUMNS * by))
    derivation = make_derivation(factors=(by, by), overhang_px=(0.1, -0.1))
    found = overlay_bits(derive(with_overlay(bits), derivation, shape, NOW))
    assert found.shape == shape
    rows = (np.arange(shape[0]) + 0.5) * mm / 0.2
    columns = (np.arange(shape[1]) + 0.5) * mm / 0.2
    expected = np.outer(np.floor(rows) == 20, np.floor(columns) == 10)
    np.testing.assert_array_equal(found, expected)


def test_data_have_an_even_length() -> None:
    header = make_header(Rows=3, Columns=3)
    add_overlay(header, noise((3, 3)))
    result = derive(header, make_derivation(factors=(3.0, 3.0)), (9, 9), NOW)
    assert len(result[0x6000, 0x3000].value) == 12  # 81 bits are 11 bytes
    np.testing.assert_array_equal(
        overlay_bits(result), noise((3, 3)).repeat(3, 0).repeat(3, 1)
    )


def test_more_rows_than_are_packed_at_once_fit_together() -> None:
    bits = noise((200, 13))
    header = make_header(Rows=200, Columns=13)
    add_overlay(header, bits)
    result = derive(header, make_derivation(factors=(8.0, 3.0)), (1600, 39), NOW)
    np.testing.assert_array_equal(
        overlay_bits(result), bits.repeat(8, axis=0).repeat(3, axis=1)
    )


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        pytest.param([1, 1], [1, 1], id="the image's corner"),
        pytest.param([5, 7], [13, 19], id="inside"),
        pytest.param([0, 0], [-2, -2], id="above and left"),
        pytest.param([-9, 31], [-29, 91], id="off the image"),
    ],
)
def test_a_plane_keeps_its_place(origin: list[int], expected: list[int]) -> None:
    header = with_overlay(noise((10, 6)), e0050=origin)
    result = derived(header, (3 * ROWS, 3 * COLUMNS))
    assert list(result[0x6000, 0x0050].value) == expected
    assert overlay_bits(result).shape == (30, 18)


def test_a_plane_larger_than_the_image_is_scaled_like_it() -> None:
    bits = noise((50, 44))
    result = derived(with_overlay(bits))
    expected = bits.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(overlay_bits(result), expected)


def test_every_plane_is_scaled_and_its_words_stay() -> None:
    header = with_overlay(noise(seed=1))
    add_overlay(header, noise(seed=2), 0x601E)
    header.add_new((0x601E, 0x1500), "LO", "lesion")
    result = derived(header)
    for group, seed in ((0x6000, 1), (0x601E, 2)):
        expected = noise(seed=seed).repeat(2, axis=0).repeat(2, axis=1)
        np.testing.assert_array_equal(overlay_bits(result, group), expected)
    assert result[0x601E, 0x1500].value == "lesion"


def test_a_regions_area_is_scaled_and_its_statistics_go() -> None:
    header = with_overlay(noise())
    header.add_new((0x6000, 0x1301), "IS", 100)
    header.add_new((0x6000, 0x1302), "DS", 5)
    header.add_new((0x6000, 0x1303), "DS", 1)
    result = derived(header)
    assert result[0x6000, 0x1301].value == 400
    assert (0x6000, 0x1302) not in result
    assert (0x6000, 0x1303) not in result


def test_an_area_beyond_what_is_holds_is_left() -> None:
    header = with_overlay(noise())
    header.add_new((0x6000, 0x1301), "IS", 2**31 - 1)
    assert derived(header)[0x6000, 0x1301].value == 2**31 - 1


def test_overlays_can_be_dropped() -> None:
    header = with_overlay(noise())
    assert not has_overlay(derived(header, options=HeaderOptions(overlays="drop")))


@pytest.mark.parametrize(
    "elements",
    [
        pytest.param({"e0100": 16, "e3000": None}, id="in the pixels' unused bits"),
        pytest.param({"e0100": 16}, id="of 16 bits"),
        pytest.param({"e3000": None}, id="without data"),
        pytest.param({"e3000": b"\0" * 8}, id="with too little data"),
        pytest.param({"e0010": None}, id="without rows"),
        pytest.param({"e0010": 0}, id="without a row"),
        pytest.param({"e0010": 1000}, id="with more rows than data"),
        pytest.param({"e0011": None}, id="without columns"),
        pytest.param({"e0050": [1]}, id="with half an origin"),
        pytest.param({"e0050": [30000, 1]}, id="beyond what SS holds"),
    ],
)
def test_a_plane_that_cannot_be_scaled_goes(elements: dict[str, Any]) -> None:
    assert not has_overlay(derived(with_overlay(noise(), **elements)))


def test_a_plane_of_several_frames_goes() -> None:
    header = with_overlay(noise())
    header.add_new((0x6000, 0x0015), "IS", 2)
    assert not has_overlay(derived(header))


def test_a_plane_without_an_origin_begins_at_the_images() -> None:
    result = derived(with_overlay(noise(), e0050=None))
    assert list(result[0x6000, 0x0050].value) == [1, 1]


def test_a_plane_too_large_for_its_elements_goes() -> None:
    header = make_header(Rows=8, Columns=9000)
    add_overlay(header, noise((8, 9000)))
    result = derive(header, make_derivation(factors=(8.0, 8.0)), (64, 72000), NOW)
    assert not has_overlay(result)


@pytest.mark.parametrize(
    ("element", "vr", "value"),
    [
        (0x0010, "US", b"\x01"),
        (0x0010, "LO", b"forty "),
        (0x0050, "LO", b"1e14\\1e14"),
        (0x0050, "SS", b"\x01\x00\x01"),
        (0x3000, "SQ", b"\x01\x02\x03"),
        (0x3000, "LO", b"bits"),
    ],
)
def test_a_damaged_element_costs_at_most_its_own_plane(
    element: int, vr: str, value: bytes
) -> None:
    """The second overlay is scaled, and no data of a wrong size are left."""
    header = with_overlay(noise())
    add_overlay(header, noise(seed=1), 0x6002)
    damaged = raw_element(0x60000000 | element, value, vr)
    header[damaged.tag] = damaged
    result = derived(header)
    assert result[0x6002, 0x0010].value == 2 * ROWS
    assert len(result[0x6002, 0x3000].value) == 2 * ROWS * 2 * COLUMNS // 8
    if element == 0x3000:
        assert (0x6000, 0x3000) not in result


def test_the_source_keeps_its_plane() -> None:
    header = with_overlay(noise())
    derived(header)
    np.testing.assert_array_equal(overlay_bits(header), noise())
