"""Masks and probabilities of a radiograph, at its own size, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from cxr_sr import from_array, read
from cxr_sr.cli.main import app
from cxr_sr.errors import SettingsError
from cxr_sr.superres.features import features
from cxr_sr.superres.models.networks import load_network
from cxr_sr.superres.models.zoo import load_model
from cxr_sr.tasks.heads import load_head
from cxr_sr.tasks.infer import (
    doubts_of,
    kept,
    logits_of,
    predict,
    preview_for,
    region,
)
from cxr_sr.tasks.preview import preview_of
from cxr_sr.tasks.training.network import TaskNetwork, features_of
from tests.builders import write_png
from tests.tasks.builders import chest


def test_the_graph_computes_what_the_safetensors_hold(masker: Path):
    network = TaskNetwork(features_of(load_network(load_model("fast"))), 1)
    network.load_state_dict(load_file(masker / "tiny.safetensors"))
    preview = preview_of(from_array(chest(9)), 32)
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(preview.image)[None, None])[0]
    found = logits_of(preview, load_head(masker))
    assert np.abs(found - expected.numpy()).max() < 1e-3


def test_a_head_reads_the_features_of_the_whole_image(sharer: Path):
    """Torch computes them in one piece; each cell of the grid has 4 x 4 pixels."""
    image, head = from_array(chest(9, (128, 128))), load_head(sharer)
    assert head.trunk is not None
    preview = preview_of(image, 32)
    network = TaskNetwork(head.spec.maps, 1)
    network.load_state_dict(load_file(sharer / "tiny.safetensors"))
    with torch.inference_mode():
        maps = features(image, load_network(head.trunk)).abs()
        blocks = maps.reshape(-1, 32, 4, 32, 4).mean((2, 4)) / preview.contrast
        planes = torch.cat([torch.from_numpy(preview.image)[None], blocks])
        expected = network.eval()(planes[None])[0].numpy()
    found = logits_of(preview_for(image, head), head)
    assert np.abs(found - expected).max() < 1e-3
    assert np.ptp(expected) > 1


def test_the_contrast_of_an_image_does_not_matter(sharer: Path):
    gray, head = chest(9).astype(np.uint16), load_head(sharer)
    plain, stronger = (
        logits_of(preview_for(from_array(pixels, bits_stored=16), head), head)
        for pixels in (gray, gray * 100 + 3000)
    )
    assert np.abs(plain - stronger).max() < 0.05 * np.ptp(plain)


def test_a_mask_has_the_size_of_the_image(masker: Path):
    found = predict(from_array(chest(3, (150, 90))), load_head(masker))
    assert found.masks is not None
    assert found.masks.shape == (1, 150, 90)
    assert 0 <= found.probabilities["lungs"] <= 1


def test_a_classification_has_probabilities_alone(classifier: Path):
    head = load_head(classifier)
    found = predict(from_array(chest(3)), head)
    assert found.masks is None
    assert list(found.probabilities) == ["Edema", "Mass"]
    assert all(0 < chance < 1 for chance in found.probabilities.values())
    with pytest.raises(SettingsError, match="makes no masks"):
        region(from_array(chest(3)), head)


def test_the_largest_parts_are_kept_without_holes():
    mask = np.zeros((40, 40), bool)
    mask[2:12, 2:12] = mask[20:35, 20:35] = mask[38, 38] = True
    mask[25:28, 25:28] = False
    two = kept(mask, 2)
    assert two.sum() == 10 * 10 + 15 * 15
    assert kept(mask, 1).sum() == 15 * 15
    assert (kept(mask, 0) == mask).all()
    assert not kept(np.zeros((5, 5), bool), 2).any()


def test_torch_is_not_needed(masker: Path):
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, cxr_sr\n"
        "from cxr_sr.tasks.heads import load_head\n"
        "from cxr_sr.tasks.infer import predict\n"
        "image = cxr_sr.from_array(np.arange(4000, dtype=np.uint16).reshape(50, 80))\n"
        f"print(predict(image, load_head({str(masker)!r})).masks.shape)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout == "(1, 50, 80)\n"


def test_a_region_can_be_measured_and_exported(masker: Path, tmp_path: Path):
    """The PSNR counts the pixels of the region; the mask lies on the picture."""
    (tmp_path / "in").mkdir()
    write_png(tmp_path / "in" / "a.png", chest(3, (96, 120)))
    told = CliRunner().invoke(
        app,
        [
            *("evaluate", str(tmp_path / "in"), "--region", str(masker), "--json"),
            *("--model", "bicubic", "--scale", "2", "--degradation", "bicubic"),
        ],
    )
    assert told.exit_code == 0, told.output
    summary = json.loads(told.stdout.splitlines()[0])
    assert summary["region_gain"] == 0
    assert summary["region_psnr"] != summary["psnr"]
    words = ["export", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    words += ["--mask", str(masker), "--long-side", "60"]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    picture, mask = (read(tmp_path / "out" / n) for n in ("a.png", "a_mask.png"))
    assert picture.shape == mask.shape == (48, 60)
    assert set(np.unique(mask.pixels)) == {0, 255}
    assert CliRunner().invoke(app, words).exit_code == 2


def test_a_head_without_masks_is_refused_before_any_work(classifier, tmp_path):
    (tmp_path / "in").mkdir()
    write_png(tmp_path / "in" / "a.png", chest(3))
    words = ["export", str(tmp_path / "in"), "-o", str(tmp_path / "out")]
    told = CliRunner().invoke(app, [*words, "--mask", str(classifier)])
    assert told.exit_code == 2
    assert "makes no masks" in told.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("chance", "doubted"), [(0.5, True), (0.98, False)])
def test_a_mask_of_low_probability_is_doubtful(chance, doubted):
    """The head `lungs` gives such a mask for a picture without lungs."""
    found = list(doubts_of({"lungs": chance}, load_head("lungs")))
    assert len(found) == doubted
    assert all(f"{chance:.2f}" in text for text in found)


def test_nothing_is_doubted_of_a_head_that_nobody_measured(masker):
    assert list(doubts_of({"lungs": 0.1}, load_head(masker))) == []


def test_a_doubt_reaches_the_caller():
    """Noise is no chest."""
    noise = np.random.default_rng(0).integers(0, 255, (256, 256)).astype(np.uint8)
    found = predict(from_array(noise), load_head("lungs"))
    assert found.probabilities["lungs"] < 0.93
    assert len(found.doubts) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("upscale", "in", "--head", "lungs", "--model", "nearest"),
        ("task", "run", "in", "--head", "lungs"),
        ("export", "in", "--mask", "lungs"),
        ("evaluate", "in", "--region", "lungs", "--model", "bicubic", "--scale", "2"),
        ("task", "evaluate", "labels.csv", "--head", "lungs", "--labels", "lungs=mask"),
    ],
)
def test_every_command_warns_of_a_doubtful_mask_and_counts(
    words, tmp_path, monkeypatch
):
    """Noise is no chest, a drawn chest is one; the results tell one from the other."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (192, 192)).astype(np.uint8)
    write_png(Path("in/noise.png"), noise)
    write_png(Path("in/chest.png"), chest(2))
    Path("labels.csv").write_text(
        "image,patient,mask\nin/noise.png,a,in/noise.png\nin/chest.png,b,in/chest.png\n"
    )
    told = CliRunner().invoke(app, [*words, "-o", "out"])
    assert told.exit_code == 0, told.output
    assert "noise.png: the mask of lungs is doubtful" in told.stderr
    assert "chest.png: the mask" not in told.stderr
    if "--region" in words:
        results = json.loads(Path("out/results.json").read_text())
        assert {s["region_doubtful"] for s in results["summaries"]} == {1}
        found = {(i["file"], i["region_doubtful"]) for i in results["images"]}
        assert found == {("chest.png", False), ("noise.png", True)}
        assert "doubtful" in told.stdout
    else:
        assert "1 of 2 masks are doubtful" in told.stderr
