"""Heads that were trained for a moment, once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tasks.builders import trained


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
