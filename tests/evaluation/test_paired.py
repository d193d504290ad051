"""Paired differences: the pairs, the images left out, and the conclusions."""

import math
from pathlib import Path

import pytest

from cxr_sr.evaluation.cases import Case
from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.evaluate import Measurement
from cxr_sr.evaluation.paired import Difference, difference_table, differences
from cxr_sr.evaluation.protocol import Score


def measured(model, case, psnr, scale=2, ms_ssim=0.9):
    where = Case(Path(case), case, case)
    score = Score(psnr, 0.9, ms_ssim, 0.5, 0.5, psnr + 1, 2.0)
    return Measurement(where, Condition(scale), model, "off", score, 0.1)


def of(found, metric, scale):
    return next(d for d in found if (d.metric, d.scale) == (metric, scale))


def test_images_are_paired_whatever_their_order():
    values = {"a": 30.0, "b": 50.0, "c": 40.0}
    ours = [measured("ours", case, v + 1) for case, v in values.items()]
    theirs = [measured("theirs", case, v) for case, v in reversed(values.items())]
    found = of(differences(ours + theirs, "ours", "theirs"), "psnr", 2)
    assert (found.n, found.mean) == (3, pytest.approx(1))
    assert found.ci == pytest.approx((1, 1))


def test_the_mean_over_scales_comes_first():
    both = [
        measured(model, case, psnr, scale)
        for scale, gap in ((2, 3.0), (4, -1.0))
        for case in "ab"
        for model, psnr in (("ours", 40 + gap), ("theirs", 40.0))
    ]
    found = [d for d in differences(both, "ours", "theirs") if d.metric == "psnr"]
    assert [(d.scale, d.mean) for d in found] == [(None, 1.0), (2, 3.0), (4, -1.0)]
    assert [d.n for d in found] == [2, 2, 2]


def test_an_image_too_small_for_a_metric_is_left_out_of_it():
    both = [measured(m, "a", 40.0, ms_ssim=math.nan) for m in ("ours", "theirs")]
    both += [measured(m, "b", 40.0) for m in ("ours", "theirs")]
    found = differences(both, "ours", "theirs")
    assert of(found, "ms_ssim", 2).n == 1
    assert of(found, "psnr", 2).n == 2


def test_an_image_that_only_one_was_measured_on_is_left_out():
    ours = [measured("ours", "a", 50.0), measured("ours", "b", 41.0)]
    theirs = measured("theirs", "b", 40.0)
    assert of(differences([*ours, theirs], "ours", "theirs"), "psnr", 2).mean == 1


@pytest.mark.parametrize(
    ("ci", "outcome"),
    [
        ((0.1, 0.2), "better"),
        ((-0.2, -0.1), "worse"),
        ((-0.1, 0.1), "tie"),
        ((0.0, 0.0), "tie"),
        ((math.nan, math.nan), "tie"),
    ],
)
def test_an_interval_that_holds_zero_is_a_tie(ci, outcome):
    found = Difference("ours", "theirs", "psnr", "bicubic", 2, 9, sum(ci) / 2, ci)
    assert found.outcome == outcome


def test_the_table_has_a_row_a_scale_and_a_column_a_metric():
    both = [measured("ours", case, 41.5) for case in "ab"]
    both += [measured("theirs", case, 40.0) for case in "ab"]
    *_, row = difference_table(differences(both, "ours", "theirs")).splitlines()
    assert row.startswith("| ours | theirs | bicubic | x2 | +1.50 (+1.50 to +1.50) |")
    assert row.count("|") == 8
