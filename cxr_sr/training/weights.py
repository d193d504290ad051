"""Write a trained network as safetensors and ONNX files, for any engine."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from torch import Tensor, nn

from cxr_sr.files import sha256_of, write_bytes
from cxr_sr.superres.models.networks import Network, Trunk
from cxr_sr.superres.models.spec import METADATA_KEY, ModelSpec
from cxr_sr.superres.models.zoo import Model
from cxr_sr.training.int8_graph import write_int8
from cxr_sr.training.onnx import check_graph, write_graph
from cxr_sr.training.quantise import QuantisedTrunk


def write_weights(network: Network, spec: ModelSpec, folder: Path) -> Model:
    """Write `spec.name`.safetensors and .onnx into `folder`, and check the ONNX file.

    Parameters
    ----------
    network : network with its final weights
    spec : its specification; this function adds grid, radius and parameters
    folder : an existing folder

    Returns
    -------
    The model; its specification has the SHA-256 of both files.

    Raises
    ------
    ModelError
        If a layer has no ONNX form here, or the graph does not give the results of
        torch.
    """
    spec = dataclasses.replace(
        spec,
        grid=network.grid,
        radius_px=network.radius_px,
        parameters=sum(p.numel() for p in network.parameters()),
    )
    model = Model(spec, folder / f"{spec.name}.onnx")
    properties = {METADATA_KEY: spec.to_json()}
    write_safetensors(network, properties, model.safetensors)
    residuals = _Residuals(network.eval())
    planes = network.inputs, network.channels
    write_graph(residuals, planes, properties, model.onnx)
    check_graph(residuals, (2, network.inputs, 24, 31), model.onnx)
    hashes = sha256_of(model.onnx), sha256_of(model.safetensors)
    spec = dataclasses.replace(spec, sha256=hashes[0], safetensors_sha256=hashes[1])
    return Model(spec, model.onnx)


def write_int8_weights(
    trunk: QuantisedTrunk, plain: Network, spec: ModelSpec, folder: Path
) -> Model:
    """Write a trunk as `write_weights` does, and `spec.name`.int8.onnx beside it.

    Parameters
    ----------
    trunk : trunk with its final weights and ranges
    plain : the same trunk without rounding
    spec, folder : see `write_weights`

    Raises
    ------
    ModelError
        For the same reasons as `write_weights`.
    """
    model = write_weights(plain, spec, folder)
    write_int8(trunk, model.onnx, model.int8)
    spec = dataclasses.replace(model.spec, int8_sha256=sha256_of(model.int8))
    return Model(spec, model.onnx)


def write_safetensors(
    network: nn.Module, properties: dict[str, str], path: Path
) -> None:
    """Write all weights of a network, with metadata."""
    from safetensors.torch import save

    state = {k: v.contiguous() for k, v in network.state_dict().items()}
    write_bytes(path, save(state, metadata=properties))


class _Residuals(nn.Module):
    """A function of the image that returns the residuals of all scales."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        trunk = isinstance(network, Trunk)
        self.names = [f"x{s}" for s in network.scales] if trunk else ["residual"]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the residual of each output in `names`."""
        if not isinstance(self.network, Trunk):
            return (self.network(image, 1),)
        features = self.network.features(image)
        return tuple(self.network.tails[name](features) for name in self.names)
