"""Several seeds of a claim; no training is repeated; the costs of the arms."""

import importlib
import json
from pathlib import Path

import pytest

from cxr_sr.errors import SettingsError
from tests.examples.test_claims import budget, claims, data  # noqa: F401 - fixtures
from tests.tasks.builders import write_data

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
def test_each_seed_is_trained_once_and_told(claims, data, tmp_path, monkeypatch):  # noqa: F811
    """A second call trains nothing, and says the same."""
    small = budget(claims, scales=(2,), seeds=2, limit=None, validation=None)
    out = tmp_path / "out"
    first = claims.reproduce("raw-channels", data, out, small)
    arms = importlib.import_module("claims_arms")
    monkeypatch.setattr(arms, "fit", lambda *_, **__: pytest.fail("trained again"))
    again = claims.reproduce("raw-channels", data, out, small)
    found = json.loads((out / "raw-channels.json").read_text())
    assert {len(each["values"]) for each in found["seeds"]} == {2}
    assert "seed by seed" in first
    assert "Over the seeds alone" in again
    kept = sorted(p.name for p in (out / "raw-channels" / "rgb" / "2").iterdir())
    assert kept == ["seed-3", "seed-4"]
    values = {tuple(each["values"]) for each in found["seeds"]}
    assert all(one != other for one, other in values)


def test_another_budget_in_the_same_folder_is_refused(claims, tmp_path):  # noqa: F811
    seeds = importlib.import_module("claims_seeds")
    seeds.trained_once(tmp_path, budget(claims), lambda _: None, Path)
    with pytest.raises(SettingsError, match="other settings"):
        seeds.trained_once(tmp_path, budget(claims, max_steps=3), _stopped, Path)


def test_a_training_that_was_stopped_is_gone_on_with(claims, tmp_path):  # noqa: F811
    seeds = importlib.import_module("claims_seeds")
    run = budget(claims)
    calls: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        seeds.trained_once(tmp_path / "run", run, _stopped, Path)
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.touch()
    assert seeds.trained_once(tmp_path / "run", run, calls.append, Path) is None
    assert calls == [True]
    again = seeds.trained_once(tmp_path / "run", run, _stopped, Path)
    assert again == tmp_path / "run"


def _stopped(_resume):
    raise KeyboardInterrupt


def test_the_interval_over_seeds_is_students(claims):  # noqa: F811
    """Three values 1, 2, 3: 2 +- 4.303 / sqrt(3)."""
    seeds = importlib.import_module("claims_seeds")
    found = seeds.OverSeeds("a", "b", "psnr", (1.0, 2.0, 3.0))
    assert found.interval == pytest.approx((-0.4843, 4.4843), abs=1e-3)
    assert found.outcome == "tie"
    sure = seeds.OverSeeds("a", "b", "psnr", (1.0, 1.1, 1.2))
    assert sure.outcome == "better"


def test_all_images_are_used_where_there_is_no_limit(claims, data, tmp_path):  # noqa: F811
    prepare = importlib.import_module("claims_images").prepare
    prepare(data, tmp_path / "few", {"train": 1, "val": 1})
    prepare(data, tmp_path / "all", {"train": None, "val": None})
    assert len(list((tmp_path / "few" / "gray").glob("*.png"))) == 2
    assert len(list((tmp_path / "all" / "gray").glob("*.png"))) == 3


@pytest.mark.slow
def test_a_shared_trunk_takes_less_time_than_two(claims, tmp_path):  # noqa: F811
    """The trunk is most of the work at full size, so that sharing must show."""
    tasks = importlib.import_module("claims_tasks")
    table = write_data(tmp_path / "data", 2)
    small = budget(claims, limit=2, model="fast")
    told = tasks.reproduce("shared-trunk", table, tmp_path / "out", small)
    assert "Shared by two networks: time 0." in told
    (found,) = json.loads((tmp_path / "out" / "shared-trunk.json").read_text())
    for seconds in found["seconds"].values():
        assert seconds["shared"] < seconds["two networks"]
    assert found["weights"]["shared"] < found["weights"]["two networks"]
    assert min(found["peak_mib"].values()) > 0


def test_shared_features_are_those_that_super_resolution_made(claims):  # noqa: F811
    """Both arms compute the same residual and the same mask."""
    torch = importlib.import_module("torch")
    costs = importlib.import_module("claims_costs")
    networks = costs.Networks.of("fast")
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        shared, two = networks.shared(image, image), networks.two(image, image)
    for one, other in zip(shared, two, strict=True):
        assert torch.allclose(one, other, atol=1e-4)
