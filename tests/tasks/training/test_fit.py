"""A head learns, can be resumed, and leaves a run folder behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cxr_sr import from_array
from cxr_sr.errors import SettingsError, TrainingError
from cxr_sr.superres.models.networks import load_network
from cxr_sr.superres.models.zoo import load_model
from cxr_sr.tasks.infer import region
from cxr_sr.tasks.labels import Labels
from cxr_sr.tasks.measures import dice
from cxr_sr.tasks.training.fit import fit_head
from cxr_sr.tasks.training.learner import HeadLearner
from cxr_sr.tasks.training.network import features_of
from tests.tasks.builders import chest, lungs, task_run, trained, write_data

pytestmark = pytest.mark.usefixtures("no_pictures")
"""Those of `masker` are drawn: a fixture of the session comes first."""


def trunk_of(run: Path) -> dict[str, torch.Tensor]:
    state = load_file(run / "tiny.safetensors")
    return {k: v for k, v in state.items() if k.startswith("trunk.")}


def shipped() -> dict[str, torch.Tensor]:
    features = features_of(load_network(load_model("fast")))
    return {f"trunk.{k}": v for k, v in features.state_dict().items()}


def test_the_folder_holds_what_a_run_leaves(masker: Path):
    names = {path.name for path in masker.iterdir()}
    assert names >= {
        *("settings.json", "metrics.csv", "curves.png", "checkpoints", "tensorboard"),
        *("tiny.onnx", "tiny.safetensors", "tiny.md", "validation.png"),
    }
    settings = json.loads((masker / "settings.json").read_text())
    assert settings["splits"] == {"train": 4, "val": 2}
    assert settings["patients"] == 2
    card = (masker / "tiny.md").read_text()
    assert "Not a medical device" in card
    assert "CC BY 4.0" in card
    assert "Dice on patients held out" in card


def test_a_fixed_trunk_stays_as_it_was(masker: Path):
    found, expected = trunk_of(masker), shipped()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[k], expected[k]) for k in found)


@pytest.mark.parametrize("weights", ["tuned", "random"])
def test_another_trunk_learns(tmp_path: Path, weights):
    trained(tmp_path, trunk_weights=weights)
    found, expected = trunk_of(tmp_path / "run"), shipped()
    far = max(float((found[k] - expected[k]).abs().max()) for k in found)
    assert far > (0.05 if weights == "random" else 0)


@pytest.mark.slow
def test_it_learns_to_find_what_it_is_shown(tmp_path: Path):
    """The test measures chests that it was not trained on."""
    head = trained(tmp_path, max_steps=160, epoch_steps=80, size_px=64, batch=4)
    found = [dice(region(from_array(chest(n)), head), lungs(n)) for n in (50, 51, 52)]
    assert np.mean(found) > 0.85


def test_a_run_goes_on_where_it_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The resumed run ends with the weights of a run that was not stopped."""
    trained(tmp_path / "once")
    table = write_data(tmp_path / "data")
    labels = Labels.read(table, "segmentation", "lungs=mask", "1/3")
    folder = tmp_path / "twice"
    original = HeadLearner.on_train_batch_end

    def end(learner: HeadLearner, *given: Any) -> None:
        original(learner, *given)
        if learner.global_step == 3:
            raise ConnectionAbortedError

    with monkeypatch.context() as patch:
        patch.setattr(HeadLearner, "on_train_batch_end", end)
        with pytest.raises(ConnectionAbortedError):
            fit_head(labels, folder, task_run(), quiet=True)
    with pytest.raises(TrainingError, match="holds a run already"):
        fit_head(labels, folder, task_run(), quiet=True)
    fit_head(labels, folder, task_run(), resume=True, quiet=True)
    once = load_file(tmp_path / "once" / "run" / "tiny.safetensors")
    twice = load_file(folder / "tiny.safetensors")
    assert all(torch.allclose(once[k], twice[k], atol=1e-5) for k in once)


def test_other_data_are_refused_when_it_goes_on(tmp_path: Path):
    trained(tmp_path)
    table = write_data(tmp_path / "other", 9)
    labels = Labels.read(table, "segmentation", "lungs=mask", "1/3")
    with pytest.raises(TrainingError, match="the data differs from that of run"):
        fit_head(labels, tmp_path / "run", task_run(), resume=True, quiet=True)


def test_an_unusable_image_costs_one_line(tmp_path: Path, caplog):
    table = write_data(tmp_path / "data")
    (tmp_path / "data" / "0.png").write_bytes(b"no image")
    (tmp_path / "data" / "1_mask.png").unlink()
    labels = Labels.read(table, "segmentation", "lungs=mask", "none")
    fit_head(labels, tmp_path / "run", task_run(max_steps=2), quiet=True)
    told = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert sum("0.png is left out" in line for line in told) == 1
    assert sum("its mask 1_mask.png is missing" in line for line in told) == 1
    assert "were not validated" in (tmp_path / "run" / "tiny.md").read_text()


@pytest.mark.parametrize(
    ("trunk", "error", "message"),
    [
        ("bicubic", TrainingError, "has no trunk"),
        ("hydra", SettingsError, "has no features for a task"),
    ],
)
def test_a_model_without_a_trunk_is_refused(tmp_path: Path, trunk, error, message):
    with pytest.raises(error, match=message):
        trained(tmp_path, trunk=trunk)


def test_a_trunk_that_is_shared_is_kept_and_fixed(sharer: Path):
    names = sorted(path.name for path in (sharer / "trunk").iterdir())
    assert names == ["tiny.onnx", "tiny.safetensors"]
    assert "reads 4 feature maps of `tiny`" in (sharer / "tiny.md").read_text()
    with pytest.raises(SettingsError, match="leave out one of the two"):
        task_run(trunk_input="full", trunk_weights="tuned")


def test_a_size_that_cannot_be_halved_is_refused():
    with pytest.raises(SettingsError, match="a multiple of 32"):
        task_run(size_px=100)
