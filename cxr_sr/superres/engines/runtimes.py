"""Run a network with ONNX Runtime, OpenVINO or torch.

Each call uses one thread, because several tiles are computed at the same time; torch
uses its own number of threads. Several threads may call an engine at once. When an
engine is opened, it gets the number of calls to compute at a time. An engine also works
in a process that is forked later.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakSet

import numpy as np

from cxr_sr import processors
from cxr_sr.errors import ModelError
from cxr_sr.names import Precision
from cxr_sr.superres.engines.checked import Array, factor_of
from cxr_sr.superres.engines.telemetry import cpu_session, import_openvino
from cxr_sr.superres.models.graph import (
    Footprint,
    Subgraph,
    parse_onnx,
    refused_weights,
    subgraph,
)
from cxr_sr.superres.models.parts import read_weights
from cxr_sr.superres.models.zoo import Model


def _read(
    model: Model, scale: int, precision: str = "fp32", *, maps: bool = False
) -> tuple[str, Subgraph]:
    """Return the hash of an ONNX file, and the part of its graph for one scale."""
    spec, path = model.spec, model.file_of("onnx", precision)
    weights = read_weights(path, spec.weights_sha256("onnx", precision))
    graph = parse_onnx(weights.content, path.name)
    planes = spec.channels + spec.noise_planes, spec.channels
    part = subgraph(graph, path.name, f"x{scale}", planes, factor_of(model, scale))
    return weights.sha256, with_maps(part, path.name) if maps else part


def with_maps(part: Subgraph, name: str) -> Subgraph:
    """Return the graph of a trunk with its feature maps as a second output.

    Raises
    ------
    ModelError
        If the graph does not end like a trunk: with a convolution and a pixel shuffle.
    """
    import onnx

    model = onnx.ModelProto.FromString(part.content)
    graph = model.graph
    made = {output: node for node in graph.node for output in node.output}
    shuffle = made[graph.output[0].name]
    tail = made.get(shuffle.input[0], shuffle)
    widths = [w.dims[1] for w in graph.initializer if w.name == tail.input[1:2][0]]
    if (tail.op_type, shuffle.op_type) != ("Conv", "DepthToSpace") or not widths:
        raise refused_weights(name, "it has no trunk with feature maps")
    sides = ["N", widths[0], "maps_H", "maps_W"]
    maps = onnx.helper.make_tensor_value_info(
        tail.input[0], onnx.TensorProto.FLOAT, sides
    )
    graph.output.append(maps)
    footprint = dataclasses.replace(part.footprint, maps=widths[0])
    return Subgraph(model.SerializeToString(), footprint)


@contextmanager
def _loading(path: Path) -> Iterator[None]:
    """Turn a runtime's error about a graph into one sentence."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:
        raise ModelError(
            f"{path.name} is not a network that can be run ({type(error).__name__}); "
            "use weights that `cxr-sr train` wrote"
        ) from error


class OnnxEngine:
    """ONNX Runtime on the CPU."""

    name = "onnx"
    precision = "fp32"

    def __init__(self, model: Model, scale: int, *, maps: bool = False) -> None:
        self.weights_sha256, part = _read(model, scale, maps=maps)
        self.footprint = part.footprint
        with _loading(model.onnx):
            self._session = cpu_session(part.content)

    def __call__(self, image: Array) -> Array:
        """Return the residual of an image; see `Engine`."""
        return self.outputs(image)[0]

    def outputs(self, image: Array) -> Sequence[Array]:
        """Return all outputs; see `Runtime`."""
        found = self._session.run(None, {"image": np.ascontiguousarray(image)})
        return [np.asarray(each) for each in found]

    def release(self) -> None:
        """Free nothing: without an arena, each call frees its own memory."""


class OpenVinoEngine:
    """OpenVINO on the CPU; an int8 graph computes its other layers in float32."""

    name = "openvino"

    def __init__(
        self,
        model: Model,
        scale: int,
        precision: Precision = "fp32",
        threads: int = 1,
        *,
        maps: bool = False,
    ) -> None:
        self.precision: str = precision
        self.weights_sha256, part = _read(model, scale, precision, maps=maps)
        self.footprint = part.footprint
        self._graph = part.content
        self._threads = threads
        self._opening = threading.Lock()
        with _loading(model.file_of("openvino", precision)):
            self._compiled: _Compiled | None = _Compiled(self._graph, threads)
        _OPEN.add(self)

    def __call__(self, image: Array) -> Array:
        """Return the residual of an image; see `Engine`."""
        return self.outputs(image)[0]

    def outputs(self, image: Array) -> Sequence[Array]:
        """Return all outputs; see `Runtime`."""
        with self._opening:
            compiled = self._compiled or _Compiled(self._graph, self._threads)
            self._compiled = compiled
        return compiled.infer(image)

    def release(self) -> None:
        """Free the working memory of earlier calls."""
        if self._compiled is not None:
            self._compiled.release()

    def leave_to_parent(self) -> None:
        """Compile again at the next call; called in a forked process."""
        self._opening = threading.Lock()
        if self._compiled is not None:
            self._compiled.keep()
        self._compiled = None


class _Compiled:
    """A graph that OpenVINO compiled, and the threads that may call it."""

    def __init__(self, graph: bytes, threads: int) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        # A stream computes one request at a time. OpenVINO assigns a stream to each
        # calling thread, and takes it back when the thread ends. Two callers can then
        # get the same stream and wait for each other. So the calls come from threads of
        # our own, which do not end.
        settings = {
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self._network = core.compile_model(core.read_model(graph), "CPU", settings)
        # The first access to a tensor's data imports numpy's C interface. Two threads
        # that do so at the same time wait for each other for ever.
        _ = openvino.Tensor(np.zeros(1, np.float32)).data
        self._local = threading.local()
        self._callers = ThreadPoolExecutor(threads, "openvino")

    def infer(self, image: Array) -> Sequence[Array]:
        """Return all outputs for an image."""
        return self._callers.submit(self._infer, image).result()

    def _infer(self, image: Array) -> Sequence[Array]:
        if not hasattr(self._local, "request"):
            self._local.request = self._network.create_infer_request()
        whole = np.ascontiguousarray(image)
        found = self._local.request.infer([whole], share_outputs=True)
        return [np.array(each) for each in found.values()]

    def release(self) -> None:
        """Free the tensors between the layers, unless a call is running now."""
        with suppress(RuntimeError):
            self._network.release_memory()

    def keep(self) -> None:
        """Prevent its deletion in this process, even at exit.

        OpenVINO's threads exist only in the parent process. Here, the destructor would
        wait for them for ever.
        """
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))


class TorchEngine:
    """PyTorch, in the precision of its input; the reference for the others."""

    name = "torch"
    precision = "fp32"

    def __init__(self, model: Model, scale: int, *, maps: bool = False) -> None:
        import torch

        from cxr_sr.superres.models.networks import load_network

        # torch would start a thread for each processor of the machine.
        torch.set_num_threads(min(torch.get_num_threads(), processors.available()))
        self._network = load_network(model)
        self._scale = scale
        self._maps = maps
        # `load_network` has read no other file.
        self.weights_sha256 = model.spec.safetensors_sha256
        parts = self._network.modules()
        widths = [m.out_channels for m in parts if isinstance(m, torch.nn.Conv2d)]
        self.footprint = Footprint(
            sum(p.nbytes for p in self._network.parameters()),
            sum(widths),
            3 * max(widths),  # input and output of a convolution, and a summand
            int(model.spec.settings["width"]) if maps else 0,
        )
        _OPEN.add(self)

    def __call__(self, image: Array) -> Array:
        """Return the residual of an image; see `Engine`."""
        return self.outputs(image)[0]

    def outputs(self, image: Array) -> Sequence[Array]:
        """Return all outputs; see `Runtime`."""
        import torch

        from cxr_sr.superres.models.networks import Trunk

        with torch.inference_mode():
            tensor = torch.from_numpy(np.ascontiguousarray(image))
            network = self._network.to(tensor.dtype)
            if not (self._maps and isinstance(network, Trunk)):
                return [np.asarray(network(tensor, self._scale).numpy())]
            maps = network.features(tensor)
            residual = network.tails[f"x{self._scale}"](maps)
            return [np.asarray(each.numpy()) for each in (residual, maps)]

    def release(self) -> None:
        """Free nothing: torch frees its tensors after each call."""

    def leave_to_parent(self) -> None:
        """Start torch's threads; called in a forked process.

        Otherwise the first call starts them, and two first calls at the same time fail.
        """
        import torch

        torch.set_num_threads(torch.get_num_threads())


_OPEN: WeakSet[OpenVinoEngine | TorchEngine] = WeakSet()


def _leave_to_parent() -> None:
    for engine in list(_OPEN):
        engine.leave_to_parent()


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_leave_to_parent)
