"""A near miss is answered with the name that was probably meant."""

import pytest

from cxr_sr.hints import did_you_mean
from cxr_sr.superres.models.zoo import MODELS


@pytest.mark.parametrize(
    ("given", "meant"),
    [("fien", "fine"), ("Fine", "fine"), ("bicubik", "bicubic"), ("hidra", "hydra")],
)
def test_a_similar_name_is_suggested(given, meant):
    assert did_you_mean(given, MODELS) == f" did you mean {meant!r}?"


@pytest.mark.parametrize("given", ["", "torch", "/data/a.onnx"])
def test_nothing_is_suggested_where_nothing_is_similar(given):
    assert did_you_mean(given, MODELS) == ""
