"""Tiles fit together, and no more of them are under way than was asked for."""

import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_sr.superres.tiling import Tile, compute_tiles, even_tiles, parts_of, tiles_over

SIDES = st.integers(1, 70)


def tiles_of(*lengths):
    """Tiles in a row, one for each length."""
    edges = np.cumsum([0, *lengths]).tolist()
    one = slice(0, 1)
    for start, stop in pairwise(edges):
        yield Tile((one, slice(start, stop)), (one, slice(start, stop)))


class TestParts:
    """Into how many tiles an image is divided where memory alone sets a limit."""

    @given(SIDES, SIDES, st.integers(1, 80), st.integers(0, 30), st.integers(1, 9))
    def test_no_tile_with_its_halo_is_larger_than_the_square_with_its(
        self, rows, columns, tile_px, halo_px, threads
    ):
        parts = parts_of((rows, columns), tile_px, halo_px, threads)
        for tile in even_tiles((rows, columns), parts, halo_px):
            height, width = (p.stop - p.start for p in tile.padded)
            assert height * width <= (tile_px + 2 * halo_px) ** 2

    @given(SIDES, SIDES, st.integers(8, 80), st.integers(0, 30), st.integers(1, 9))
    def test_no_thread_computes_more_than_with_squares(
        self, rows, columns, tile_px, halo_px, threads
    ):
        def rounds(parts):
            return -(-np.prod(parts) // threads)

        squares = (-(-rows // tile_px), -(-columns // tile_px))
        largest = [
            min(length, -(-length // parts) + 2 * halo_px)
            for length, parts in zip((rows, columns), squares, strict=True)
        ]
        found = parts_of((rows, columns), tile_px, halo_px, threads)
        areas = [
            np.prod([p.stop - p.start for p in tile.padded])
            for tile in even_tiles((rows, columns), found, halo_px)
        ]
        assert max(areas) * rounds(found) <= np.prod(largest) * rounds(squares)

    @pytest.mark.parametrize(
        ("shape", "threads", "expected"),
        [
            ((512, 512), 1, 2),
            ((512, 512), 2, 2),
            ((512, 512), 3, 3),
            ((1024, 1024), 2, 6),
            ((30, 30), 2, 1),
        ],
    )
    def test_an_image_is_cut_as_often_as_it_pays(self, shape, threads, expected):
        assert np.prod(parts_of(shape, 477, 17, threads)) == expected

    def test_quarters_are_better_than_long_strips(self):
        """A quarter has a halo on two sides only."""
        assert parts_of((840, 1000), 430, 37, 2) == (2, 2)

    def test_a_large_image_is_divided_at_once_on_many_cores(self):
        down, across = parts_of((8485, 7071), 64, 17, 192)
        assert down * across >= 192


class TestPlan:
    @given(SIDES, SIDES, st.integers(1, 80), st.integers(0, 30))
    def test_cores_cover_each_pixel_once(self, rows, columns, tile_px, halo_px):
        count = np.zeros((rows, columns), int)
        for tile in tiles_over((rows, columns), tile_px, halo_px):
            count[tile.core] += 1
        assert (count == 1).all()

    @given(SIDES, SIDES, st.integers(1, 80), st.integers(0, 30))
    def test_cores_are_no_larger_than_asked_and_nearly_equal(
        self, rows, columns, tile_px, halo_px
    ):
        tiles = list(tiles_over((rows, columns), tile_px, halo_px))
        for axis in (0, 1):
            sides = {t.core[axis].stop - t.core[axis].start for t in tiles}
            assert max(sides) <= tile_px
            assert max(sides) - min(sides) <= 1

    @given(SIDES, SIDES, st.integers(1, 80), st.integers(0, 30))
    def test_halos_are_as_wide_as_asked_but_cut_at_the_border(
        self, rows, columns, tile_px, halo_px
    ):
        for tile in tiles_over((rows, columns), tile_px, halo_px):
            for core, padded, side in zip(
                tile.core, tile.padded, (rows, columns), strict=True
            ):
                assert padded.start == max(0, core.start - halo_px)
                assert padded.stop == min(side, core.stop + halo_px)

    @given(SIDES, SIDES, st.integers(1, 80), st.integers(0, 30), st.integers(1, 8))
    def test_inner_and_target_put_each_pixel_back(
        self, rows, columns, tile_px, halo_px, scale
    ):
        image = np.arange(rows * columns).reshape(rows, columns)
        fine = image.repeat(scale, 0).repeat(scale, 1)
        result = np.full_like(fine, -1)
        for tile in tiles_over((rows, columns), tile_px, halo_px):
            part = image[tile.padded].repeat(scale, 0).repeat(scale, 1)
            result[tile.target(scale)] = part[tile.inner(scale)]
        assert np.array_equal(result, fine)

    def test_a_known_case(self):
        first, second = tiles_over((3, 7), 4, 1)
        assert first.core == (slice(0, 3), slice(0, 3))
        assert first.padded == (slice(0, 3), slice(0, 4))
        assert second.core == (slice(0, 3), slice(3, 7))
        assert second.padded == (slice(0, 3), slice(2, 7))
        assert second.inner(2) == (slice(0, 6), slice(2, 10))
        assert second.target(2) == (slice(0, 6), slice(6, 14))

    def test_a_small_image_is_one_tile_without_halo(self):
        (tile,) = tiles_over((5, 4), 512, 20)
        assert tile.core == tile.padded == (slice(0, 5), slice(0, 4))


class TestRun:
    @pytest.mark.parametrize("threads", [1, 2, 5])
    def test_results_come_in_order_each_with_its_tile(self, threads):
        """The first tile takes longest."""
        others_done = threading.Event()

        def compute(tile):
            if tile.core[1].start == 0 and threads > 1:
                others_done.wait(10)
            others_done.set()
            return tile.core[1].start

        tiles = list(tiles_of(*[3] * 12))
        found = list(compute_tiles(compute, iter(tiles), threads))
        assert [tile for tile, _ in found] == tiles
        assert [result for _, result in found] == list(range(0, 36, 3))

    @pytest.mark.parametrize("threads", [1, 2, 4])
    def test_no_more_tiles_are_begun_than_threads_beyond_what_was_taken(self, threads):
        begun: list[Tile] = []
        taken = 0
        for _ in compute_tiles(begun.append, tiles_of(*[1] * 20), threads):
            taken += 1
            assert len(begun) <= taken + threads
        assert len(begun) == taken == 20

    def test_tiles_are_computed_side_by_side(self):
        """Two tiles that wait for each other."""
        meeting = threading.Barrier(2, timeout=10)
        results = compute_tiles(lambda _: meeting.wait(), tiles_of(1, 1), threads=2)
        assert {result for _, result in results} == {0, 1}

    def test_an_exception_reaches_the_caller(self):
        def compute(tile):
            if tile.core[1].start == 3:
                raise MemoryError("tile 3")
            return tile.core[1].start

        results = compute_tiles(compute, tiles_of(*[1] * 9), 2)
        assert [next(results)[1] for _ in range(3)] == [0, 1, 2]
        with pytest.raises(MemoryError, match="tile 3"):
            next(results)

    def test_after_an_exception_no_further_tile_is_begun(self):
        begun: list[Tile] = []

        def compute(tile):
            begun.append(tile)
            raise ValueError

        with pytest.raises(ValueError):
            list(compute_tiles(compute, tiles_of(*[1] * 50), 2))
        assert len(begun) <= 3

    def test_no_thread_outlives_a_run_that_is_broken_off(self):
        before = threading.active_count()
        results = compute_tiles(lambda tile: tile, tiles_of(*[1] * 9), 4)
        next(results)
        results.close()  # type: ignore[attr-defined]
        assert threading.active_count() == before

    def test_no_tiles_give_no_results(self):
        assert list(compute_tiles(id, iter(()), 2)) == []
