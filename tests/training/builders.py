"""Short trainings for the tests."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cxr_sr.training.data.dataset import Sampling
from cxr_sr.training.fit import fit
from cxr_sr.training.learner import Learner
from cxr_sr.training.run import Recipe, Run
from tests.builders import structure, write_png

TINY = {"width": 4, "depth": 2}


def radiographs(folder: Path) -> Path:
    """A folder with an index of three radiographs, one of them for validation."""
    folder.mkdir()
    rows = ["file,split,patient"]
    for number, split in enumerate(["train", "train", "val"]):
        pixels = np.rint(255 * structure((48, 56), number)).astype(np.uint8)
        write_png(folder / f"{number}.png", pixels)
        rows.append(f"{number}.png,{split},p{number}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder


def recipe(**changes: Any) -> Recipe:
    return Recipe(**{"scales": (2, 4), "loss": "mae", "max_steps": 6, **changes})


def run(**changes: Any) -> Run:
    """Six steps of two crops of 12 coarse px, validated every second step."""
    defaults = Run(
        recipe(),
        network=TINY,
        sampling=Sampling(12),
        batch=2,
        epoch_steps=2,
        validation_images=1,
        validation_px=24,
        threads=1,
    )
    return dataclasses.replace(defaults, **changes)


def curve(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [
            {k: v for k, v in row.items() if k not in ("seconds", "waiting")}
            for row in csv.DictReader(file)
        ]


def killed_fit(
    step: int,
    data: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Run | None = None,
) -> None:
    """Start a run and stop it at the end of a step, as if it had been killed."""
    original = Learner.on_train_batch_end

    def end(learner: Learner, *given: Any) -> None:
        original(learner, *given)
        if learner.global_step == step:
            raise ConnectionAbortedError

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "on_train_batch_end", end)
        with pytest.raises(ConnectionAbortedError):
            fit(data, folder, settings or run())
