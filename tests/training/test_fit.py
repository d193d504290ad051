"""Training runs: what they leave behind, resume, refuse and survive."""

from __future__ import annotations

import csv
import dataclasses
import errno
import io
import json
import logging
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cxr_sr.cli.train.options import Options
from cxr_sr.cli.train.request import run_of
from cxr_sr.errors import SettingsError, TrainingError
from cxr_sr.superres import resample
from cxr_sr.superres.models.networks import Hydra, Trunk, build, load_network
from cxr_sr.superres.models.zoo import Model, load_model
from cxr_sr.training.data.dataset import CropBatch, Sampling
from cxr_sr.training.data.degrade import Degradation, degrade
from cxr_sr.training.fit import fit
from cxr_sr.training.learner import Learner, enlarge, one_cycle, psnr, reconstruct
from cxr_sr.training.losses import LOSSES
from cxr_sr.training.onnx import export
from cxr_sr.training.run import Recipe, Run
from cxr_sr.training.start import start_from, teacher_for
from tests.builders import (
    noise,
    pixel_format,
    structure,
    tiny_model,
    tiny_network,
    tiny_spec,
    write_png,
)

TINY = {"width": 4, "depth": 2}


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


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with an index of three radiographs, one of them for validation."""
    folder = tmp_path / "data"
    folder.mkdir()
    rows = ["file,split,patient"]
    for number, split in enumerate(["train", "train", "val"]):
        pixels = np.rint(255 * structure((48, 56), number)).astype(np.uint8)
        write_png(folder / f"{number}.png", pixels)
        rows.append(f"{number}.png,{split},p{number}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    return folder


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
    """Start a run that dies, as far as it can tell, at the end of a step."""
    original = Learner.on_train_batch_end

    def end(learner: Learner, *given: Any) -> None:
        original(learner, *given)
        if learner.global_step == step:
            raise ConnectionAbortedError

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "on_train_batch_end", end)
        with pytest.raises(ConnectionAbortedError):
            fit(data, folder, settings or run())


class TestRunFolder:
    @pytest.fixture
    def finished(self, data: Path, tmp_path: Path) -> tuple[Path, Model]:
        folder = tmp_path / "run"
        return folder, fit(data, folder, run())

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

    def test_no_path_of_this_machine_is_written_down(self, finished, tmp_path: Path):
        folder, _ = finished
        for name in ("settings.json", "metrics.csv", "trunk.onnx", "trunk.md"):
            assert str(tmp_path).encode() not in (folder / name).read_bytes()

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
        with pytest.raises(TrainingError, match="the data is not what run began with"):
            fit(data, tmp_path / "run", run(), resume=True)

    def test_another_network_is_refused(self, data: Path, tmp_path: Path, monkeypatch):
        killed_fit(3, data, tmp_path / "run", monkeypatch)
        wider = run(network={"width": 8, "depth": 2})
        with pytest.raises(TrainingError, match=r"run trains the network .*'width': 4"):
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


class TestBudget:
    def test_wall_time_ends_a_run(self, data: Path, tmp_path: Path, monkeypatch):
        monkeypatch.setattr(
            Learner, "elapsed_s", property(lambda self: 10.0 * self.global_step)
        )
        timed = run(recipe=recipe(max_steps=None, max_seconds=45.0))
        fit(data, tmp_path / "run", timed)
        rows = curve(tmp_path / "run")
        assert [int(row["step"]) for row in rows] == [2, 4, 5]
        rates = [float(row["lr"]) for row in rows]
        assert rates[0] > rates[1] > rates[2]
        assert rates[2] < 0.1 * timed.recipe.lr

    def test_whatever_is_used_up_first_ends_it(self):
        learner = Learner(tiny_network(), recipe(max_steps=10, max_seconds=1e-9))
        assert learner.progress == 1

    def test_wall_time_counts_from_the_start_of_the_command(self, monkeypatch):
        """Reading images takes time, and so does the validation after the last step."""
        now = 1000.0
        monkeypatch.setattr("cxr_sr.training.learner.time.monotonic", lambda: now)
        learner = Learner(tiny_network(), recipe(max_steps=None, max_seconds=100.0))
        learner.started = 1000.0 - 30
        assert learner.progress == pytest.approx(0.3)
        learner.on_validation_start()
        now = 1010.0
        learner.on_validation_end()
        assert learner.progress == pytest.approx(40 / 90)

    def test_what_is_going_on_is_said(self, data: Path, tmp_path: Path, caplog):
        """Before and after, where no bar moves."""
        with caplog.at_level(logging.INFO, "cxr_sr"):
            fit(data, tmp_path / "run", run())
        told = [record.message for record in caplog.records]
        assert "reading the images" in told[0]
        assert "training with" in told[1]
        assert "writing the best weights" in told[-1]

    def test_the_rate_rises_and_falls_once(self):
        rates = [one_cycle(n / 100) for n in range(101)]
        top = rates.index(max(rates))
        assert [rates[0], rates[top], rates[-1]] == pytest.approx([0.1, 1, 0.001])
        assert rates[: top + 1] == sorted(rates[: top + 1])
        assert rates[top:] == sorted(rates[top:], reverse=True)

    def test_a_training_without_end_is_refused(self):
        with pytest.raises(SettingsError, match="give --max-steps, --max-time"):
            Recipe()

    @pytest.mark.parametrize("scales", [(), (5,), (2, 16)])
    def test_scales_that_nobody_can_use_are_refused(self, scales: tuple[int, ...]):
        with pytest.raises(SettingsError, match="cannot be trained"):
            recipe(scales=scales)


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


class TestLearning:
    @pytest.mark.parametrize("optimiser", ["adam", "muon"])
    def test_a_network_learns(self, optimiser: str, data: Path, tmp_path: Path):
        """Sixty steps on three images beat the bicubic interpolation of them."""
        course = recipe(scales=(2,), max_steps=60, lr=5e-3, optimiser=optimiser)
        longer = run(recipe=course, batch=4, epoch_steps=60)
        fit(data, tmp_path / "run", longer)
        assert float(curve(tmp_path / "run")[-1]["gain_x2"]) > 0

    def test_muons_inner_layers_learn_at_a_rate_of_their_own(self):
        """One --lr sets both: the inner layers' is five times the others'."""
        learner = Learner(Trunk(4, 2), recipe(lr=2e-4, optimiser="muon"))
        groups = learner.configure_optimizers().param_groups
        assert [group["peak"] for group in groups] == pytest.approx([1e-3, 2e-4])

    @pytest.mark.parametrize("name", ["hydra", "vdsr"])
    def test_every_network_trains(self, name: str, data: Path, tmp_path: Path):
        one = run(
            model=name,
            network={},
            sampling=Sampling(24),
            recipe=recipe(max_steps=1),
            epoch_steps=1,
        )
        assert fit(data, tmp_path / "run", one).spec.network == name

    @pytest.mark.parametrize("loss", ["mae+ms-ssim", "ms-ssim", "mse", "charbonnier"])
    def test_every_loss_trains(self, loss: str, data: Path, tmp_path: Path):
        """From the same start on the same crop, each has a value of its own."""
        values = []
        for name in ("mae", loss):
            one = run(recipe=recipe(max_steps=1, loss=name), epoch_steps=1)
            fit(data, tmp_path / name, one)
            values.append(float(curve(tmp_path / name)[0]["loss"]))
        assert np.isfinite(values).all()
        assert values[0] != pytest.approx(values[1], rel=1e-4)

    def test_it_is_said_when_ms_ssim_cannot_use_all_its_levels(
        self, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        one = run(recipe=recipe(max_steps=1, loss="ms-ssim"), epoch_steps=1)
        with caplog.at_level(logging.WARNING):
            fit(data, tmp_path / "run", one)
        assert (
            "the first 2 of its 5 levels: more do not fit a crop of 24" in caplog.text
        )

    @pytest.mark.parametrize(
        ("able", "told"),
        [({"avx512_bf16": True}, False), ({"avx512_bf16": False}, True), ({}, False)],
    )
    def test_it_is_said_when_bf16_would_be_emulated(
        self,
        able: dict[str, bool],
        told: bool,  # noqa: FBT001 - what is expected
        data: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
        half = run(recipe=recipe(max_steps=1, precision="bf16"), epoch_steps=1)
        with caplog.at_level(logging.WARNING):
            fit(data, tmp_path / "run", half)
        assert ("this processor has no bf16 arithmetic" in caplog.text) == told

    @pytest.mark.slow
    def test_two_processes_share_a_training(self, data: Path, tmp_path: Path):
        """Each step sees the crops of both, so their model is another's than one's."""
        script = (
            "import sys; from pathlib import Path;"
            "from tests.training import test_fit as t;"
            "t.fit(Path(sys.argv[1]), Path(sys.argv[2]), t.run(devices=2))"
        )
        program = tmp_path / "program.py"
        program.write_text(script)
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        given = [str(path) for path in (program, data, tmp_path / "shared")]
        command = [sys.executable, "-W", "error", *given]
        subprocess.run(command, check=True, env=environment, timeout=300)
        shared = load_model(tmp_path / "shared")
        assert shared.spec.training["settings"]["devices"] == 2
        assert [int(row["step"]) for row in curve(tmp_path / "shared")] == [2, 4, 6]
        alone = fit(data, tmp_path / "alone", run())
        assert alone.spec.sha256 != shared.spec.sha256

    def test_a_process_that_died_is_told_of_with_what_to_do(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def broken(*_: object, **__: object):
            message = "[gloo/transport/tcp/pair.cc:547] Connection closed by peer"
            raise RuntimeError(message)

        monkeypatch.setattr("cxr_sr.training.fit.Trainer.fit", broken)
        with pytest.raises(TrainingError, match=r"2 processes .* has died .* --resume"):
            fit(data, tmp_path / "two", run(devices=2))
        with pytest.raises(RuntimeError, match="gloo"):  # ours, if there was but one
            fit(data, tmp_path / "one", run())

    @pytest.mark.parametrize("name", ["hydra", "trunk"])
    def test_bf16_gives_nearly_the_same_loss(self, name: str):
        fine = torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(0))
        batch = CropBatch(fine, torch.tensor([[1 / 255, 0, 1, 0.1]] * 2), 2)
        losses = []
        for precision in ("fp32", "bf16"):
            torch.manual_seed(0)
            network = Trunk(4, 2) if name == "trunk" else Hydra()
            learner = Learner(network, recipe(precision=precision))
            losses.append(float(learner.training_step(batch, 0).detach()))
        assert losses[0] != losses[1] == pytest.approx(losses[0], rel=1e-3)

    def test_mixed_degradations_train(self, data: Path, tmp_path: Path):
        """A mixture is none of its parts, and each crop may be seen in any of them."""
        names = ("bicubic", "box", "detector", "bicubic,box,detector")
        values = []
        for name in names:
            one = recipe(degradation=Degradation.of(name))
            fit(data, tmp_path / name, run(recipe=one))
            values.append([row["loss"] for row in curve(tmp_path / name)])
        assert len({*map(tuple, values)}) == len(names)

    def test_a_scale_named_twice_has_one_tail_and_one_score(
        self, data: Path, tmp_path: Path
    ):
        settings = run(recipe=recipe(scales=(4, 2, 4), max_steps=3), epoch_steps=3)
        model = fit(data, tmp_path / "run", settings)
        assert model.spec.scales == (2, 4)
        (row,) = curve(tmp_path / "run")
        assert {n for n in row if n.startswith("psnr")} == {"psnr_x2", "psnr_x4"}

    def test_whole_images_train(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """48 x 56 px are seen as 48 x 48: every scale has to divide both sides."""
        seen = set()
        step = Learner.training_step

        def noted(learner: Learner, batch: CropBatch, number: int) -> Tensor:
            seen.add(tuple(batch.fine.shape))
            return step(learner, batch, number)

        monkeypatch.setattr(Learner, "training_step", noted)
        fit(data, tmp_path / "run", run(sampling=Sampling(None), batch=1))
        assert seen == {(1, 1, 48, 48)}

    def test_rgb_trains(self, data: Path, tmp_path: Path):
        for number in range(3):
            pixels = noise((48, 48, 3), pixel_format(8), number)
            write_png(data / f"{number}.png", pixels)
        assert fit(data, tmp_path / "run", run()).spec.channels == 3

    def test_hydra_is_normalised_by_the_data_it_sees(self, data: Path, tmp_path: Path):
        one = run(
            model="hydra",
            network={},
            sampling=Sampling(24),
            recipe=recipe(max_steps=1),
            epoch_steps=1,
        )
        network = load_network(fit(data, tmp_path / "run", one))
        assert isinstance(network, Hydra)
        seen = np.stack(
            [np.rint(255 * structure((48, 56), n)).astype(np.uint8) for n in (0, 1)]
        )
        mean = float(network.normalise.get_buffer("running_mean"))
        variance = float(network.normalise.get_buffer("running_var"))
        assert mean == pytest.approx(seen.mean() / 255, abs=1e-5)
        assert variance == pytest.approx((seen / 255).var(), rel=1e-3)

    def test_the_base_is_the_one_of_inference(self):
        coarse = torch.rand(1, 1, 9, 13, dtype=torch.float64)
        for scale in (2, 3, 4, 8):
            expected = resample.upsample(coarse.numpy(), scale)
            assert np.abs(enlarge(coarse, scale).numpy() - expected).max() < 1e-12

    def test_psnr_has_its_known_value(self):
        target = torch.zeros(1, 1, 4, 4)
        assert float(psnr(target + 0.01, target)) == pytest.approx(40, abs=1e-3)


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
        with pytest.raises(TrainingError, match=r"gradient's norm became .* lower"):
            fit(data, tmp_path / "run", run())


class TestTeacher:
    @pytest.mark.parametrize("name", ["hydra", "trunk"])
    def test_half_of_the_loss_is_against_its_results(self, name: str):
        fine = torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(0))
        batch = CropBatch(fine, torch.tensor([[1 / 255, 0, 1, 0.1]] * 2), 2)
        pupil, teacher = tiny_network(seed=1), tiny_network(name, seed=2)
        course = recipe()
        coarse = degrade(fine, batch.codes, 2, course.degradation, torch.Generator())
        with torch.no_grad():
            found, taught = (reconstruct(n, coarse, 2) for n in (pupil, teacher))
        apart = [float((found - other).abs().mean()) for other in (fine, taught)]
        loss = Learner(pupil, course, teacher).training_step(batch, 0)
        assert float(loss.detach()) == pytest.approx(sum(apart) / 2)
        loss.backward()
        assert all(p.grad is None for p in teacher.parameters())

    def test_the_run_names_its_teacher_and_keeps_none_of_its_weights(
        self, data: Path, tmp_path: Path
    ):
        teacher = tiny_model(tmp_path)
        fit(data, tmp_path / "run", run(teacher=str(teacher.onnx)))
        settings = json.loads((tmp_path / "run" / "settings.json").read_text())
        assert settings["settings"]["teacher"] == "tiny.onnx"
        assert "taught by `tiny.onnx`" in (tmp_path / "run" / "trunk.md").read_text()
        last = tmp_path / "run" / "checkpoints" / "last.ckpt"
        state = torch.load(last, weights_only=True)["state_dict"]
        assert not [name for name in state if "teach" in name]

    def test_who_knows_less_cannot_teach(self, tmp_path: Path):
        spec = dataclasses.replace(tiny_spec(), scales=(2, 3))
        model = export(build(spec), spec, tmp_path)
        with pytest.raises(TrainingError, match=r"cannot teach .* fewer --scales"):
            teacher_for(tiny_network(), str(model.onnx))

    def test_an_interpolator_cannot_teach(self):
        with pytest.raises(TrainingError, match="bicubic has nothing to teach"):
            teacher_for(tiny_network(), "bicubic")


class TestStartingWeights:
    def test_what_fits_is_taken_over(self, tmp_path: Path):
        given = tiny_network(seed=3)
        weights = tiny_model(tmp_path).safetensors
        spec = dataclasses.replace(tiny_spec(), scales=(2, 3))
        network = build(spec)
        start_from(network, weights)
        taken = network.state_dict()
        expected = load_file(weights)
        assert given.state_dict().keys() == expected.keys()
        assert all(torch.equal(taken[name], expected[name]) for name in taken)

    def test_a_tail_that_is_not_given_stays_as_it_was(self, tmp_path: Path):
        spec = dataclasses.replace(tiny_spec(), scales=(2,))
        narrow = build(spec)
        assert isinstance(narrow, Trunk)
        weights = export(narrow, spec, tmp_path).safetensors
        network = build(tiny_spec())
        before = {k: v.clone() for k, v in network.state_dict().items()}
        start_from(network, weights)
        after = network.state_dict()
        assert torch.equal(after["tails.x8.0.weight"], before["tails.x8.0.weight"])
        assert torch.equal(after["first.weight"], narrow.first.weight)

    def test_a_wide_trunk_starts_with_a_narrow_ones_results(self, tmp_path: Path):
        narrow, wide = (Trunk(width, depth=2) for width in (4, 6))
        weights = tmp_path / "narrow.safetensors"
        save_file(narrow.state_dict(), weights)
        start_from(wide, weights)
        image = torch.rand(1, 1, 12, 15)
        for scale in (2, 8):
            assert torch.allclose(wide(image, scale), narrow(image, scale), atol=1e-7)
        assert bool(wide.get_parameter("pairs.0.first.weight")[4:].any())

    def test_a_deep_trunk_starts_with_a_shallow_ones_results(self, tmp_path: Path):
        shallow, deep = (Trunk(4, depth) for depth in (2, 6))
        weights = tmp_path / "shallow.safetensors"
        save_file(shallow.state_dict(), weights)
        start_from(deep, weights)
        image = torch.rand(1, 1, 12, 15)
        for scale in (2, 8):
            assert torch.equal(deep(image, scale), shallow(image, scale))
        assert bool(deep.get_parameter("pairs.2.first.weight").any())

    def test_weights_that_do_not_fit_are_refused(self, tmp_path: Path):
        weights = tiny_model(tmp_path, "vdsr").safetensors
        with pytest.raises(TrainingError, match=r"no weight of tiny\.safetensors fits"):
            start_from(tiny_network("trunk"), weights)

    def test_a_file_that_is_no_safetensors_is_refused(self, tmp_path: Path):
        weights = tmp_path / "bad.safetensors"
        weights.write_bytes(b"\xff" * 40)
        with pytest.raises(TrainingError, match=r"bad\.safetensors is no readable"):
            start_from(tiny_network(), weights)


class TestAverage:
    def test_it_follows_the_weights_at_first_and_smooths_later(self):
        network = tiny_network()
        learner = Learner(network, recipe(ema=0.9))
        for value in (1.0, 2.0):
            nn.init.constant_(network.get_parameter("end.weight"), value)
            learner.average.update_parameters(network)
        early = float(learner.averaged.get_parameter("end.weight").mean())
        assert early == pytest.approx(2 - 2 / 11)
        for _ in range(200):
            learner.average.update_parameters(network)
        nn.init.constant_(network.get_parameter("end.weight"), 3.0)
        learner.average.update_parameters(network)
        late = float(learner.averaged.get_parameter("end.weight").mean())
        assert late == pytest.approx(2.1, abs=1e-3)


class TestOptions:
    def options(self, **given: Any) -> Options:
        defaults = {"data": Path("d"), "run": Path("r"), "max_steps": 5}
        return Options(**{**defaults, **given})

    def test_options_become_a_run(self):
        found = run_of(
            self.options(
                width=32,
                depth=6,
                scales="2,4",
                crop="none",
                batch=1,
                degradation="bicubic,box",
                max_time="01:02:03",
                lr=2e-4,
            )
        )
        assert found.network == {"width": 32, "depth": 6}
        assert found.recipe.scales == (2, 4)
        assert found.recipe.degradation.kinds == ("bicubic", "box")
        assert (found.recipe.max_seconds, found.recipe.max_steps) == (3723.0, 5)
        assert found.sampling.crop_px is None
        assert found.recipe.lr == 2e-4

    def test_weights_that_learn_to_be_rounded_are_not_to_forget_the_rest(self):
        init = Path("w.safetensors")
        assert run_of(self.options()).recipe.lr == 1e-3
        assert run_of(self.options(quantise=True)).recipe.lr == 1e-3
        assert run_of(self.options(init=init)).recipe.lr == 1e-3
        assert run_of(self.options(quantise=True, init=init)).recipe.lr == 2e-5
        assert run_of(self.options(quantise=True, init=init, lr=1e-4)).recipe.lr == 1e-4

    def test_the_crop_fits_the_network_unless_told_otherwise(self):
        assert run_of(self.options()).sampling.crop_px == 48
        assert run_of(self.options(model="vdsr")).sampling.crop_px == 192

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"scales": "2;4"}, "--scales 2;4 is not a list"),
            ({"crop": "big"}, "--crop big is neither none nor"),
            ({"crop": "100", "model": "hydra"}, "a crop of 100 px"),
            ({"crop": "0"}, "--crop 0 is neither none nor a number"),
            ({"crop": "none", "batch": 2}, "one image a step"),
            ({"max_time": "90"}, "--max-time 90 is not of the form"),
            ({"max_steps": None}, "the training has no end"),
            ({"degradation": "jpeg"}, "unknown degradation 'jpeg'"),
        ],
    )
    def test_a_wrong_option_is_explained(self, given: dict[str, Any], message: str):
        with pytest.raises(SettingsError, match=message):
            run_of(self.options(**given))
