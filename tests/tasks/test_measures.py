"""Measures by examples that can be worked out by hand, and by other packages."""

from __future__ import annotations

import numpy as np
import pytest

from cxr_sr.tasks.measures import (
    auc,
    brier,
    calibration_error,
    dice,
    interval,
    surface_distances,
)


def square(first: int, last: int) -> np.ndarray:
    mask = np.zeros((40, 40), bool)
    mask[first:last, first:last] = True
    return mask


class TestDice:
    def test_it_is_the_overlap(self):
        assert dice(square(0, 10), square(5, 15)) == pytest.approx(2 * 25 / 200)
        assert dice(square(0, 10), square(0, 10)) == 1
        assert dice(square(0, 0), square(0, 10)) == 0

    def test_nothing_found_where_nothing_is_is_right(self):
        assert dice(square(0, 0), square(0, 0)) == 1


class TestSurface:
    def test_a_wider_square_is_as_far_as_it_is_wider(self):
        """Its sides 3 px away, its corners more: the unit is the pixel's."""
        mean, far = surface_distances(square(10, 20), square(7, 23), (1, 1))
        assert 3 <= mean < 3.2
        assert 3 <= far < 3 * 2**0.5
        in_mm = surface_distances(square(10, 20), square(7, 23), (0.5, 0.5))
        assert in_mm == pytest.approx((mean / 2, far / 2))

    @pytest.mark.parametrize("axis", [0, 1])
    def test_rows_and_columns_have_their_own_size(self, axis):
        wide = square(10, 20)
        shifted = np.roll(wide, 4, axis)
        along, beside = (
            surface_distances(wide, shifted, pixel)[1]
            for pixel in (((9, 1), (1, 9)) if axis == 0 else ((1, 9), (9, 1)))
        )
        assert beside < 5
        assert along > 5

    def test_equal_masks_touch(self):
        assert surface_distances(square(3, 9), square(3, 9), (2, 2)) == (0, 0)

    def test_there_is_no_distance_to_nothing(self):
        assert np.isnan(surface_distances(square(0, 0), square(3, 9), (1, 1))).all()


class TestProbabilities:
    def test_auc_is_the_share_of_pairs_in_order(self):
        truth = np.array([True, True, False, False])
        assert auc(truth, np.array([0.9, 0.3, 0.5, 0.1])) == 0.75
        assert auc(truth, np.array([0.5, 0.5, 0.5, 0.5])) == 0.5
        assert np.isnan(auc(truth[:2], np.array([0.1, 0.2])))

    def test_calibration_of_a_fair_coin(self):
        truth = np.array([True, False] * 50)
        assert calibration_error(truth, np.full(100, 0.5)) == pytest.approx(0)
        assert calibration_error(truth, np.full(100, 0.9)) == pytest.approx(0.4)
        assert calibration_error(truth, truth.astype(float)) == 0
        assert brier(truth, np.full(100, 0.5)) == pytest.approx(0.25)


class TestInterval:
    def test_it_holds_the_mean_and_narrows_with_patients(self):
        random = np.random.default_rng(0)
        widths = []
        for count in (10, 100):
            values = random.normal(5, 1, count)
            patients = [f"p{n}" for n in range(count)]
            low, high = interval(patients, lambda k, v=values: float(v[k].mean()))  # type: ignore[misc]
            assert low < values.mean() < high
            widths.append(high - low)
        assert widths[1] < widths[0] / 2

    def test_more_images_of_the_same_patients_do_not_narrow_it(self):
        """Copies of images add no knowledge about ten patients."""
        values = np.random.default_rng(1).normal(5, 1, 10)
        once = interval([f"p{n}" for n in range(10)], lambda k: float(values[k].mean()))
        many = np.repeat(values, 20)
        patients = [f"p{n}" for n in range(10) for _ in range(20)]
        often = interval(patients, lambda k: float(many[k].mean()))
        assert often == pytest.approx(once)

    def test_one_patient_has_no_interval(self):
        assert np.isnan(interval(["p"] * 5, lambda _: 1.0)).all()
