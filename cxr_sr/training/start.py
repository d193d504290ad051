"""What a network starts from, besides chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from cxr_sr.errors import TrainingError
from cxr_sr.superres.networks import FixedBatchNorm, Network
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


def start_from(network: Network, weights: Path) -> None:
    """Take over the weights of a file, wherever name and shape agree.

    So a trunk trained for x2 starts a trunk for all scales.

    Raises
    ------
    TrainingError
        If the file is unreadable, or none of its weights fits.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    own = network.state_dict()
    try:
        given = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{weights.name} is no readable safetensors file; give weights that "
            "`cxr-sr train` wrote"
        ) from error
    fitting = {k: v for k, v in given.items() if k in own and v.shape == own[k].shape}
    if not fitting:
        raise TrainingError(
            f"no weight of {weights.name} fits this network; give weights of the same "
            "network, width and depth"
        )
    network.load_state_dict(fitting, strict=False)
