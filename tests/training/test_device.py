"""Training on another device: every tensor of a step follows the batch."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cxr_sr.errors import TrainingError
from cxr_sr.training.data.degrade import DEGRADATIONS, Degradation, degrade
from cxr_sr.training.data.grain import Grain
from cxr_sr.training.fit import fit
from cxr_sr.training.learner import Learner, enlarge, predict
from cxr_sr.training.losses import LOSSES
from cxr_sr.training.start import accelerator_of
from tests.builders import tiny_network
from tests.training.builders import curve, recipe, run


class OneDevice(TorchDispatchMode):
    """Refuses an operation on tensors of `meta` and of the CPU, as CUDA would."""

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        devices = {tensor.device.type for tensor in given if tensor.dim()}
        assert len(devices) < 2, f"{operation} with tensors of {devices}"
        return operation(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", DEGRADATIONS)
@pytest.mark.parametrize("loss", ["charbonnier", "mae+ms-ssim"])
def test_no_tensor_of_a_step_stays_behind(
    kind: str, loss: str, monkeypatch: pytest.MonkeyPatch
):
    """Degraded, restored and compared on the device `meta`, which has no data."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    network = tiny_network().to("meta")
    fine = torch.zeros(2, 1, 192, 192, device="meta")
    codes = torch.zeros(2, 4, device="meta")
    settings = Degradation((kind,), grain=Grain(share=0.5))
    with OneDevice():
        coarse = degrade(fine, codes, 2, settings, torch.Generator())
        assert coarse.image.shape == (2, 1, 96, 96)
        output = enlarge(coarse.image, 2) + predict(network, coarse, 2)
        found = LOSSES[loss](output, fine)
        found.backward()
    devices = {found.device.type, coarse.image.device.type, coarse.noise.device.type}
    assert devices == {"meta"}
    assert {p.grad.device.type for p in network.parameters() if p.grad is not None} == {
        "meta"
    }


def test_the_same_noise_is_drawn_whatever_the_device():
    fine = torch.rand(1, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    codes = torch.tensor([[1 / 255, 0.0, 1.0, 0.1]])
    settings = Degradation(("box",), grain=Grain(share=1.0))
    one, two = (
        degrade(fine.to(kind), codes, 2, settings, torch.Generator().manual_seed(3))
        for kind in (torch.float32, torch.float64)
    )
    assert one.image == pytest.approx(two.image, abs=1 / 250)


def test_a_teacher_comes_along(monkeypatch: pytest.MonkeyPatch):
    teacher = tiny_network()
    learner = Learner(tiny_network(), recipe(), teacher)
    monkeypatch.setattr(Learner, "device", torch.device("meta"))
    learner.on_fit_start()
    assert {p.device.type for p in teacher.parameters()} == {"meta"}


@pytest.mark.parametrize(
    ("device", "there", "used"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu")],
)
def test_auto_is_cuda_where_there_is_one(monkeypatch, device, there, used):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert accelerator_of(device) == used


def test_cuda_is_refused_before_any_work_where_there_is_none(
    monkeypatch, data: Path, tmp_path: Path
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match=r"--device cuda: .* finds no CUDA device"):
        fit(data, tmp_path / "run", run(device="cuda"))
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_on_another_device(data: Path, tmp_path: Path):
    """`auto` is the CPU here; the test changes only the setting."""
    folder = tmp_path / "run"
    fit(data, folder, run(device="auto", recipe=recipe(max_steps=2)))
    fit(data, folder, run(device="cpu", recipe=recipe(max_steps=4)), resume=True)
    assert [int(row["step"]) for row in curve(folder)] == [2, 4]
    assert json.loads((folder / "settings.json").read_text())["settings"]["device"]
