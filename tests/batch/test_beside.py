"""Masks beside results: their names, and the outputs that they must not replace."""

from pathlib import Path, PurePosixPath

import pytest

from cxr_sr.batch.beside import mask_path, picture_path, with_masks
from cxr_sr.errors import OutputError
from cxr_sr.report.outcome import Job


def job(name: str) -> Job:
    return Job(name, Path("in", name), name, Path("out", name))


@pytest.mark.parametrize(
    ("result", "mask", "picture"),
    [
        ("a/b.dcm", "a/b_mask.dcm", "a/b_mask.png"),
        ("b.PNG", "b_mask.PNG", "b_mask.png"),
        ("IM0001", "IM0001_mask", "IM0001_mask.png"),
        ("1.2.840.113", "1.2.840.113_mask", "1.2.840.113_mask.png"),
    ],
)
def test_the_name_of_a_mask_is_its_results_and_keeps_the_format(result, mask, picture):
    assert mask_path(PurePosixPath(result)) == PurePosixPath(mask)
    assert picture_path(PurePosixPath(mask)) == PurePosixPath(picture)


def test_each_job_gets_the_places_that_its_mask_may_have():
    found = with_masks([job("a.dcm"), job("b.png")], pictures=True)
    places = {str(each.target) for each in found}
    assert places == {
        *("out/a.dcm", "out/a_mask.dcm", "out/a_mask.png"),
        *("out/b.png", "out/b_mask.png"),
    }


def test_a_mask_that_would_replace_a_result_is_refused():
    with pytest.raises(OutputError, match=r"mask of a\.png .* a_mask\.png"):
        with_masks([job("a_mask.png"), job("a.png")])


def test_names_that_differ_in_case_are_two():
    assert len(with_masks([job("a.png"), job("A.png")])) == 4
