"""Steps of a training: budget, losses, degradations, averages."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxr_sr.errors import SettingsError, TrainingError
from cxr_sr.superres import resample
from cxr_sr.superres.models.networks import Hydra, Trunk, load_network
from cxr_sr.superres.models.zoo import load_model
from cxr_sr.training.data.batches import CropBatch
from cxr_sr.training.data.dataset import Sampling
from cxr_sr.training.data.degrade import Degradation
from cxr_sr.training.fit import fit
from cxr_sr.training.learner import Learner, enlarge, psnr
from cxr_sr.training.run import Recipe
from tests.builders import (
    noise,
    pixel_format,
    structure,
    tiny_network,
    write_png,
)
from tests.training.builders import curve, recipe, run


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
        monkeypatch.setattr("cxr_sr.training.course.time.monotonic", lambda: now)
        learner = Learner(tiny_network(), recipe(max_steps=None, max_seconds=100.0))
        learner.started = 1000.0 - 30
        assert learner.progress == pytest.approx(30 / 95)
        learner.on_validation_start()
        now = 1010.0
        learner.on_validation_end()
        assert learner.progress == pytest.approx(40 / 85)

    def test_what_is_going_on_is_said(self, data: Path, tmp_path: Path, caplog):
        """Before and after, where no bar moves."""
        with caplog.at_level(logging.INFO, "cxr_sr"):
            fit(data, tmp_path / "run", run())
        told = [record.message for record in caplog.records]
        assert "reading the images" in told[0]
        assert "training with" in told[1]
        assert "writing the best weights" in told[-1]

    def test_a_training_without_end_is_refused(self):
        with pytest.raises(SettingsError, match="give --max-steps, --max-time"):
            Recipe()

    @pytest.mark.parametrize("scales", [(), (5,), (2, 16)])
    def test_scales_that_nobody_can_use_are_refused(self, scales: tuple[int, ...]):
        with pytest.raises(SettingsError, match="cannot be trained"):
            recipe(scales=scales)


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
        """Losses differ in value after the same start on the same crop."""
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
            "from cxr_sr.training.fit import fit;"
            "from tests.training.builders import run;"
            "fit(Path(sys.argv[1]), Path(sys.argv[2]), run(devices=2))"
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

        monkeypatch.setattr("cxr_sr.training.loop.Trainer.fit", broken)
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

    def test_rgb_trains_if_the_run_asks_for_three_channels(
        self, data: Path, tmp_path: Path
    ):
        for number in range(3):
            pixels = noise((48, 48, 3), pixel_format(8), number)
            write_png(data / f"{number}.png", pixels)
        assert fit(data, tmp_path / "run", run(channels=3)).spec.channels == 3

    def test_rgb_is_left_out_of_a_gray_run_and_gray_out_of_one_of_rgb(
        self, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        with pytest.raises(TrainingError):
            fit(data, tmp_path / "gray", run(channels=3))
        assert "it is gray, not RGB" in caplog.text
        for number in range(3):
            pixels = noise((48, 48, 3), pixel_format(8), number)
            write_png(data / f"{number}.png", pixels)
        with pytest.raises(TrainingError):
            fit(data, tmp_path / "rgb", run())
        assert "the image has true colour" in caplog.text

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
