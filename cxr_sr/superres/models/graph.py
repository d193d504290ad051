"""An ONNX graph that has only the operators of our networks.

Anybody may have written a weights file. So each graph is checked before a runtime reads
it: its operators are known, its constants lie inside the file, and it has so few values
for each pixel that a tile fits into memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from cxr_sr.errors import ModelError

if TYPE_CHECKING:
    import onnx

MOST_STRUCTURE_BYTES = 2**21
"""Most bytes of an ONNX file without the values of its constants, or of a safetensors
header. Parsing may need a hundred bytes of memory for each."""
MOST_FIELDS = 100_000
"""Most fields of one message in an ONNX file: nodes and constants of a graph."""
OPERATORS = frozenset(
    {
        *("Add", "BatchNormalization", "Clip", "Conv", "DepthToSpace", "Pad", "Relu"),
        *("DequantizeLinear", "QuantizeLinear"),
    }
)
"""The operators that `training.onnx` and `training.quantise` write. None of them makes
a constant larger."""
WIDEST_KERNEL = 15
NOT_COUNTED = frozenset({"Clip", "DequantizeLinear", "QuantizeLinear"})
"""They change a value in its place, or become part of a convolution."""
IN_PLACE = NOT_COUNTED | {"BatchNormalization", "Relu"}
"""Their result may take the place of their input."""
MOST_FLOATS = 50_000
"""Values of all layers together for one pixel of the input; `fine` has 2,600."""
PROBE_PX = 64
"""Side of the image by which the values are counted."""

LENGTH_DELIMITED, VARINT, SKIPPED = 2, 0, {1: 8, 5: 4}
GRAPH, INITIALIZER, RAW_DATA = 7, 5, 9
"""Numbers of the fields in onnx.proto."""


@dataclass(frozen=True)
class Footprint:
    """The parts of a network that need memory."""

    weights_bytes: int = 0
    """Size of its weights."""
    floats_per_px: float = 0.0
    """Values of all layers together for one pixel of the input image."""
    live_floats_per_px: float = 0.0
    """The most of these values that are needed at one time."""


@dataclass(frozen=True)
class Subgraph:
    """The part of a graph that computes one output, ready for a runtime."""

    content: bytes
    """A serialised ONNX model."""
    footprint: Footprint


def parse(content: bytes, name: str) -> onnx.ModelProto:
    """Return an ONNX file, parsed.

    Parameters
    ----------
    name : the file's, for messages

    Raises
    ------
    ModelError
        If it is not an ONNX file, or would take far more memory than disk.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        structure = len(content) - _bytes_of_constants(content)
        if structure > MOST_STRUCTURE_BYTES:
            raise refusal(name, f"{structure >> 20} MiB of it are no constants")
        model = onnx.ModelProto()
        model.ParseFromString(content)
    except (DecodeError, ValueError, IndexError) as error:
        raise ModelError(
            f"{name} is not an ONNX file, or a damaged one; expected weights that "
            "`cxr-sr train` wrote"
        ) from error
    return model


def subgraph(
    model: onnx.ModelProto,
    name: str,
    output: str,
    planes: tuple[int, int],
    factor: int,
) -> Subgraph:
    """Return the part of a graph that computes an output, checked.

    A network of several scales has a tail for each; a runtime would compute all.

    Parameters
    ----------
    name : the file's, for messages
    output : name of the output; ignored where there is only one
    planes : of the input, and of the output
    factor : the output's rows by the image's

    Raises
    ------
    ModelError
        If it holds anything but the operators and constants of our networks, or its
        output has another size.
    """
    outputs = [o for o in model.graph.output if o.name == output]
    if len(model.graph.output) == 1:
        outputs = list(model.graph.output)
    if len(outputs) != 1 or [i.name for i in model.graph.input] != ["image"]:
        raise refusal(name, f"it has no output {output!r} of one input 'image'")
    if model.functions or any(
        o.domain not in {"", "ai.onnx"} for o in model.opset_import
    ):
        raise refusal(name, "it uses operators that are not of ONNX itself")
    for node in model.graph.node:
        _check_operator(node, name)
    for tensor in model.graph.initializer:
        check_constant(tensor, name)
    part = _reduced(model, outputs[0])
    content = part.SerializeToString()
    known = _shapes_known(part, name, planes, factor)
    total, live = _floats(known, name)
    return Subgraph(content, Footprint(len(content), total, live))


def refusal(name: str, found: str) -> ModelError:
    """Return the error for a file that `cxr-sr train` did not write."""
    return ModelError(
        f"{name} is refused: {found}; expected weights that `cxr-sr train` wrote"
    )


def _reduced(model: onnx.ModelProto, output: onnx.ValueInfoProto) -> onnx.ModelProto:
    """Return a copy with the nodes that one output needs, in the order of their use."""
    import onnx

    needed, nodes = {output.name}, []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    graph = onnx.helper.make_graph(
        nodes[::-1],
        "weights",
        list(model.graph.input),
        [output],
        [tensor for tensor in model.graph.initializer if tensor.name in needed],
    )
    part = onnx.ModelProto(ir_version=model.ir_version, graph=graph)
    part.opset_import.extend(model.opset_import)
    return part


def _check_operator(node: onnx.NodeProto, name: str) -> None:
    if node.op_type not in OPERATORS or node.domain not in {"", "ai.onnx"}:
        raise refusal(name, "it uses an operator that none of our networks has")
    for attribute in node.attribute:
        if attribute.name == "kernel_shape" and max(attribute.ints) > WIDEST_KERNEL:
            raise refusal(name, f"a kernel has more than {WIDEST_KERNEL} pixels a side")
        if attribute.g.ByteSize() or attribute.graphs or attribute.t.ByteSize():
            raise refusal(name, "an operator holds a graph or a constant of its own")


def check_constant(tensor: onnx.TensorProto, name: str) -> None:
    """Refuse a constant that is not in the file as the bytes of its values.

    Raises
    ------
    ModelError
    """
    import onnx

    if tensor.external_data or tensor.data_location != onnx.TensorProto.DEFAULT:
        raise refusal(name, "its constants lie in another file")
    try:
        width = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except KeyError:
        width = 0
    stated = prod(tensor.dims) * width
    if min(tensor.dims, default=0) < 0 or not stated == len(tensor.raw_data) > 0:
        raise refusal(name, "a constant states another size than it has")


def _shapes_known(
    part: onnx.ModelProto, name: str, planes: tuple[int, int], factor: int
) -> onnx.GraphProto:
    """Return a graph with the shapes of all its values for a small image."""
    import onnx

    probe = onnx.ModelProto()
    probe.CopyFrom(part)
    for value, sides in (
        (probe.graph.input[0], (planes[0], PROBE_PX, PROBE_PX)),
        (probe.graph.output[0], (planes[1], factor * PROBE_PX, factor * PROBE_PX)),
    ):
        shape = value.type.tensor_type.shape
        del shape.dim[:]
        shape.dim.extend(
            onnx.TensorShapeProto.Dimension(dim_value=side) for side in (1, *sides)
        )
    try:
        return onnx.shape_inference.infer_shapes(probe, strict_mode=True).graph
    except Exception as error:
        raise refusal(name, "its layers do not fit one another") from error


def _floats(known: onnx.GraphProto, name: str) -> tuple[float, float]:
    """Return how many values there are for a pixel: in all, and at most at a time."""
    values = [*known.value_info, *known.input, *known.output]
    sizes = {v.name: _size(v) for v in values}
    constants = {tensor.name for tensor in known.initializer}
    # A value is needed until the last node that reads it.
    last = {i: n for n, node in enumerate(known.node) for i in node.input}
    live = most = sizes[known.input[0].name]
    total = 0
    for number, node in enumerate(known.node):
        # A value that is computed from constants alone has no pixels.
        if constants.issuperset(node.input):
            constants.update(node.output)
            continue
        made = sum(sizes.get(output, MOST_FLOATS) for output in node.output)
        read = {i for i in node.input if i not in constants and last[i] == number}
        total += 0 if node.op_type in NOT_COUNTED else made
        most = max(most, live + (0 if node.op_type in IN_PLACE else made))
        live += made - sum(sizes.get(i, 0) for i in read)
    if not 0 < total <= MOST_FLOATS * PROBE_PX**2:
        raise refusal(name, "its layers would take more memory than a network of ours")
    return total / PROBE_PX**2, most / PROBE_PX**2


def _size(value: onnx.ValueInfoProto) -> int:
    """Return the number of values of a tensor; a side that is unknown is endless."""
    sides = value.type.tensor_type.shape.dim
    return prod(side.dim_value or MOST_FLOATS for side in sides)


def _bytes_of_constants(content: bytes) -> int:
    """Return how many bytes of a file are values of constants."""
    view = memoryview(content)
    return sum(
        len(raw)
        for graph in _fields(view, GRAPH)
        for tensor in _fields(graph, INITIALIZER)
        for raw in _fields(tensor, RAW_DATA)
    )


def _fields(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Yield the fields of one number out of a message in protobuf's wire format."""
    place = count = 0
    while place < len(message):
        count += 1
        if count > MOST_FIELDS:
            raise ValueError(count)
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        length = SKIPPED.get(kind, 0)
        if kind in {LENGTH_DELIMITED, VARINT}:
            value, place = _varint(message, place)
            length = value if kind == LENGTH_DELIMITED else 0
        elif not length:
            raise ValueError(kind)
        if number == wanted and kind == LENGTH_DELIMITED:
            yield message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError(shift)
