"""Heads that were trained for a moment, once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import tiny_model
from tests.tasks.builders import trained, trained_full


@pytest.fixture(scope="session")
def masker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a head for segmentation."""
    folder = tmp_path_factory.mktemp("masker")
    trained(folder, parts=2)
    return folder / "run"


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a head for classification."""
    folder = tmp_path_factory.mktemp("classifier")
    trained(folder, kind="classification")
    return folder / "run"


@pytest.fixture(scope="session")
def sharer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a head whose trunk, an untrained one, sees whole images."""
    folder = tmp_path_factory.mktemp("sharer")
    (folder / "model").mkdir()
    model = tiny_model(folder / "model", "told")
    return trained_full(folder, model.onnx)
