"""Checkpoints hold no path of the machine, and a moved run can be continued."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning")

import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from cxr_sr.training.run_folder.checkpoints import WholeCheckpoints


def callback(folder: Path) -> ModelCheckpoint:
    """A callback that has kept one file as the best."""
    made = fresh(folder)
    made.best_model_path = made.kth_best_model_path = str(folder / "best.ckpt")
    made.best_k_models = {made.best_model_path: 40.0}  # type: ignore[dict-item]
    return made


def fresh(folder: Path) -> ModelCheckpoint:
    return ModelCheckpoint(folder, filename="best", monitor="psnr", mode="max")


def checkpoint(of: ModelCheckpoint) -> dict[str, Any]:
    """A checkpoint as Lightning makes it, with the state of one callback."""
    return {"callbacks": {of.state_key: of.state_dict()}}


def test_a_state_has_names_and_becomes_paths_in_the_folder_of_the_run(tmp_path: Path):
    before, after = tmp_path / "before", tmp_path / "after"
    kept = callback(before)
    WholeCheckpoints().save_checkpoint(checkpoint(kept), before / "last.ckpt")
    assert str(tmp_path) not in str(torch.load(before / "last.ckpt"))
    before.rename(after)
    state = WholeCheckpoints().load_checkpoint(after / "last.ckpt")
    moved = fresh(after)
    moved.load_state_dict(state["callbacks"][moved.state_key])
    best = str(after / "best.ckpt")
    assert moved.best_model_path == best
    assert list(moved.best_k_models) == [best]
    assert moved.last_model_path == ""


def test_a_checkpoint_of_an_earlier_version_is_continued(tmp_path: Path):
    """Its state has Lightning's key, and whole paths."""
    before, now = callback(tmp_path), fresh(tmp_path)
    torch.save(checkpoint(before), tmp_path / "last.ckpt")
    state = WholeCheckpoints().load_checkpoint(tmp_path / "last.ckpt")
    assert list(state["callbacks"]) == [now.state_key]
    now.load_state_dict(state["callbacks"][now.state_key])
    assert now.best_k_models == before.best_k_models
