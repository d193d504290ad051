"""A small export, and its results."""

import pytest

from tests.files import an_export, upscale


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A small export and its results, in the working folder."""
    monkeypatch.chdir(tmp_path)
    an_export(tmp_path / "in")
    upscale("in", "-o", "out", "--scale", 2)
    return tmp_path
