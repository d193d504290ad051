"""The claims about tasks: equal budgets, and patients whom no arm was trained on."""

import importlib
import json
from pathlib import Path

import pytest

from cxr_sr.errors import SettingsError
from tests.tasks.builders import write_data

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def tasks(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    found = importlib.import_module("claims_tasks")
    monkeypatch.setattr(found, "PATIENTS", (2, 50))
    monkeypatch.setattr(found, "SEEDS", 2)
    monkeypatch.setattr(found, "SIZE_PX", 32)
    return found


def budget(max_steps):
    arms = importlib.import_module("claims_arms")
    return arms.Budget(max_steps, None, 0, "hydra", 1e-3, 1, 1)


def test_both_trunks_are_measured_on_the_same_others(tasks, tmp_path):
    table = write_data(tmp_path / "data", 8)
    told = tasks.reproduce("sr-trunk", table, tmp_path / "out", budget(2))
    assert "2 patients, 2 steps, 2 seeds: 2 images of 1 patients" in told
    fixed, tuned = json.loads((tmp_path / "out" / "sr-trunk.json").read_text())
    assert fixed["scores"].keys() == {"shipped trunk", "random trunk"}
    assert tuned["scores"].keys() == {"tuned trunk", "random trunk"}
    assert len(tuned["seeds"]["values"]) == 2
    runs = sorted(p.name for p in (tmp_path / "out" / "sr-trunk").iterdir())
    arms = ("random", "shipped", "tuned")
    assert runs == [f"{arm}-2-{seed}" for arm in arms for seed in range(2)]
    for run in runs:
        settings = (tmp_path / "out" / "sr-trunk" / run / "settings.json").read_text()
        assert json.loads(settings)["patients"] == 2


def test_without_a_budget_it_says_so(tasks, tmp_path):
    table = write_data(tmp_path / "data")
    with pytest.raises(SettingsError, match="give --max-steps"):
        tasks.reproduce("sr-trunk", table, tmp_path / "out", budget(None))


def test_the_input_is_compared_image_by_image(tasks, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "FACTOR", 4)
    table = write_data(tmp_path / "data", 2)
    told = tasks.reproduce("sr-input", table, tmp_path / "out", budget(None))
    assert "fine against bicubic" in told
