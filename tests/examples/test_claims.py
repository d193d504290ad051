"""The paper's claims: arms train equally, and the text matches the numbers."""

import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from cxr_sr.evaluation.cases import Case
from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.evaluate import Measurement
from cxr_sr.evaluation.paired import Difference
from cxr_sr.evaluation.protocol import Score
from cxr_sr.training import run as training_run
from tests.builders import structure, write_png

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def claims(monkeypatch, no_pictures):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("claims")


@pytest.fixture
def data(tmp_path):
    rows = ["file,split,patient"]
    for number, split in enumerate(["train", "val", "val"]):
        pixels = np.rint(255 * structure((300, 260), number)).astype(np.uint8)
        write_png(tmp_path / f"{number}.png", pixels)
        rows.append(f"{number}.png,{split},p{number}")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    rows.insert(1, "broken.png,train,p9")
    (tmp_path / "index.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def budget(claims, **changes):
    fields = {
        "max_steps": 2,
        "max_seconds": None,
        "seed": 3,
        "model": "trunk",
        "lr": 1e-3,
        "limit": 1,
        "validation": 2,
        "scales": (2, 4),
        **changes,
    }
    return claims.Budget(**fields)


def difference(outcome, rival="r", metric="psnr", scale=None):
    ci = {"better": (1.0, 2.0), "worse": (-2.0, -1.0), "tie": (-1.0, 1.0)}[outcome]
    return Difference("c", rival, metric, "bicubic", scale, 5, sum(ci) / 2, ci)


def test_a_claim_is_trained_measured_and_reported(claims, data, tmp_path, capsys):
    text = claims.reproduce("multi-scale", data, tmp_path / "out", budget(claims))
    assert "broken.png is left out: " in capsys.readouterr().err
    assert (tmp_path / "out" / "multi-scale.md").read_text() == text
    found = json.loads((tmp_path / "out" / "multi-scale.json").read_text())
    assert found["verdict"] in text
    together, apart = found["arms"]
    assert together["steps"] == apart["steps"] == 2
    assert apart["parameters"] > together["parameters"]
    measured = {(s["model"], s["scale"]) for s in found["summaries"]}
    models = ("bicubic", "one for all", "one for each")
    assert measured == {(model, scale) for model in models for scale in (2, 4)}
    assert {s["n"] for s in found["summaries"]} == {2}
    assert {d["n"] for d in found["differences"]} == {2}


def test_colour_is_measured_on_all_three_channels(claims, data, tmp_path):
    small = budget(claims, scales=(2,), validation=1)
    claims.reproduce("raw-channels", data, tmp_path / "out", small)
    found = json.loads((tmp_path / "out" / "raw-channels.json").read_text())
    assert [s["model"] for s in found["summaries"]] == ["bicubic", "rgb", "ycbcr"]
    assert all(s["psnr"] > 20 for s in found["summaries"])


@pytest.mark.parametrize("name", ["multi-scale", "loss", "raw-channels", "hydra"])
def test_arms_differ_in_nothing_but_what_the_claim_is_about(claims, name):
    claim = claims.CLAIMS[name]
    differing = {
        field
        for rival in claim.rivals
        for field, value in vars(rival).items()
        if value != getattr(claim.champion, field)
    }
    about = {"multi-scale": "apart", "raw-channels": "pixels", "hydra": "network"}
    assert differing == {"name", about.get(name, "loss")}


def test_patches_have_as_many_pixels_as_the_whole_image(claims):
    whole, (patches,) = (
        claims.CLAIMS["whole-image"].champion,
        claims.CLAIMS["whole-image"].rivals,
    )
    side = importlib.import_module("claims_images").SIDE_PX
    assert whole.crop_px is None
    assert patches.crop_px**2 * patches.batch == side**2


def test_luminance_alone_gives_back_gray_as_it_was(claims, monkeypatch):
    """Without a residual, splitting and joining colour changes nothing."""
    arms = importlib.import_module("claims_arms")
    monkeypatch.setattr(arms, "reconstruct", lambda _, c, s: arms.enlarge(c.image, s))
    coarse = torch.rand(1, 3, 12, 12)
    expected = arms.enlarge(coarse, 2)
    assert torch.allclose(arms.by_luminance(None, coarse, 2), expected, atol=1e-5)


def test_seconds_are_shared_as_steps_are(claims):
    arms = importlib.import_module("claims_arms")
    given = budget(claims, max_steps=None, max_seconds=8.0)
    run = arms.run_of(claims.CLAIMS["multi-scale"].rivals[0], given, (2,), 4)
    assert isinstance(run, training_run.Run)
    assert (run.recipe.max_seconds, run.recipe.max_steps) == (2.0, None)
    assert run.recipe.seed == 3


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        (["better", "better"], "It held here (2 better, 0 worse, 0 tie)."),
        (["tie", "tie"], "A tie here (0 better, 0 worse, 2 tie)."),
        (["worse", "tie"], "It did not hold here (0 better, 1 worse, 1 tie)."),
        (["better", "tie"], "It held in part only (1 better, 0 worse, 1 tie)."),
        (["better", "worse"], "It held in part only (1 better, 1 worse, 0 tie)."),
    ],
)
def test_a_verdict_is_what_was_found(claims, outcomes, told):
    assert claims.verdict(outcomes) == told


@pytest.mark.parametrize(("psnr", "doubted"), [(41.0, False), (40.0, True)])
def test_an_arm_that_is_no_better_than_bicubic_is_doubted(claims, psnr, doubted):
    values = {"bicubic": 40.0, "a": 42.0, "b": psnr}
    case = Case(Path("i"), "i", "p")
    measured = [
        Measurement(case, Condition(2), m, "off", Score(v, 0.9, 0.9, 0, 0, v, 1), 0.1)
        for m, v in values.items()
    ]
    found = claims.doubt(measured)
    assert ("But b: no better than bicubic" in found) is doubted
    assert bool(found) is doubted


def test_all_scales_together_decide_where_there_are_several(claims):
    found = [difference("tie"), difference("better", scale=2)]
    found += [difference("worse", rival="s", scale=2)]
    assert claims.judge(found) == ["tie", "worse"]


def test_the_documented_claims_are_those_that_there_are(claims):
    text = (EXAMPLES / "claims.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## ([a-z-]+):", text, re.MULTILINE)) <= set(claims.CLAIMS)
    assert "seed" in text
