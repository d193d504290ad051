"""Check ONNX graphs: they may have only the operators of our networks.

Anybody may have written a weights file. So each graph is checked before a runtime reads
it. Its operators must be known, its constants must lie inside the file, and the values
of its layers for one tile must fit into memory.
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
header. For each of these bytes, parsing may need a hundred bytes of memory."""
MOST_FIELDS = 100_000
"""Most fields of one message in an ONNX file; nodes and constants are fields of a
graph."""
OPERATORS = frozenset(
    {
        *("Add", "BatchNormalization", "Clip", "Conv", "DepthToSpace", "Pad", "Relu"),
        *("DequantizeLinear", "QuantizeLinear"),
    }
)
"""The operators that `training.onnx` and `training.int8_graph` write. None of them
makes a constant larger."""
WIDEST_KERNEL = 15
NOT_COUNTED = frozenset({"Clip", "DequantizeLinear", "QuantizeLinear"})
"""Operators that change a value in its place, or become part of a convolution."""
IN_PLACE = NOT_COUNTED | {"BatchNormalization", "Relu"}
"""Operators whose result may take the place of their input."""
MOST_FLOATS = 50_000
"""Most values of all layers together for one pixel of the input; `fine` has 2,600."""
PROBE_PX = 64
"""Side of the image for which the values are counted."""

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
    """Largest number of these values that are needed at one time."""
    maps: int = 0
    """Number of feature maps that the network returns beside its residual."""


@dataclass(frozen=True)
class Subgraph:
    """The part of a graph that computes one output, ready for a runtime."""

    content: bytes
    """A serialised ONNX model."""
    footprint: Footprint


def parse_onnx(content: bytes, name: str) -> onnx.ModelProto:
    """Parse the content of an ONNX file.

    Parameters
    ----------
    name : name of the file, for messages

    Raises
    ------
    ModelError
        If it is no ONNX file, or needs far more memory than disk.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        structure = len(content) - _bytes_of_constants(content)
        if structure > MOST_STRUCTURE_BYTES:
            raise refused_weights(
                name, f"beside its constants it has {structure >> 20} MiB"
            )
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
    """Return the checked part of a graph that computes one output.

    A network for several scales has a tail for each scale. A runtime would compute all
    of them.

    Parameters
    ----------
    name : name of the file, for messages
    output : name of the output; ignored if the graph has only one
    planes : number of planes of the input, and of the output
    factor : rows of the output divided by rows of the input

    Raises
    ------
    ModelError
        If the graph has other operators or constants than our networks, or its output
        has another size.
    """
    outputs = list(model.graph.output)
    if len(outputs) > 1:
        outputs = [o for o in outputs if o.name == output]
    if len(outputs) != 1 or [i.name for i in model.graph.input] != ["image"]:
        raise refused_weights(name, f"it has no output {output!r} of one input 'image'")
    if model.functions or any(
        o.domain not in {"", "ai.onnx"} for o in model.opset_import
    ):
        raise refused_weights(name, "it uses operators outside the ONNX standard")
    for node in model.graph.node:
        _check_operator(node, name)
    for tensor in model.graph.initializer:
        check_constant(tensor, name)
    part = _reduced(model, outputs[0])
    content = part.SerializeToString()
    known = _shapes_known(part, name, planes, factor)
    total, live = _floats(known, name)
    return Subgraph(content, Footprint(len(content), total, live))


def refused_weights(name: str, found: str) -> ModelError:
    """Return the error for a file that `cxr-sr train` did not write."""
    return ModelError(
        f"{name} is refused: {found}; expected weights that `cxr-sr train` wrote"
    )


def _reduced(model: onnx.ModelProto, output: onnx.ValueInfoProto) -> onnx.ModelProto:
    """Return a copy of a model with only the nodes that one output needs."""
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
        raise refused_weights(name, "it uses an operator that none of our networks has")
    for attribute in node.attribute:
        if attribute.name == "kernel_shape" and max(attribute.ints) > WIDEST_KERNEL:
            raise refused_weights(
                name, f"a kernel has more than {WIDEST_KERNEL} pixels a side"
            )
        if attribute.g.ByteSize() or attribute.graphs or attribute.t.ByteSize():
            raise refused_weights(
                name, "an operator holds a graph or a constant of its own"
            )


def check_constant(tensor: onnx.TensorProto, name: str) -> None:
    """Refuse a constant whose values are not in the file as bytes.

    Raises
    ------
    ModelError
        If the values lie in another file, or their number differs from the shape.
    """
    import onnx

    if tensor.external_data or tensor.data_location != onnx.TensorProto.DEFAULT:
        raise refused_weights(name, "its constants lie in another file")
    try:
        width = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    except KeyError:
        width = 0
    stated = prod(tensor.dims) * width
    if min(tensor.dims, default=0) < 0 or not stated == len(tensor.raw_data) > 0:
        raise refused_weights(name, "a constant states another size than it has")


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
        raise refused_weights(name, "its layers do not fit one another") from error


def _floats(known: onnx.GraphProto, name: str) -> tuple[float, float]:
    """Return the number of values for one pixel: in all, and at most at one time."""
    values = [*known.value_info, *known.input, *known.output]
    sizes = {v.name: _size(v) for v in values}
    constants = {tensor.name for tensor in known.initializer}
    # A value is needed until the last node that reads it.
    last = {i: n for n, node in enumerate(known.node) for i in node.input}
    live = most = sizes[known.input[0].name]
    total = 0
    for number, node in enumerate(known.node):
        # A value that depends only on constants has no pixels.
        if constants.issuperset(node.input):
            constants.update(node.output)
            continue
        made = sum(sizes.get(output, MOST_FLOATS) for output in node.output)
        read = {i for i in node.input if i not in constants and last[i] == number}
        total += 0 if node.op_type in NOT_COUNTED else made
        most = max(most, live + (0 if node.op_type in IN_PLACE else made))
        live += made - sum(sizes.get(i, 0) for i in read)
    if not 0 < total <= MOST_FLOATS * PROBE_PX**2:
        raise refused_weights(name, "its layers need more memory than our networks")
    return total / PROBE_PX**2, most / PROBE_PX**2


def _size(value: onnx.ValueInfoProto) -> int:
    """Return the number of values of a tensor; an unknown side counts as huge."""
    sides = value.type.tensor_type.shape.dim
    return prod(side.dim_value or MOST_FLOATS for side in sides)


def _bytes_of_constants(content: bytes) -> int:
    """Return the number of bytes of a file that are values of constants."""
    view = memoryview(content)
    return sum(
        len(raw)
        for graph in _fields(view, GRAPH)
        for tensor in _fields(graph, INITIALIZER)
        for raw in _fields(tensor, RAW_DATA)
    )


def _fields(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Yield the fields with one number from a message in protobuf's wire format."""
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
