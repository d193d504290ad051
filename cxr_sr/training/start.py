"""What a network starts from, besides chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from cxr_sr.errors import TrainingError
from cxr_sr.superres.layers import FixedBatchNorm
from cxr_sr.superres.networks import Network
from cxr_sr.training.index import Image


def settle_normalisation(network: Network, images: Sequence[Image]) -> None:
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


def start_from(network: Network, files: Sequence[Path]) -> None:
    """Take over the weights of a file, as far as they fit; of several files the mean.

    So a trunk trained for x2 starts a trunk for all scales, and a narrow trunk a wide
    one: a wider layer's first outputs are the given ones and do not see its new
    inputs, so that the wide trunk starts with the narrow one's results. The mean is of
    those files that have a layer; it is good for runs that went apart from the same
    weights, and nonsense for others.

    Raises
    ------
    TrainingError
        If a file is unreadable, none of its weights fits, or a layer differs in shape
        from that of another file.

    References
    ----------
    T. Chen, I. Goodfellow, J. Shlens, "Net2Net", ICLR 2016: widening without loss.
    M. Wortsman et al., "Model soups", ICML 2022: the mean of several runs.
    """
    own = network.state_dict()
    taken: dict[str, list[Tensor]] = {}
    for file in files:
        given = _read(file)
        fitting = [name for name in own if _fits(given.get(name), own[name])]
        if not fitting:
            raise TrainingError(
                f"no weight of {file.name} fits this network; give weights of the same "
                "network, neither wider nor deeper than it"
            )
        for name in fitting:
            others = taken.setdefault(name, [])
            if others and others[0].shape != given[name].shape:
                raise TrainingError(
                    f"{name} of {file.name} has the shape {tuple(given[name].shape)}, "
                    f"in the file before it {tuple(others[0].shape)}; the mean needs "
                    "weights of one network"
                )
            others.append(given[name])
    means = {
        name: _grown(torch.stack(tensors).mean(0), own[name])
        for name, tensors in taken.items()
    }
    network.load_state_dict(means, strict=False)


def _read(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{file.name} is no readable safetensors file; give weights that "
            "`cxr-sr train` wrote"
        ) from error


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
