"""The networks: their size, how far they see, and how they are loaded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cxr_sr.errors import ModelError, SettingsError
from cxr_sr.superres.models.layers import FixedBatchNorm
from cxr_sr.superres.models.networks import (
    NETWORKS,
    Hydra,
    Network,
    Trunk,
    Vdsr,
    build,
    load_network,
)
from tests.builders import tiny_model, tiny_network, tiny_spec

SCALES = (2, 3, 4, 8)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def image(side: int = 24, channels: int = 1, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.rand(2, channels, side, side, generator=random)


def reach(network: Network, scale: int) -> tuple[int, int]:
    """Distance (rows, columns) over which one input pixel sways the output.

    The gradient of the outputs that grow from the central pixel is non-zero over
    exactly the receptive field: random weights do not cancel.
    """
    random = torch.Generator().manual_seed(0)
    for weights in network.parameters():
        nn.init.uniform_(weights, 0.05, 0.15, generator=random)
    side = 2 * network.radius_px + 9
    seen = torch.rand(1, 1, side, side, generator=random).requires_grad_()
    factor = 1 if network.grid == "output" else scale
    middle = side // 2 * factor
    output = network(seen, scale)
    output[..., middle : middle + factor, middle : middle + factor].sum().backward()
    assert seen.grad is not None
    rows, columns = (seen.grad[0, 0] != 0).nonzero(as_tuple=True)
    return (
        int((rows - side // 2).abs().max()),
        int((columns - side // 2).abs().max()),
    )


def test_hydra_has_the_papers_parameters():
    assert count(Hydra()) == 395_715


def test_hydra_has_the_papers_layers():
    layers = [m for m in Hydra().modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in layers] == [8, 16, 32, 64, 128, 256, 1]
    assert [m.dilation[0] for m in layers] == [1, 1, 1, 2, 2, 2, 1]


def test_vdsr_has_twenty_layers_of_64():
    layers = [m for m in Vdsr().modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in layers] == [64] * 19 + [1]
    assert count(Vdsr()) == 9 * 64 + 18 * 9 * 64 * 64 + 9 * 64 + 19 * 64 + 1


def test_vdsr_starts_as_a_shallow_network():
    torch.manual_seed(0)
    network = Vdsr()
    with torch.no_grad():
        first = network.body[:2](image())
        last = network.body(image())
    alike = torch.corrcoef(torch.stack([first.flatten(), last.flatten()]))[0, 1]
    assert alike > 0.7


def test_a_trunk_has_one_convolution_a_scale_beside_its_trunk():
    width, depth = 6, 4
    trunk = 9 * width + (depth + 1) * 9 * width * width
    tails = sum(9 * width * scale**2 for scale in SCALES)
    assert count(Trunk(width, depth)) == trunk + tails


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    "network",
    [Hydra(), Vdsr(), Trunk(8, 0), Trunk(8, 6)],
    ids=["hydra", "vdsr", "shallow", "deep"],
)
def test_the_receptive_field_is_the_stated_one(network: Network, scale: int):
    radius = network.radius_px
    assert reach(network, scale) == (radius, radius)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_residual_has_the_size_of_the_result(name: str, channels: int, scale: int):
    network = tiny_network(name, channels)
    residual = network(image(channels=channels), scale)
    factor = 1 if network.grid == "output" else scale
    assert residual.shape == (2, channels, 24 * factor, 24 * factor)


@pytest.mark.parametrize("name", NETWORKS)
def test_an_untrained_network_starts_near_the_bicubic_image(name: str):
    spec = tiny_spec(name)
    torch.manual_seed(0)
    assert build(spec)(image(), 2).abs().mean() < 0.05


def test_a_trunk_shows_its_features():
    network = tiny_network("trunk")
    assert isinstance(network, Trunk)
    assert network.features(image()).shape == (2, 4, 24, 24)


@pytest.mark.parametrize("scale", SCALES)
def test_a_trunks_residual_follows_every_window(scale: int):
    """f(a x + b) = a f(x): bit depth and window make no difference."""
    network = tiny_network("trunk").double()
    stored = image().double()
    residual = network(stored, scale)
    assert residual.abs().max() > 1e-3
    torch.testing.assert_close(network(37 * stored - 5, scale), 37 * residual)


def test_a_trunk_adds_nothing_to_a_constant_image():
    network = tiny_network("trunk").double()
    constant = torch.full((1, 1, 24, 24), 0.7, dtype=torch.double)
    assert network(constant, 2).abs().max() < 1e-12


def test_a_trunk_runs_only_the_tail_it_is_asked_for():
    network = tiny_network("trunk")
    network(image(), 3).sum().backward()
    graded = {n for n, p in network.named_parameters() if p.grad is not None}
    assert "tails.x3.0.weight" in graded
    assert not any(name.startswith("tails.x2") for name in graded)


@pytest.mark.parametrize(("width", "depth"), [(4, 3), (4, -2), (0, 2)])
def test_a_trunk_of_an_impossible_size_is_refused(width: int, depth: int):
    with pytest.raises(SettingsError, match=f"width {width} and depth {depth}"):
        Trunk(width, depth)


def test_normalisation_does_not_depend_on_the_batch():
    """An image's result is the same in every batch, in training and in inference."""
    layer = FixedBatchNorm(1).train()
    layer.settle(0.4, 0.09)
    alone = layer(image()[:1])
    assert torch.equal(
        alone, layer(image() * torch.tensor([1, 9]).view(2, 1, 1, 1))[:1]
    )
    assert torch.allclose(alone, (image()[:1] - 0.4) / (0.09 + layer.eps) ** 0.5)


def test_normalisation_keeps_the_statistics_it_was_given():
    layer = FixedBatchNorm(1).train()
    layer.settle(0.4, 0.09)
    layer(image())
    assert float(layer.get_buffer("running_mean")) == pytest.approx(0.4)


def test_an_unknown_network_is_named():
    spec = dataclasses.replace(tiny_spec(), network="unet")
    with pytest.raises(SettingsError, match=r"'unet'; expected one of hydra"):
        build(spec)


def test_a_setting_that_a_network_does_not_have_is_named():
    spec = dataclasses.replace(tiny_spec("hydra"), settings={"width": 4})
    with pytest.raises(SettingsError, match="does not take width"):
        build(spec)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_loaded_network_computes_what_the_saved_one_did(name: str, tmp_path: Path):
    saved = tiny_network(name)
    loaded = load_network(tiny_model(tmp_path, name))
    assert not loaded.training
    assert torch.equal(loaded(image(), 2), saved(image(), 2))


def test_weights_of_another_network_are_refused(tmp_path: Path):
    model = tiny_model(tmp_path, "trunk")
    spec = dataclasses.replace(model.spec, settings={"width": 8, "depth": 2})
    with pytest.raises(ModelError, match="does not hold the weights"):
        load_network(dataclasses.replace(model, spec=spec))


def test_damaged_weights_are_refused(tmp_path: Path):
    model = tiny_model(tmp_path)
    model.safetensors.write_bytes(b"\xff" * 64)
    with pytest.raises(ModelError, match=r"tiny\.safetensors has SHA-256.* altered"):
        load_network(model)
    spec = dataclasses.replace(model.spec, safetensors_sha256="")
    with pytest.raises(ModelError, match=r"tiny\.safetensors is not a safetensors"):
        load_network(dataclasses.replace(model, spec=spec))
