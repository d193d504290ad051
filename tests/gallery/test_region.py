"""The shown part has the most structure."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cxr_sr.gallery.region import CELL_PX, Region, busiest
from tests.builders import noise, pixel_format
from tests.gallery.builders import QUICK


class TestRegion:
    def test_it_is_where_most_of_the_structure_is(self):
        image = np.zeros((400, 300), np.uint16)
        image[240:320, 80:160] = noise((10, 10)).repeat(8, 0).repeat(8, 1)
        found = busiest(image, (96, 96))
        assert found.row <= 240
        assert found.row + found.rows >= 320
        assert found.column <= 80
        assert found.column + found.columns >= 160

    def test_a_bright_marker_does_not_outweigh_fainter_tissue(self):
        image = np.zeros((400, 400), np.uint16)
        image[40:64, 40:64] = 4095
        tissue = noise((20, 20), pixel_format(8)).repeat(8, 0).repeat(8, 1)
        image[200:360, 200:360] = tissue
        found = busiest(image, (128, 128))
        assert found.row > 150
        assert found.column > 150

    def test_a_flat_image_is_shown_in_its_middle(self):
        found = busiest(np.zeros((200, 100), np.uint16), (80, 80))
        assert abs(found.row - 60) <= CELL_PX
        assert abs(found.column - 10) <= CELL_PX

    def test_a_small_image_is_shown_whole(self):
        assert busiest(noise((30, 20)), (99, 99)) == Region(0, 0, 30, 20)

    @given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 50))
    @QUICK
    def test_it_never_leaves_the_image(self, rows, columns, side):
        found = busiest(noise((rows, columns)), (side, side))
        assert found.of(noise((rows, columns))).shape == (
            min(rows, side),
            min(columns, side),
        )

    @given(st.integers(0, 20), st.integers(1, 20), st.floats(1, 8))
    @QUICK
    def test_the_result_has_all_pixels_of_the_same_place(self, start, size, factor):
        shape = round(40 * factor), round(40 * factor)
        true = shape[0] / 40, shape[1] / 40
        found = Region(start, start, size, size).finer(true, shape)
        assert found.row <= start * true[0] + 1e-9
        assert found.row + found.rows >= (start + size) * true[0] - 1e-9
        assert found.row + found.rows <= shape[0]

    def test_colour_has_structure_too(self):
        image = np.zeros((200, 200, 3), np.uint8)
        image[100:200, 100:200] = (
            noise((25, 25, 3), pixel_format(8)).repeat(4, 0).repeat(4, 1)
        )
        assert busiest(image, (80, 80)).row > 80
