"""Prepare the start of a training: weights, teacher, and device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from cxr_sr.errors import TrainingError
from cxr_sr.names import TrainingDevice
from cxr_sr.superres.models.layers import FixedBatchNorm, Pair
from cxr_sr.superres.models.networks import Network, load_network
from cxr_sr.superres.models.zoo import load_model, refuse_pickle
from cxr_sr.training.data.images import TrainingImage


def settle_normalisation(network: Network, images: Sequence[TrainingImage]) -> None:
    """Give batch normalisation the mean and variance of all pixels of the data."""
    layers = [m for m in network.modules() if isinstance(m, FixedBatchNorm)]
    if not layers:
        return
    whole = [i.crop((0, 0), i.sides) for i in images]
    means = torch.tensor([float(i.mean()) for i in whole])
    variances = torch.tensor([float(i.var()) for i in whole])
    for layer in layers:
        layer.settle(
            float(means.mean()), float(variances.mean() + means.var(correction=0))
        )


def start_from(network: Network, weights: Path) -> None:
    """Copy those weights of a file that fit.

    So a trunk for x2 can start a trunk for all scales, and a small trunk can start a
    large trunk. At first, the large trunk gives the same results as the small trunk:
    the first outputs of a wider layer have the given weights and ignore the new inputs,
    and additional pairs of layers add nothing.

    Raises
    ------
    TrainingError
        If the file is unreadable, or none of its weights fits.
    ModelError
        If the file is a pickle.

    References
    ----------
    T. Chen, I. Goodfellow, J. Shlens, "Net2Net", ICLR 2016: wider and deeper networks
    that start without loss.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    own = network.state_dict()
    refuse_pickle(weights)
    try:
        given = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{weights.name} is no readable safetensors file; give weights that "
            "`cxr-sr train` wrote"
        ) from error
    fitting = {k: _grown(given[k], own[k]) for k in own if _fits(given.get(k), own[k])}
    if not fitting:
        raise TrainingError(
            f"no weight of {weights.name} fits this network; give weights of the same "
            "network, neither wider nor deeper than it"
        )
    network.load_state_dict(fitting, strict=False)
    for name, layer in network.named_modules():
        if isinstance(layer, Pair) and f"{name}.second.weight" not in fitting:
            nn.init.zeros_(layer.second.weight)


def teacher_for(network: Network, name_or_file: str) -> Network:
    """Return the network of a trained model, as a teacher for `network`.

    Raises
    ------
    TrainingError
        If the model has no weights, lacks a scale, or has other channels.
    ModelError
        If no model has the given name.
    """
    model = load_model(name_or_file)
    spec = model.spec
    if not spec.learned:
        raise TrainingError(f"{spec.name} has nothing to teach; give a trained model")
    if spec.channels != network.channels or not set(network.scales) <= set(spec.scales):
        raise TrainingError(
            f"{spec.name} enlarges {spec.channels} channel(s) by {spec.scales}, and "
            f"cannot teach a network of {network.channels} to do so by "
            f"{network.scales}; give another teacher, or fewer --scales"
        )
    return load_network(model)


def _fits(given: Tensor | None, own: Tensor) -> bool:
    if given is None or given.ndim != own.ndim or given.shape[2:] != own.shape[2:]:
        return False
    return all(a <= b for a, b in zip(given.shape, own.shape, strict=True))


def _grown(given: Tensor, own: Tensor) -> Tensor:
    if given.shape == own.shape:
        return given
    grown = own.clone()
    outputs, inputs = given.shape[0], given.shape[1:2]
    grown[:outputs] = 0
    grown[:outputs, *(slice(n) for n in inputs)] = given
    return grown


def accelerator_of(device: TrainingDevice) -> str:
    """Return cpu or cuda for a requested device.

    Raises
    ------
    TrainingError
        If cuda is requested, but torch finds no CUDA device.
    """
    found = torch.cuda.is_available()
    if device == "cuda" and not found:
        raise TrainingError(
            f"--device cuda: torch {torch.__version__} finds no CUDA device here; give "
            "--device cpu or auto, or install a torch that was built for CUDA"
        )
    return "cuda" if found and device != "cpu" else "cpu"
