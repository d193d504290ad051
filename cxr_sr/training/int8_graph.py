"""Write a quantised trunk as an ONNX graph with int8 convolutions (QDQ)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxr_sr.errors import ModelError
from cxr_sr.files import write_bytes
from cxr_sr.superres.engines.telemetry import cpu_session
from cxr_sr.superres.int8.gain import USUAL_CONTRAST
from cxr_sr.training.quantise import (
    SIGNED,
    UNSIGNED,
    QuantisedTrunk,
    Rounding,
    steps_of,
)

if TYPE_CHECKING:
    import onnx

TOLERANCE = 0.04
"""Largest allowed difference between graph and torch, as a share of the range."""
CHECKED_IMAGES = 8
"""Number of noise images; the graph must agree with torch on at least one of them."""


def write_int8(trunk: QuantisedTrunk, source: Path, target: Path) -> None:
    """Rewrite the float32 graph of the same weights as a QDQ graph.

    Parameters
    ----------
    trunk : with its final weights and ranges
    source : the ONNX file that `write_weights` wrote of these weights
    target : the file to write

    Raises
    ------
    ModelError
        If the written graph does not give the results of torch.
    """
    import onnx

    model = onnx.load(source)
    writer = _QdqWriter(model.graph)
    for node in list(model.graph.node):
        if node.op_type == "Conv" and node.input[1] in trunk.roundings:
            weights = trunk.get_parameter(node.input[1].removeprefix("network."))
            rounding = trunk.roundings[node.input[1]]
            writer.round(node.input[0], rounding)
            writer.store(node.input[1], weights)
    writer.rewire()
    onnx.checker.check_model(model, full_check=True)
    write_bytes(target, model.SerializeToString(deterministic=True))
    _check(trunk, target)


def _check(trunk: QuantisedTrunk, path: Path) -> None:
    """Compare the written graph with torch on noise of half the usual contrast.

    Processors without VNNI add products in 16 bits; stronger noise would overflow. A
    sum halfway between two codes may be rounded up or down; then the following layers
    differ by rounding noise. A correct graph agrees on an image without such sums, a
    wrong graph on no image.
    """
    session = cpu_session(path)
    errors = []
    for seed in range(CHECKED_IMAGES):
        random = torch.Generator().manual_seed(seed)
        image = torch.rand(1, trunk.inputs, 24, 31, generator=random)
        image *= USUAL_CONTRAST * 1.5  # a third is the mean step of such noise
        found = session.run(None, {"image": image.numpy()})
        errors.append(_worst(trunk, image, found))
        if errors[-1] <= TOLERANCE:
            return
    raise ModelError(
        f"{path.name}: its output differs from torch by at least {min(errors):.2g} of "
        f"its range, more than {TOLERANCE}; the weights are not usable"
    )


def _worst(trunk: QuantisedTrunk, image: Tensor, found: list[NDArray[Any]]) -> float:
    """Return the largest difference at any scale, as a share of the range there."""
    shares = []
    for scale, residual in zip(trunk.scales, found, strict=True):
        with torch.inference_mode():
            expected = trunk.eval()(image, scale).numpy()
        difference = np.abs(residual - expected).max() / np.abs(expected).max()
        shares.append(float(np.nan_to_num(difference, nan=np.inf)))
    return max(shares)


class _QdqWriter:
    """Inserts pairs of QuantizeLinear and DequantizeLinear into a graph, in order."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.rounded: dict[str, list[onnx.NodeProto]] = {}
        self.stored: list[onnx.NodeProto] = []

    def round(self, name: str, rounding: Rounding) -> None:
        """Record the two nodes that round the tensor `name`."""
        from onnx import helper

        kind = np.uint8 if rounding.codes == UNSIGNED else np.int8
        grid = [f"{name}.step", f"{name}.zero"]
        self._constant(grid[0], rounding.step.numpy())
        self._constant(grid[1], np.zeros((), kind))
        self.rounded[name] = [
            helper.make_node("QuantizeLinear", [name, *grid], [f"{name}.codes"]),
            helper.make_node(
                "DequantizeLinear", [f"{name}.codes", *grid], [f"{name}.rounded"]
            ),
        ]

    def store(self, name: str, weights: Tensor) -> None:
        """Replace float32 weights by codes and a node that restores them by name."""
        from onnx import helper

        old = next(w for w in self.graph.initializer if w.name == name)
        self.graph.initializer.remove(old)
        steps = steps_of(weights)
        codes = (weights.detach() / steps[:, None, None, None]).round()
        inputs = [f"{name}.codes", f"{name}.step", f"{name}.zero"]
        self._constant(inputs[0], codes.clamp(*SIGNED).to(torch.int8).numpy())
        self._constant(inputs[1], steps.numpy())
        self._constant(inputs[2], np.zeros(len(steps), np.int8))
        self.stored.append(helper.make_node("DequantizeLinear", inputs, [name], axis=0))

    def rewire(self) -> None:
        """Put the nodes in order; convolutions and sums of pairs read rounded inputs.

        The last sum, before the tails, stays in float32.
        """
        old = list(self.graph.node)
        sums = [node.output[0] for node in old if node.op_type == "Add"]
        del self.graph.node[:]
        self.graph.node.extend(self.stored)
        for node in old:
            if node.op_type == "Conv" or node.output[0] in sums[:-1]:
                node.input[:] = [
                    f"{i}.rounded" if i in self.rounded else i for i in node.input
                ]
            self.graph.node.append(node)
            for name in node.output:
                self.graph.node.extend(self.rounded.get(name, []))

    def _constant(self, name: str, values: NDArray[Any]) -> None:
        from onnx import numpy_helper

        self.graph.initializer.append(numpy_helper.from_array(values, name))
