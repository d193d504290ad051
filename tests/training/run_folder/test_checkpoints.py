"""Checkpoints hold no path of the machine, and a moved run can be continued."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("lightning")

from lightning.pytorch.callbacks import ModelCheckpoint

from cxr_sr.training.run_folder.checkpoints import Checkpoints


def callback(kind: type[ModelCheckpoint], folder: Path) -> ModelCheckpoint:
    """A callback that has kept one file as the best."""
    made = kind(folder, filename="best", monitor="psnr", mode="max")
    made.best_model_path = made.kth_best_model_path = str(folder / "best.ckpt")
    made.best_k_models = {made.best_model_path: 40.0}  # type: ignore[dict-item]
    return made


def test_a_state_has_names_and_becomes_paths_in_the_folder_of_the_run(tmp_path: Path):
    state = callback(Checkpoints, tmp_path / "before").state_dict()
    assert str(tmp_path) not in str(state)
    moved = Checkpoints(tmp_path / "after", filename="best", monitor="psnr", mode="max")
    moved.load_state_dict(state)
    best = str(tmp_path / "after" / "best.ckpt")
    assert moved.best_model_path == best
    assert list(moved.best_k_models) == [best]
    assert moved.last_model_path == ""


def test_a_checkpoint_of_an_earlier_version_is_continued(tmp_path: Path):
    """Its state has Lightning's key, and whole paths."""
    before, now = (callback(k, tmp_path) for k in (ModelCheckpoint, Checkpoints))
    assert now.state_key == before.state_key
    now.best_k_models = {}
    now.load_state_dict(before.state_dict())
    assert now.best_k_models == before.best_k_models
