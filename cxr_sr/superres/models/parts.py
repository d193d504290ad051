"""Read the files of a model, hash their bytes, and check that they belong together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxr_sr.errors import ModelError
from cxr_sr.superres.models.graph import (
    MOST_STRUCTURE_BYTES,
    check_constant,
    parse_onnx,
    refused_weights,
)
from cxr_sr.superres.models.spec import METADATA_KEY

if TYPE_CHECKING:  # numpy takes time, and `--help` needs none of it
    from numpy.typing import NDArray

    Tensors = dict[str, NDArray[Any]]

MOST_BYTES = 2**28
"""Most bytes of a weights file: enough for a trunk twice as deep and five times as wide
as `fine`."""
OF_GRAPH = "network."
"""Prefix of the tensor names of a network in its graph."""
DERIVED = "first.weight"
"""The graph of a trunk holds this tensor minus its mean."""


@dataclass(frozen=True)
class Weights:
    """The content of a weights file, and its hash."""

    content: bytes
    sha256: str
    """SHA-256 of `content`, in hexadecimal."""


def read_weights(path: Path, sha256: str = "") -> Weights:
    """Read a file of weights, and hash its bytes.

    Parameters
    ----------
    sha256 : the expected hash; "" for any

    Raises
    ------
    ModelError
        If the file cannot be read, is too large, or has another hash.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ModelError(
            f"the weights {path.name} cannot be read ({error.strerror}); expected a "
            "file that `cxr-sr train` wrote"
        ) from error
    if len(content) > MOST_BYTES:
        raise refused_weights(path.name, f"it has more than {MOST_BYTES >> 20} MiB")
    found = hashlib.sha256(content).hexdigest()
    if sha256 and found != sha256:
        raise ModelError(
            f"{path.name} has SHA-256 {found[:12]}..., expected {sha256[:12]}...: it "
            "was altered or damaged, or exchanged during the run; reinstall cxr-sr, or "
            "start the run again"
        )
    return Weights(content, found)


def check_header(content: bytes, name: str) -> None:
    """Refuse a safetensors file whose header is too large for memory.

    Raises
    ------
    ModelError
        If the stated length of the header exceeds the file or the limit.
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(MOST_STRUCTURE_BYTES, len(content) - 8):
        raise ModelError(
            f"{name} is not a safetensors file, or a damaged one; expected weights "
            "that `cxr-sr train` wrote"
        )


def check_together(onnx: Path, safetensors: Path, int8: Path) -> None:
    """Refuse files beside an ONNX file if their weights differ from its weights.

    Raises
    ------
    ModelError
        If one of these files is unreadable or has other weights.
    """
    if not safetensors.is_file() and not int8.is_file():
        return
    specification, plain = _of_graph(onnx)
    if safetensors.is_file() and not _same(
        (specification, plain), _of_safetensors(safetensors)
    ):
        raise _apart(onnx, safetensors)
    if int8.is_file():
        said, rounded = _of_graph(int8)
        if not _same((specification, plain), (said, _restored(rounded, plain))):
            raise _apart(onnx, int8)


def specification_of(content: bytes, name: str) -> str:
    """Return the specification in an ONNX file, "" if there is none.

    Raises
    ------
    ModelError
        If it is not an ONNX file.
    """
    properties = parse_onnx(content, name).metadata_props
    return next((p.value for p in properties if p.key == METADATA_KEY), "")


def _apart(onnx: Path, other: Path) -> ModelError:
    return ModelError(
        f"{other.name} and {onnx.name} do not belong together: their weights or their "
        "descriptions differ; take all files of a model from one training"
    )


def _of_graph(path: Path) -> tuple[str, Tensors]:
    import numpy as np
    import onnx

    content = read_weights(path).content
    model = parse_onnx(content, path.name)
    tensors: Tensors = {}
    for tensor in model.graph.initializer:
        check_constant(tensor, path.name)
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        values = np.frombuffer(tensor.raw_data, kind).reshape(tensor.dims)
        tensors[tensor.name.removeprefix(OF_GRAPH)] = values
    properties = {p.key: p.value for p in model.metadata_props}
    return properties.get(METADATA_KEY, ""), tensors


def _of_safetensors(path: Path) -> tuple[str, Tensors]:
    from safetensors import SafetensorError, safe_open

    content = read_weights(path).content
    check_header(content, path.name)
    try:
        with safe_open(path, "numpy") as file:
            said = (file.metadata() or {}).get(METADATA_KEY, "")
            return said, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
        raise refused_weights(
            path.name, "it is not a readable safetensors file"
        ) from error


def _restored(rounded: Tensors, plain: Tensors) -> Tensors:
    """Return the tensors of an int8 graph; undo the rounding of the tensors `plain`."""
    import numpy as np

    restored = dict(rounded)
    for name in plain:
        codes, steps = (rounded.get(f"{name}.{part}") for part in ("codes", "step"))
        if codes is None or steps is None or codes.shape != plain[name].shape:
            continue
        step = steps.reshape(-1, *[1] * (codes.ndim - 1))
        near = np.abs(codes * step - plain[name]) <= 0.51 * step
        restored[name] = plain[name] if near.all() else codes
    return restored


def _same(one: tuple[str, Tensors], other: tuple[str, Tensors]) -> bool:
    """Whether two files say the same, and have equal tensors under equal names."""
    import numpy as np

    both = one[1].keys() & other[1].keys() - {DERIVED}
    return one[0] == other[0] and all(
        np.array_equal(one[1][name], other[1][name], equal_nan=True) for name in both
    )
