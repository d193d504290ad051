"""Strong parts of an image are computed again with less gain, and only those."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cxr_sr.superres.int8.saturation import (
    LESS,
    SPREAD_PX,
    STRONG_STEP,
    without_saturation,
)
from cxr_sr.superres.tiling import tiles_over

SCALE = 2
RADIUS_PX = 1
LIMIT = 0.25
FULL = 2 * LIMIT
"""Where the network of these tests saturates."""

Array = NDArray[np.float32]


class Saturating:
    """A network of radius 1 that gives no residual beyond `FULL`."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, image: Array) -> Array:
        self.seen.append(image.shape[-2:])
        return exact(image).clip(-FULL, FULL)


def exact(image: Array) -> Array:
    """Return the output without saturation: a pixel's excess over four neighbours."""
    padded = np.pad(image, [(0, 0), (0, 0), (1, 1), (1, 1)], "edge")
    across = padded[..., 1:-1, :-2] + padded[..., 1:-1, 2:]
    down = padded[..., :-2, 1:-1] + padded[..., 2:, 1:-1]
    excess = (image - (across + down) / 4).astype(np.float32)
    return excess.repeat(SCALE, -2).repeat(SCALE, -1)


def faint(shape: tuple[int, ...] = (1, 1, 90, 100), seed: int = 0) -> Array:
    """Detail that is far from saturating with the gain 1."""
    random = np.random.default_rng(seed)
    return (random.random(shape) / 64).round(8).astype(np.float32)


def test_what_is_not_strong_is_computed_once():
    network = Saturating()
    found = without_saturation(network, faint(), 4.0, RADIUS_PX, LIMIT)
    np.testing.assert_array_equal(found, exact(faint()))
    assert network.seen == [(90, 100)]


@pytest.mark.parametrize("at", [(40, 50), (0, 0), (89, 99), (0, 60)])
@pytest.mark.parametrize(("height", "times"), [(0.9, 3), (-40.0, 5)])
def test_a_strong_edge_comes_out_as_it_should(
    at: tuple[int, int], height: float, times: int
):
    image = faint()
    image[0, 0, *at] += height
    network = Saturating()
    found = without_saturation(network, image, 4.0, RADIUS_PX, LIMIT)
    np.testing.assert_allclose(found, exact(image), rtol=1e-6, atol=1e-7)
    plain = network(image * 4) / 4
    assert np.abs(plain - exact(image)).max() > 0.1
    again = network.seen[1:-1]
    assert len(again) == times, "until nothing is too strong"
    assert all(rows * columns < 0.3 * 90 * 100 for rows, columns in again)


def test_a_steep_edge_is_computed_again_though_its_residual_is_small():
    """As if the first layer saturates: then nothing is left for the residual."""
    image = faint()
    image[..., 50:] += 1

    def faintly(seen: Array) -> Array:
        return exact(seen) * np.float32(1 / 32)

    def network(seen: Array) -> Array:
        steep = np.abs(np.diff(seen, axis=-1, prepend=seen[..., :1])) > STRONG_STEP
        kept = ~steep.repeat(SCALE, -2).repeat(SCALE, -1)
        return np.where(kept, faintly(seen), 0).astype(np.float32)

    assert np.abs(faintly(image)).max() < LIMIT / 4
    assert not network(image * 4)[..., 100:102].any()
    found = without_saturation(network, image, 4.0, RADIUS_PX, LIMIT)
    np.testing.assert_allclose(found, faintly(image), rtol=1e-6, atol=1e-7)


def test_the_rest_is_left_as_it_was():
    image = faint()
    image[0, 0, 40, 50] += 0.3  # its neighbours differ too little to be strong
    gained = []

    def network(seen: Array) -> Array:
        """Gives another residual with each gain."""
        gained.append(seen.max())
        return exact(seen).clip(-FULL, FULL) + np.float32(len(gained) / 64)

    found = without_saturation(network, image, 1.0, RADIUS_PX, LIMIT)
    changed = found - exact(image).clip(-FULL, FULL) > 1.5 / 64
    across = np.flatnonzero(changed.any((0, 1, 2)))
    down = np.flatnonzero(changed.any((0, 1, 3)))
    reached = SPREAD_PX, SPREAD_PX + 1  # of the one pixel that is strong
    assert [down.min(), down.max()] == [
        (40 - reached[0]) * 2,
        (40 + reached[1]) * 2 - 1,
    ]
    assert [*across[[0, -1]]] == [(50 - reached[0]) * 2, (50 + reached[1]) * 2 - 1]
    assert gained[1] == pytest.approx(gained[0] * LESS)


def test_all_of_it_is_computed_again_where_parts_would_be_more():
    image = faint()
    image[..., ::12, ::12] += 1
    network = Saturating()
    found = without_saturation(network, image, 1.0, RADIUS_PX, LIMIT)
    assert network.seen[:2] == [(90, 100), (90, 100)]
    np.testing.assert_allclose(found, exact(image), rtol=1e-6, atol=1e-7)


def test_a_frame_is_computed_again_without_what_it_surrounds():
    """As of a collimator: one box around it would be the whole image."""
    image = faint((1, 1, 400, 500))
    image[..., 40:360, [60, 440]] += 1
    image[..., [40, 360], 60:440] += 1
    network = Saturating()
    found = without_saturation(network, image, 1.0, RADIUS_PX, LIMIT)
    np.testing.assert_allclose(found, exact(image), rtol=1e-6, atol=1e-7)
    again = [rows * columns for rows, columns in network.seen[1:]]
    half = len(again) // 2  # the frame is strong with two gains
    assert again[:half] == again[half:]
    assert sum(again[:half]) < 0.3 * 400 * 500


def test_what_nobody_uses_stays_as_it_is():
    image = faint()
    image[..., ::20, 60:] += 1
    network = Saturating()
    found = without_saturation(
        network, image, 1.0, RADIUS_PX, LIMIT, np.s_[0:90, 0 : 58 - SPREAD_PX]
    )
    assert network.seen == [(90, 100)]
    used = np.s_[..., : 2 * (58 - SPREAD_PX)]
    np.testing.assert_allclose(found[used], exact(image)[used], rtol=1e-6, atol=1e-7)


def test_planes_are_strong_together():
    image = faint((3, 1, 40, 40))
    image[1, 0, 20, 20] += 1
    network = Saturating()
    found = without_saturation(network, image, 1.0, RADIUS_PX, LIMIT)
    np.testing.assert_allclose(found, exact(image), rtol=1e-6, atol=1e-7)


def test_what_never_ceases_to_be_strong_ends():
    def network(seen: Array) -> Array:
        return np.full((1, 1, seen.shape[-2] * 2, seen.shape[-1] * 2), np.inf, "f4")

    assert np.isinf(without_saturation(network, faint(), 1.0, RADIUS_PX, LIMIT)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.integers(5, 60), st.integers(1, 30))
def test_tiles_make_no_difference(seed: int, tile_px: int, count: int):
    random = np.random.default_rng(seed)
    image = faint((1, 1, 50, 61), seed)
    rows, columns = random.integers(0, 50, count), random.integers(0, 61, count)
    image[0, 0, rows, columns] += 10.0 ** random.uniform(-2, 2, count)

    def network(seen: Array) -> Array:
        """Worse the larger the gain is, so that all depends on who is done again."""
        coarse: Array = (exact(seen).clip(-FULL, FULL) * 32).round()
        coarse /= 32
        return coarse

    whole = without_saturation(network, image, 2.0, RADIUS_PX, LIMIT)
    tiled = np.full_like(whole, np.nan)
    for tile in tiles_over((50, 61), tile_px, RADIUS_PX + SPREAD_PX):
        part = without_saturation(
            *(network, image[..., *tile.padded], 2.0, RADIUS_PX, LIMIT, tile.inner())
        )
        tiled[..., *tile.target(SCALE)] = part[..., *tile.inner(SCALE)]
    np.testing.assert_array_equal(tiled, whole)
