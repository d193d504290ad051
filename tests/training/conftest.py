"""A few radiographs to train on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.builders import radiographs


@pytest.fixture
def data(tmp_path: Path, no_pictures: None) -> Path:
    """The folder of `radiographs`, for trainings without pictures."""
    return radiographs(tmp_path / "data")
