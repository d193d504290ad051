"""Weights by the thousand that nobody should load; the same for the same numbers."""

from __future__ import annotations

import json
import struct
from functools import cache

import numpy as np
import onnx

from cxr_sr.superres.models.spec import METADATA_KEY
from cxr_sr.superres.models.zoo import load_model
from tests.superres.models.hostile import BYTES, CHANGES

Random = np.random.Generator

VALUES: list[object] = [
    None,
    True,
    -1,
    0,
    2**63,
    1e400,
    "",
    "\0",
    "fine",
    [],
    {},
    [2, 3],
    "none",
]
"""New values for a field of a specification."""


@cache
def seed_bytes() -> bytes:
    """Return the smallest of the shipped graphs."""
    return load_model("fast").onnx.read_bytes()


def _changed(data: bytes, random: Random) -> bytes:
    """Make one of the changes of `hostile`."""
    kinds = [*CHANGES, *BYTES]
    kind = kinds[int(random.integers(len(kinds)))]
    if kind in BYTES:
        return BYTES[kind](data)
    model = onnx.load_from_string(data)
    CHANGES[kind](model)
    return bytes(model.SerializeToString())


def _specified(data: bytes, random: Random) -> bytes:
    """Let the graph say something else of itself."""
    model = onnx.load_from_string(data)
    said = next(p for p in model.metadata_props if p.key == METADATA_KEY)
    fields = json.loads(said.value)
    for _ in range(int(random.integers(1, 4))):
        key = list(fields)[int(random.integers(len(fields)))]
        fields[key] = VALUES[int(random.integers(len(VALUES)))]
    said.value = json.dumps(fields)
    return bytes(model.SerializeToString())


def _attributes(data: bytes, random: Random) -> bytes:
    """Set whole numbers of nodes and shapes to impossible values."""
    model = onnx.load_from_string(data)
    numbers = [0, -1, 1, 7, 2**31, 2**62, -(2**62)]
    for _ in range(int(random.integers(1, 4))):
        node = model.graph.node[int(random.integers(len(model.graph.node)))]
        number = int(numbers[int(random.integers(len(numbers)))])
        for attribute in node.attribute:
            if attribute.ints:
                attribute.ints[int(random.integers(len(attribute.ints)))] = number
            elif attribute.type == onnx.AttributeProto.INT:
                attribute.i = number
        tensor = model.graph.initializer[
            int(random.integers(len(model.graph.initializer)))
        ]
        if tensor.dims and random.integers(2):
            tensor.dims[int(random.integers(len(tensor.dims)))] = number
    return bytes(model.SerializeToString())


def _bytes(data: bytes, random: Random) -> bytes:
    """Flip bits where the structure is, at the beginning and the end, or anywhere."""
    changed = bytearray(data)
    areas = [(0, 400), (len(data) - 3000, len(data)), (0, len(data))]
    start, end = areas[int(random.integers(len(areas)))]
    for at in random.integers(start, end, size=int(random.integers(1, 12))):
        changed[at] ^= 1 << int(random.integers(8))
    return bytes(changed)


def _not_finite(data: bytes, random: Random) -> bytes:
    """Make a weight NaN, infinite or very large."""
    model = onnx.load_from_string(data)
    tensors = [t for t in model.graph.initializer if len(t.dims) == 4]
    tensor = tensors[int(random.integers(len(tensors)))]
    bad = [float("nan"), float("inf"), 3e38][int(random.integers(3))]
    tensor.raw_data = struct.pack("<f", bad) + tensor.raw_data[4:]
    return bytes(model.SerializeToString())


WAYS = [_changed, _specified, _attributes, _bytes, _not_finite]


def mutant(seed: int, number: int) -> tuple[str, bytes]:
    """Return the name of the change, and the changed graph."""
    random = np.random.default_rng([seed, number, 3])
    way = WAYS[int(random.integers(len(WAYS)))]
    return way.__name__.strip("_"), way(seed_bytes(), random)
