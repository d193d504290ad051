"""Every name that an option offers is one that the code knows, and the other way."""

from typing import Any, get_args

import pytest

from cxr_sr import names
from cxr_sr.formats.dicom.write import SYNTAXES
from cxr_sr.hints import did_you_mean
from cxr_sr.superres.consistency import RADIUS_PX
from cxr_sr.superres.engines import ENGINES, EXTRAS, PACKAGES
from cxr_sr.superres.models.zoo import MODELS


@pytest.mark.parametrize(
    ("offered", "known"),
    [
        (names.Compression, SYNTAXES),
        (names.Consistency, RADIUS_PX),
        (names.EngineName, ["auto", *ENGINES]),
        (names.EngineName, ["auto", *PACKAGES]),
        (names.EngineName, ["auto", *EXTRAS]),
    ],
)
def test_what_is_offered_is_known(offered: Any, known: Any):
    assert set(get_args(offered)) == set(known)


def test_what_training_offers_is_known():
    pytest.importorskip("torch")
    from cxr_sr.superres.models.networks import NETWORKS  # noqa: PLC0415
    from cxr_sr.training.losses import LOSSES  # noqa: PLC0415

    assert set(get_args(names.NetworkName)) == set(NETWORKS)
    assert set(get_args(names.LossName)) == set(LOSSES)


@pytest.mark.parametrize(
    ("given", "meant"),
    [("fien", "fine"), ("Fine", "fine"), ("bicubik", "bicubic"), ("hidra", "hydra")],
)
def test_a_similar_name_is_suggested(given, meant):
    assert did_you_mean(given, MODELS) == f" did you mean {meant!r}?"


@pytest.mark.parametrize("given", ["", "torch", "/data/a.onnx"])
def test_nothing_is_suggested_where_nothing_is_similar(given):
    assert did_you_mean(given, MODELS) == ""
