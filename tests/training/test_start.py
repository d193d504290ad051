"""Weights to start from, and teachers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cxr_sr.errors import TrainingError
from cxr_sr.superres.models.networks import Trunk, build
from cxr_sr.training.data.batches import CropBatch
from cxr_sr.training.data.degrade import degrade
from cxr_sr.training.fit import fit
from cxr_sr.training.learner import Learner, reconstruct
from cxr_sr.training.start import start_from, teacher_for
from cxr_sr.training.weights import write_weights
from tests.builders import (
    tiny_model,
    tiny_network,
    tiny_spec,
)
from tests.training.builders import recipe, run


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
        model = write_weights(build(spec), spec, tmp_path)
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
        weights = write_weights(narrow, spec, tmp_path).safetensors
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
