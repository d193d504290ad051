"""The progress bar follows the budget."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from cxr_sr.training.fit import fit
from tests.training.builders import run


class TestBar:
    def test_a_terminal_shows_steps_loss_and_gain(
        self, data: Path, tmp_path: Path, monkeypatch
    ):
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "120")
        shown = io.StringIO()
        monkeypatch.setattr(sys, "stderr", shown)
        fit(data, tmp_path / "run", run())
        assert "step 6, loss 0." in shown.getvalue()
        assert "dB over bicubic" in shown.getvalue()
        assert "100%" in shown.getvalue()

    def test_a_pipe_shows_nothing(
        self, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ):
        fit(data, tmp_path / "run", run())
        assert capfd.readouterr() == ("", "")
