"""A few radiographs to train on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.builders import radiographs


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings draw nothing: four fifths of the time of a short one is drawing."""
    history = "cxr_sr.training.run_folder.history.draw_curves"
    monkeypatch.setattr(history, lambda *_: None)
    monkeypatch.setattr("cxr_sr.training.fit.draw_samples", lambda *_: None)


@pytest.fixture
def data(tmp_path: Path, no_pictures: None) -> Path:
    """The folder of `radiographs`, for trainings without pictures."""
    return radiographs(tmp_path / "data")
