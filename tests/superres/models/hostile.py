"""Weights files that nobody should load, each made from a good one by one change."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Change = Callable[[onnx.ModelProto], None]


def external_data(model: onnx.ModelProto) -> None:
    """Have the first constant in another file."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "/etc/passwd", "offset": "0"}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def external_by_entry_alone(model: onnx.ModelProto) -> None:
    """Name another file, but call the constant's location the usual."""
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "../../secret.bin"


def behind(*nodes: onnx.NodeProto) -> Change:
    """Compute something more of the image: nodes from `image` to `seen`."""

    def change(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.input[:] = ["seen" if i == "image" else i for i in node.input]
        for number, node in enumerate(nodes):
            model.graph.node.insert(number, node)

    return change


def node(kind: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, [*inputs], ["seen"], **attributes)


def large_constant(model: onnx.ModelProto) -> None:
    """10 GB out of eight bytes."""
    shape = numpy_helper.from_array(np.array([50_000, 50_000]), "side")
    model.graph.initializer.append(shape)
    made = helper.make_node("ConstantOfShape", ["side"], ["large"])
    total = helper.make_node("ReduceMax", ["large"], ["most"], keepdims=0)
    behind(made, total, node("Add", "image", "most"))(model)


def stated_constant(model: onnx.ModelProto) -> None:
    """10 GB that are stated and not there."""
    model.graph.initializer[-1].dims[:] = [50_000, 50_000, 1, 1]


def overflowing_constant(model: onnx.ModelProto) -> None:
    model.graph.initializer[-1].dims[:] = [2**32, 2**32, 1, 1]


def negative_constant(model: onnx.ModelProto) -> None:
    dims = model.graph.initializer[-1].dims
    dims[:] = [-d for d in dims]


def unknown_type(model: onnx.ModelProto) -> None:
    model.graph.initializer[-1].data_type = 99


def large_pads(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.name.endswith("pads"):
            pads = np.array([0, 0, 9**6, 9**6, 0, 0, 9**6, 9**6])
            tensor.CopyFrom(numpy_helper.from_array(pads, tensor.name))


def large_convolution_pads(model: onnx.ModelProto) -> None:
    pads(model, [9**6] * 4)


def pads(model: onnx.ModelProto, values: list[int]) -> None:
    for each in model.graph.node:
        for attribute in each.attribute:
            if attribute.name == "pads" and each.op_type == "Conv":
                attribute.ints[:] = values


def wide_layer(model: onnx.ModelProto) -> None:
    """A million channels of one pixel's kernel: 4 MB that become 4 MB a pixel."""
    many = np.zeros((10**6, 1, 1, 1), np.float32)
    back = np.zeros((1, 10**6, 1, 1), np.float32)
    for name, values in (("many", many), ("back", back)):
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    out = helper.make_node("Conv", ["image", "many"], ["wide"])
    behind(out, node("Conv", "wide", "back"))(model)


def custom_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    behind(helper.make_node("Evil", ["image"], ["seen"], domain="com.example"))(model)


def own_function(model: onnx.ModelProto) -> None:
    body = [helper.make_node("Relu", ["x"], ["y"])]
    opsets = [helper.make_opsetid("", 17)]
    model.opset_import.append(helper.make_opsetid("mine", 1))
    made = helper.make_function("mine", "Twice", ["x"], ["y"], body, opsets)
    model.functions.append(made)


def subgraph_of_its_own(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    behind(node("If", "image", then_branch=body, else_branch=body))(model)


def graph_in_an_attribute(model: onnx.ModelProto) -> None:
    body = helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "g", [], [])
    model.graph.node[-1].attribute.append(helper.make_attribute("body", body))


def another_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", 1, ["N"]))


def no_output(model: onnx.ModelProto) -> None:
    del model.graph.output[:]


def another_size(model: onnx.ModelProto) -> None:
    for each in model.graph.node:
        if each.op_type == "DepthToSpace":
            each.op_type = "Relu"
            del each.attribute[:]


def cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.output[0].name


CHANGES: dict[str, Change] = {
    "external data": external_data,
    "external data by the entry alone": external_by_entry_alone,
    "a constant of 10 GB, computed": large_constant,
    "a constant of 10 GB, stated": stated_constant,
    "a constant larger than memory": overflowing_constant,
    "a constant of negative size": negative_constant,
    "a constant of an unknown type": unknown_type,
    "a border of 500,000 pixels": large_pads,
    "a convolution's border of as many": large_convolution_pads,
    "a layer of a million channels": wide_layer,
    "an operator of another domain": custom_domain,
    "a function of its own": own_function,
    "a branch": subgraph_of_its_own,
    "a graph in an attribute": graph_in_an_attribute,
    "a constant in an attribute": behind(
        node("Constant", value=numpy_helper.from_array(np.zeros(3, np.float32)))
    ),
    "a loop": behind(
        node("Loop", "image", "image", "image", body=helper.make_graph([], "b", [], []))
    ),
    "an operator of ONNX that none of ours has": behind(node("Sigmoid", "image")),
    "repetition": behind(node("Tile", "image", "image")),
    "another input": another_input,
    "no output": no_output,
    "an output of another size": another_size,
    "a cycle": cycle,
}


def many_empty_nodes(content: bytes) -> bytes:
    """32 MB of empty nodes, in the graph; parsed they would be gigabytes."""
    body = bytes([0x0A, 0]) * 2**24
    length, rest = b"", len(body)
    while rest > 127:
        length += bytes([rest & 127 | 128])
        rest >>= 7
    # Another field 7 is merged with the first.
    return content + bytes([0x3A]) + length + bytes([rest]) + body


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "half": lambda content: content[: len(content) // 2],
    "text": lambda _: b"hello " * 1000,
    "zeros": lambda _: bytes(10**6),
    "ones": lambda _: b"\xff" * 10**6,
    "a pickle": lambda _: pickle.dumps({"weight": [1.0] * 99}, 4),
    "an archive": lambda _: b"PK\3\4" + bytes(1000),
    "many empty nodes": many_empty_nodes,
    "an endless varint": lambda content: content + b"\x3a" + b"\x80" * 100,
    "a field beyond the end": lambda content: content + b"\x3a\xff\xff\xff\x7f",
}


KINDS = [*CHANGES, *BYTES]


def a_file(kind: str, good: Path, folder: Path) -> Path:
    """Write a file of a kind, named as `good` is, into a folder of its own."""
    if kind in CHANGES:
        model = onnx.load(good)
        CHANGES[kind](model)
        content = model.SerializeToString()
    else:
        content = BYTES[kind](good.read_bytes())
    path = folder / kind.replace(" ", "-").replace(",", "") / good.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path
