"""Training runs: the files they leave, resume, refuse and survive."""

from __future__ import annotations

import csv
import errno
import json
import logging
import math
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from cxr_sr.errors import CxrSrError, TrainingError
from cxr_sr.superres.models.networks import load_network
from cxr_sr.superres.models.zoo import Model, load_model
from cxr_sr.training.data.dataset import Sampling
from cxr_sr.training.fit import fit
from cxr_sr.training.learner import Learner
from cxr_sr.training.losses import LOSSES
from cxr_sr.training.quiet import quiet_lightning
from cxr_sr.training.run_folder.checkpoints import WholeCheckpoints
from tests.builders import (
    noise,
    pixel_format,
    write_png,
)
from tests.training.builders import curve, killed_fit, radiographs, recipe, run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model]:
    """A run folder with pictures, and its model; no test changes them."""
    place = tmp_path_factory.mktemp("finished")
    return place / "run", fit(radiographs(place / "data"), place / "run", run())


class TestRunFolder:
    def test_a_run_leaves_everything_that_explains_it(self, finished):
        folder, _ = finished
        assert {p.name for p in folder.iterdir()} == {
            *("settings.json", "metrics.csv", "curves.png", "tensorboard"),
            *("checkpoints", "trunk.onnx", "trunk.safetensors", "trunk.md"),
            *("validation_x2.png", "validation_x4.png"),
        }
        assert {p.name for p in (folder / "checkpoints").iterdir()} == {
            *("best.ckpt", "last.ckpt")
        }
        assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
        assert any((folder / "tensorboard").iterdir())

    def test_tensorboard_shows_training_and_validation(self, finished):
        events = pytest.importorskip(
            "tensorboard.backend.event_processing.event_accumulator"
        ).EventAccumulator(str(finished[0] / "tensorboard"))
        events.Reload()
        assert {"loss", "lr", "gradient", "gain_x2"} <= set(events.Tags()["scalars"])

    def test_the_curve_has_a_row_a_validation(self, finished):
        rows = curve(finished[0])
        assert [int(row["step"]) for row in rows] == [2, 4, 6]
        assert {"lr", "loss", "gradient", "gain", "psnr_x2", "gain_x4"} <= set(rows[0])
        assert all(math.isfinite(float(v)) for row in rows for v in row.values())

    def test_the_run_folder_is_a_model(self, finished):
        folder, model = finished
        loaded = load_model(folder)
        assert loaded.spec.sha256 == model.spec.sha256
        assert loaded.spec.scales == (2, 4)
        assert load_network(loaded).scales == (2, 4)

    def test_the_weights_say_what_they_were_trained_on(self, finished):
        training = finished[1].spec.training
        settings = json.loads((finished[0] / "settings.json").read_text())
        assert settings["data_sha256"] == training["data_sha256"]
        assert training["patients"] == 2
        assert training["settings"]["recipe"]["loss"] == "mae"
        assert training["settings"]["recipe"]["seed"] == 0
        assert training["steps"] in (2, 4, 6)
        assert {"cxr-sr", "torch", "lightning"} <= set(training["versions"])

    def test_the_best_averaged_weights_are_exported(self, finished):
        folder, model = finished
        rows = curve(folder)
        best = max(rows, key=lambda row: float(row["gain"]))
        assert model.spec.training["steps"] == int(best["step"])
        state = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
        for name, weights in load_file(model.safetensors).items():
            kept = state["state_dict"][f"average.module.{name}"]
            assert torch.equal(weights, kept)

    def test_no_path_of_this_machine_is_written_down(self, finished):
        folder, _ = finished
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert len(files) > 8
        for path in files:
            assert str(folder.parent).encode() not in path.read_bytes(), path.name

    def test_the_same_seed_gives_the_same_weights(self, finished, data, tmp_path):
        again = fit(data, tmp_path / "again", run())
        other = fit(data, tmp_path / "other", run(recipe=recipe(seed=1)))
        assert curve(tmp_path / "again") == curve(finished[0])
        first, second, third = (
            load_file(m.safetensors) for m in (finished[1], again, other)
        )
        assert all(torch.equal(first[k], second[k]) for k in first)
        assert not all(torch.equal(first[k], third[k]) for k in first)

    def test_a_finished_run_is_not_overwritten(self, finished, data):
        with pytest.raises(TrainingError, match="run holds a run already; give --res"):
            fit(data, finished[0], run())


class TestResume:
    def test_the_last_steps_are_kept_though_they_gained_nothing(
        self, data: Path, tmp_path: Path
    ):
        """A learning rate of nothing: the first validation stays the best."""
        fit(data, tmp_path, run(recipe=recipe(lr=0.0)))
        steps = [
            torch.load(tmp_path / "checkpoints" / f"{name}.ckpt")["global_step"]
            for name in ("best", "last")
        ]
        assert steps == [2, 6]

    @pytest.mark.parametrize("version", ["now", "0.1"])
    def test_a_moved_run_keeps_its_best_weights(
        self, version: str, data: Path, tmp_path: Path
    ):
        """Version 0.1 wrote the folder's path into the checkpoints."""
        here, there = tmp_path / "here", tmp_path / "there"
        still = run(recipe=recipe(lr=0.0))
        fit(data, here, still)
        if version == "0.1":
            for path in (here / "checkpoints").iterdir():
                checkpoint = WholeCheckpoints().load_checkpoint(path)
                assert str(here) in str(checkpoint["callbacks"])
                torch.save(checkpoint, path)
        here.rename(there)
        longer = run(recipe=recipe(lr=0.0, max_steps=8))
        fit(data, there, longer, resume=True)
        best = torch.load(there / "checkpoints" / "best.ckpt", weights_only=True)
        assert best["global_step"] == 2
        assert [int(row["step"]) for row in curve(there)] == [2, 4, 6, 8]

    @pytest.mark.parametrize(
        ("killed_at", "optimiser"), [(3, "adam"), (4, "adam"), (5, "adam"), (4, "muon")]
    )
    def test_a_killed_run_goes_on_with_the_same_curve(
        self, killed_at: int, optimiser: str, data: Path, tmp_path: Path, monkeypatch
    ):
        whole, killed = tmp_path / "whole", tmp_path / "killed"
        settings = run(recipe=recipe(optimiser=optimiser))
        expected = fit(data, whole, settings)
        killed_fit(killed_at, data, killed, monkeypatch, settings)
        found = fit(data, killed, settings, resume=True)
        assert curve(killed) == curve(whole)
        first, second = load_file(expected.safetensors), load_file(found.safetensors)
        assert all(torch.equal(first[k], second[k]) for k in first)

    def test_wall_time_is_added_up(self, data: Path, tmp_path: Path, monkeypatch):
        killed_fit(3, data, tmp_path / "run", monkeypatch)
        last = tmp_path / "run" / "checkpoints" / "last.ckpt"
        state = torch.load(last, weights_only=True)
        torch.save(state | {"elapsed_s": 1000.0}, last)
        fit(data, tmp_path / "run", run(), resume=True)
        with (tmp_path / "run" / "metrics.csv").open() as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
        assert seconds[0] < 1000 <= seconds[-1]

    def test_a_run_killed_before_its_first_checkpoint_is_begun_again(
        self, data: Path, tmp_path: Path, monkeypatch
    ):
        killed_fit(1, data, tmp_path / "run", monkeypatch)
        fit(data, tmp_path / "run", run())
        assert [int(row["step"]) for row in curve(tmp_path / "run")] == [2, 4, 6]

    def test_other_data_is_refused(self, data: Path, tmp_path: Path, monkeypatch):
        killed_fit(3, data, tmp_path / "run", monkeypatch)
        write_png(data / "0.png", noise((48, 56), pixel_format(8)))
        with pytest.raises(TrainingError, match="the data differs from that of run"):
            fit(data, tmp_path / "run", run(), resume=True)

    def test_another_network_is_refused(self, data: Path, tmp_path: Path, monkeypatch):
        killed_fit(3, data, tmp_path / "run", monkeypatch)
        wider = run(network={"width": 8, "depth": 2})
        with pytest.raises(TrainingError, match=r"run has the network .*'width': 4"):
            fit(data, tmp_path / "run", wider, resume=True)

    def test_there_has_to_be_a_checkpoint(self, data: Path, tmp_path: Path):
        with pytest.raises(TrainingError, match=r"run holds no checkpoints/last\.ckpt"):
            fit(data, tmp_path / "run", run(), resume=True)

    def test_ctrl_c_reaches_the_caller(self, data: Path, tmp_path: Path, monkeypatch):
        def interrupt(*_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Learner, "on_train_batch_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit(data, tmp_path / "run", run())

    def test_a_run_of_an_older_version_gets_the_new_columns(
        self, data: Path, tmp_path: Path, monkeypatch
    ):
        killed_fit(3, data, tmp_path / "run", monkeypatch)
        table = tmp_path / "run" / "metrics.csv"
        lines = [line.split(",") for line in table.read_text().splitlines()]
        without = lines[0].index("waiting")
        old = [
            ",".join(c for n, c in enumerate(cells) if n != without) for cells in lines
        ]
        table.write_text("\n".join(old) + "\n")
        fit(data, tmp_path / "run", run(), resume=True)
        with table.open() as file:
            waiting = [row["waiting"] for row in csv.DictReader(file)]
        assert waiting[0] == ""
        assert all(0 <= float(share) <= 1 for share in waiting[1:])


class TestEarlyStop:
    @pytest.fixture
    def stale(self, monkeypatch) -> None:
        """Validation that never finds anything better than at first."""

        def step(learner: Learner, *_: Any) -> None:
            scores = {f"{k}_x{s}": 30.0 for k in ("psnr", "gain") for s in (2, 4)}
            learner.log_dict(scores | {"gain": 1.0}, batch_size=1)

        monkeypatch.setattr(Learner, "validation_step", step)

    @pytest.mark.usefixtures("stale")
    def test_a_run_that_gains_no_more_ends(self, data: Path, tmp_path: Path):
        long = run(recipe=recipe(max_steps=40), patience=2)
        model = fit(data, tmp_path / "run", long)
        assert [row["step"] for row in curve(tmp_path / "run")] == ["2", "4", "6"]
        assert model.spec.training["steps"] == 2

    @pytest.mark.usefixtures("stale")
    def test_a_killed_run_remembers_how_long_it_has_waited(
        self, data: Path, tmp_path: Path, monkeypatch
    ):
        long = run(recipe=recipe(max_steps=40), patience=2)
        killed_fit(5, data, tmp_path / "run", monkeypatch, long)
        fit(data, tmp_path / "run", long, resume=True)
        assert [row["step"] for row in curve(tmp_path / "run")] == ["2", "4", "6"]

    @pytest.mark.usefixtures("stale")
    def test_without_patience_the_budget_ends_it(self, data: Path, tmp_path: Path):
        fit(data, tmp_path / "run", run())
        assert curve(tmp_path / "run")[-1]["step"] == "6"


class TestBadData:
    def test_a_corrupt_file_does_not_end_a_run(
        self, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        (data / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        with caplog.at_level(logging.WARNING):
            model = fit(data, tmp_path / "run", run())
        assert "0.png is left out: " in caplog.text
        assert model.spec.training["patients"] == 1

    def test_images_smaller_than_the_crop_are_said_to_be(
        self, data: Path, tmp_path: Path
    ):
        with pytest.raises(TrainingError, match=r"none of the 2 .*'train'.* 96 px"):
            fit(data, tmp_path / "run", run(sampling=Sampling(24)))

    @pytest.mark.parametrize("split", ["train", "val"])
    def test_a_split_without_images_is_named(
        self, split: str, data: Path, tmp_path: Path
    ):
        index = data / "index.csv"
        index.write_text(index.read_text().replace(f",{split},", ",test,"))
        with pytest.raises(TrainingError, match=f"no image in the split '{split}': it"):
            fit(data, tmp_path / "run", run())

    def test_one_patient_alone_cannot_be_trained_and_validated_on(
        self, data: Path, tmp_path: Path
    ):
        (data / "index.csv").write_text(
            "file,split,patient\n0.png,train,p\n1.png,train,p\n"
        )
        with pytest.raises(TrainingError, match=r"2 image\(s\) of 1 patient\(s\)"):
            fit(data, tmp_path / "run", run())

    def test_a_full_disk_loses_nothing_but_the_last_steps(
        self, data: Path, tmp_path: Path, monkeypatch
    ):
        whole, folder = tmp_path / "whole", tmp_path / "run"
        fit(data, whole, run())
        original = torch.save

        def full(checkpoint: dict[str, Any], path: Path) -> None:
            original(checkpoint, path)
            if checkpoint["global_step"] == 4:
                Path(path).write_bytes(b"half of it")
                raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(torch, "save", full)
            with pytest.raises(TrainingError, match=r"ckpt cannot be .*No space left"):
                fit(data, folder, run())
        kept = {p.name for p in (folder / "checkpoints").iterdir()}
        assert kept == {"best.ckpt", "last.ckpt"}
        fit(data, folder, run(), resume=True)
        assert curve(folder) == curve(whole)

    def test_a_thread_that_cannot_write_prints_no_traceback(self, capsys):
        """But one with an error of another kind does."""

        def fail(error: Exception) -> None:
            raise error

        for error in (FileNotFoundError(2, "gone"), KeyError("mine")):
            with quiet_lightning():
                thread = threading.Thread(target=fail, args=(error,))
                thread.start()
                thread.join()
        told = capsys.readouterr().err
        assert "gone" not in told
        assert "KeyError" in told

    def test_nothing_is_left_where_nothing_could_start(
        self, data: Path, tmp_path: Path
    ):
        with pytest.raises(TrainingError):
            fit(data, tmp_path / "run", run(sampling=Sampling(96)))
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_loss_that_is_no_number_ends_the_run_with_advice(
        self, value: float, data: Path, tmp_path: Path, monkeypatch
    ):
        monkeypatch.setitem(LOSSES, "mae", lambda output, _: value * output.sum())
        with pytest.raises(TrainingError, match=r"the loss became .* at step 0.*lower"):
            fit(data, tmp_path / "run", run())

    def test_a_gradient_that_is_no_number_ends_the_run_with_advice(
        self, data: Path, tmp_path: Path, monkeypatch
    ):
        def steep(output: Tensor, _: Tensor) -> Tensor:
            return (output - output.detach()).abs().sqrt().mean()

        monkeypatch.setitem(LOSSES, "mae", steep)
        with pytest.raises(TrainingError, match=r"the gradient became .* lower"):
            fit(data, tmp_path / "run", run())


@pytest.mark.parametrize("step", [1, 2, 3, 6])
@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_run_folder_that_vanishes_fails_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, how: str
):
    folder = tmp_path / "run"

    def vanish(learner: Learner, *_: object) -> None:
        if learner.global_step == step - 1:
            folder.rename(tmp_path / "gone")
            if how == "replaced":
                folder.mkdir()

    monkeypatch.setattr(Learner, "on_train_batch_start", vanish)
    with pytest.raises((OSError, CxrSrError)):
        fit(data, folder, run())
    assert not list(folder.glob("*.onnx"))
