"""Write a network as an ONNX graph, operator by operator, and compare it with torch.

The graph is short, and its bytes are the same every time. Torch's own exporter also
writes stack traces and paths of this machine.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, fx, nn

from cxr_sr.errors import ModelError
from cxr_sr.files import write_bytes
from cxr_sr.superres.engines.telemetry import cpu_session
from cxr_sr.superres.models.layers import (
    FixedBatchNorm,
    FullPrecision,
    ZeroSumConvolution,
)

if TYPE_CHECKING:
    import onnx

OPSET = 17
IR_VERSION = 8
"""The IR version of opset 17 (ONNX 1.12, 2022), which older runtimes can load."""
TOLERANCE = 1e-4
"""Largest allowed difference between the written graph and torch, in units."""


class Outputs(Protocol):
    """A function of an image; its outputs have names."""

    names: list[str]

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs in the order of `names`."""
        ...


def write_graph(
    whole: Outputs, planes: tuple[int, int], properties: dict[str, str], path: Path
) -> None:
    """Write a module as an ONNX graph with one input, `image` (N, C, H, W).

    Parameters
    ----------
    whole : a module; all its layers are in `LAYERS` or `FUNCTIONS`
    planes : number of channels of the input, and of each output
    properties : metadata of the file

    Raises
    ------
    ModelError
        If a layer is in neither table.
    """
    import onnx
    from onnx import helper

    nodes, weights, outputs = _graph_of(whole)
    graph = helper.make_graph(
        nodes,
        path.stem,
        [_value("image", [planes[0], "H", "W"])],
        [_value(n, [planes[1], f"{n}_H", f"{n}_W"]) for n in outputs],
        weights,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="cxr-sr"
    )
    helper.set_model_props(model, properties)
    onnx.checker.check_model(model, full_check=True)
    write_bytes(path, model.SerializeToString(deterministic=True))


class _Tracer(fx.Tracer):
    """A tracer that does not enter layers with an ONNX operator of their own."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        """Tell whether `module` has an ONNX operator of its own."""
        return type(module) in LAYERS or super().is_leaf_module(module, qualified_name)


def _graph_of(
    whole: Outputs,
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto], list[str]]:
    """Return operators, weights and output names of a network."""
    from onnx import helper, numpy_helper

    nodes, weights = [], []
    module = cast("nn.Module", whole)
    traced = _Tracer().trace(module)
    (result,) = next(n for n in traced.nodes if n.op == "output").args
    names = {node.name: name for node, name in zip(result, whole.names, strict=True)}
    for node in traced.nodes:
        if node.op not in ("call_module", "call_function"):
            continue
        operation = _operation(node, module)
        inputs = [names.get(i.name, i.name) for i in node.all_input_nodes]
        for part, tensor in operation.weights.items():
            inputs.append(f"{node.target}.{part}")
            values = np.ascontiguousarray(tensor.detach().cpu().numpy())
            weights.append(numpy_helper.from_array(values, inputs[-1]))
        output = names.get(node.name, node.name)
        nodes.append(
            helper.make_node(
                operation.kind, inputs, [output], node.name, **operation.attributes
            )
        )
    return nodes, weights, whole.names


@dataclasses.dataclass(frozen=True)
class _Operation:
    """One ONNX operator without its inputs."""

    kind: str
    weights: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    attributes: dict[str, Any] = dataclasses.field(default_factory=dict)


def _operation(node: fx.Node, whole: nn.Module) -> _Operation:
    if node.op == "call_module":
        layer = whole.get_submodule(str(node.target))
        if type(layer) in LAYERS:
            return LAYERS[type(layer)](layer)
    elif node.target in FUNCTIONS:
        return _Operation(FUNCTIONS[node.target])
    raise ModelError(
        f"the network's {node.target} has no ONNX form; add it to LAYERS or FUNCTIONS "
        "of cxr_sr.training.onnx"
    )


def _convolution(layer: nn.Conv2d) -> _Operation:
    kernel = layer.kernel if isinstance(layer, ZeroSumConvolution) else layer.weight
    weights = {"weight": kernel}
    if layer.bias is not None:
        weights["bias"] = layer.bias
    down, across = (int(p) for p in layer.padding)
    attributes = {
        "kernel_shape": list(layer.kernel_size),
        "dilations": list(layer.dilation),
        "group": layer.groups,
        "pads": [down, across, down, across],
    }
    if layer.stride != (1, 1):
        attributes["strides"] = list(layer.stride)
    return _Operation("Conv", weights, attributes)


def _normalisation(layer: nn.BatchNorm2d) -> _Operation:
    names = ("weight", "bias", "running_mean", "running_var")
    weights = {name: getattr(layer, name) for name in names}
    return _Operation("BatchNormalization", weights, {"epsilon": layer.eps})


def _border(layer: nn.ReplicationPad2d) -> _Operation:
    left, right, top, bottom = layer.padding
    pads = torch.tensor([0, 0, top, left, 0, 0, bottom, right])
    return _Operation("Pad", {"pads": pads}, {"mode": "edge"})


def _shuffle(layer: nn.PixelShuffle) -> _Operation:
    attributes = {"blocksize": layer.upscale_factor, "mode": "CRD"}
    return _Operation("DepthToSpace", {}, attributes)


LAYERS: dict[type[nn.Module], Callable[[Any], _Operation]] = {
    nn.Conv2d: _convolution,
    FullPrecision: _convolution,
    ZeroSumConvolution: _convolution,
    nn.ReplicationPad2d: _border,
    nn.ReLU: lambda _: _Operation("Relu"),
    nn.PixelShuffle: _shuffle,
    FixedBatchNorm: _normalisation,
    nn.BatchNorm2d: _normalisation,
}
FUNCTIONS: dict[Any, str] = {operator.add: "Add", torch.relu: "Relu"}


def _value(name: str, sides: list[int | str]) -> onnx.ValueInfoProto:
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *sides])


def check_graph(
    whole: Outputs, shape: tuple[int, ...], path: Path, tolerance: float = TOLERANCE
) -> None:
    """Compare the outputs of a written graph with those of torch on noise.

    Parameters
    ----------
    shape : (N, C, H, W) of the noise

    Raises
    ------
    ModelError
        If they differ by more than `tolerance`.
    """
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    found = cpu_session(path).run(None, {"image": image.numpy()})
    with torch.inference_mode():
        expected = whole(image)
    for name, a, b in zip(whole.names, found, expected, strict=True):
        error = float(np.abs(a - b.numpy()).max())
        if not error <= tolerance:
            raise ModelError(
                f"{path.name}: output {name} differs from torch by {error:.2g}, more "
                f"than {tolerance}; the weights are not usable"
            )
