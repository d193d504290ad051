"""What runs a network: ONNX Runtime, OpenVINO or torch, behind one protocol.

Tiles are computed side by side, so an engine works on one thread a call (torch on as
many as it is set to); calls may come from several threads at once, and as many as it
was opened for are computed at the same time.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cxr_sr import processors
from cxr_sr.errors import EngineError, SettingsError
from cxr_sr.names import EngineName, Precision
from cxr_sr.superres.models.zoo import Model

log = logging.getLogger(__name__)

Array = NDArray[np.floating[Any]]

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino", "torch": "torch"}
EXTRAS = {"onnx": "", "openvino": "[openvino]", "torch": "[train]"}


class Engine(Protocol):
    """A network ready to run at one scale."""

    name: str
    precision: str
    """fp32 or int8."""

    def __call__(self, image: Array) -> Array:
        """Return the residual of an image.

        Parameters
        ----------
        image : (N, C, h, w) float32 units, positive contrast, on the model's grid

        Returns
        -------
        (N, C, H, W) float32 units at output size, to be added to the bicubic image
        """
        ...


def open_engine(
    model: Model,
    scale: int,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    threads: int = 1,
) -> Engine:
    """Load a model's weights into an engine, for one scale; once for many images.

    Parameters
    ----------
    threads : calls that are to be computed at the same time

    Raises
    ------
    EngineError
        If the engine's package is not installed.
    SettingsError
        If there is no such engine, or it does not do the precision.
    """
    return _loaded(*choose(model, engine, precision), model, scale, threads)


def choose(
    model: Model, engine: EngineName, precision: Precision
) -> tuple[EngineName, Precision]:
    """Return what `auto` stands for on this machine, and say why it is not int8.

    int8 is OpenVINO's: ONNX Runtime takes longer with it than in fp32.

    Raises
    ------
    EngineError, SettingsError
        As `open_engine`.
    """
    if precision == "int8":
        return _int8(model, engine)
    if precision == "auto" and engine in ("auto", "openvino"):
        lacking = _lacking_for_int8()
        if model.spec.int8_sha256 and lacking is None:
            return "openvino", "int8"
        if model.spec.int8_sha256 and lacking is not None:
            _announce(f"{model.spec.name} runs in fp32, which takes longer: {lacking}")
    return _installed(engine), "fp32"


def _int8(model: Model, engine: EngineName) -> tuple[EngineName, Precision]:
    model.spec.check_precision("int8")
    if engine not in ("auto", "openvino"):
        raise SettingsError(
            f"the engine {engine!r} does not run int8; use the engine openvino, or the "
            "precision fp32 or auto"
        )
    _installed("openvino")
    return "openvino", "int8"


@lru_cache(maxsize=1)
def _lacking_for_int8() -> str | None:
    """Return what this machine lacks, or None."""
    if importlib.util.find_spec("openvino") is None:
        return (
            "int8 needs the package openvino; to have it, run: pip install "
            "'cxr-sr[openvino]'"
        )
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return None if "INT8" in able else "this processor has no int8 arithmetic"


@lru_cache(maxsize=8)  # once, not for every file
def _announce(text: str) -> None:
    log.warning("%s", text)


@lru_cache(maxsize=32)  # a comparison holds every model in every engine
def _loaded(
    engine: str, precision: Precision, model: Model, scale: int, threads: int
) -> Engine:
    if engine == "openvino":
        return OpenVinoEngine(model, scale, precision, threads)
    return ENGINES[engine](model, scale)


def _installed(engine: EngineName) -> EngineName:
    if engine == "auto":
        return "onnx"
    if engine not in PACKAGES:
        names = ", ".join(["auto", *PACKAGES])
        raise SettingsError(f"no engine is called {engine!r}; expected one of {names}")
    if importlib.util.find_spec(PACKAGES[engine]) is None:
        raise EngineError(
            f"engine {engine!r} needs the package {PACKAGES[engine]}, which is not "
            f"installed; run: pip install 'cxr-sr{EXTRAS[engine]}', or use the "
            "engine onnx"
        )
    return engine


def _subgraph(path: Path, output: str) -> bytes:
    """Return the part of an ONNX file that computes one of its outputs.

    A multi-scale network has a tail a scale; a runtime would compute all of them.
    """
    import onnx

    model = onnx.load(path)
    if len(model.graph.output) > 1:
        model = onnx.utils.Extractor(model).extract_model(["image"], [output])
    serialised: bytes = model.SerializeToString()
    return serialised


class OnnxEngine:
    """ONNX Runtime on the CPU."""

    name = "onnx"
    precision = "fp32"

    def __init__(self, model: Model, scale: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Tiles differ in shape at the borders: memory patterns and an ever growing
        # arena would keep a buffer for each.
        options.enable_mem_pattern = False
        options.enable_cpu_mem_arena = False
        self._session = onnxruntime.InferenceSession(
            _subgraph(model.onnx, f"x{scale}"),
            options,
            providers=["CPUExecutionProvider"],
        )

    def __call__(self, image: Array) -> Array:
        """Return the residual of an image; see `Engine`."""
        (residual,) = self._session.run(None, {"image": np.ascontiguousarray(image)})
        return np.asarray(residual)


class OpenVinoEngine:
    """OpenVINO on the CPU; what an int8 graph does not round is in float32."""

    name = "openvino"

    def __init__(
        self,
        model: Model,
        scale: int,
        precision: Precision = "fp32",
        threads: int = 1,
    ) -> None:
        import openvino

        self.precision: str = precision
        core = openvino.Core()
        path = model.int8 if precision == "int8" else model.onnx
        network = core.read_model(_subgraph(path, f"x{scale}"))
        # A stream computes one request at a time: with a single one, calls from other
        # threads wait for each other. So they do with several when two threads come
        # to the same one: streams are dealt out to the calling threads, and taken back
        # in any order when those end. Hence threads of its own, which do not.
        settings = {
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self._compiled = core.compile_model(network, "CPU", settings)
        # The first look into a tensor loads what numpy offers to C; two threads that
        # come to it at the same time wait for one another for ever.
        _ = openvino.Tensor(np.zeros(1, np.float32)).data
        self._local = threading.local()
        self._callers = ThreadPoolExecutor(threads, "openvino")

    def __call__(self, image: Array) -> Array:
        """Return the residual of an image; see `Engine`."""
        return self._callers.submit(self._infer, image).result()

    def _infer(self, image: Array) -> Array:
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        result = self._local.request.infer([np.ascontiguousarray(image)])
        return np.array(result[0])


class TorchEngine:
    """PyTorch, in the precision of its input; the reference for the others."""

    name = "torch"
    precision = "fp32"

    def __init__(self, model: Model, scale: int) -> None:
        import torch

        from cxr_sr.superres.models.networks import load_network

        # torch would start a thread for each processor of the machine.
        torch.set_num_threads(min(torch.get_num_threads(), processors.available()))
        self._network = load_network(model)
        self._scale = scale

    def __call__(self, image: Array) -> Array:
        """Return the residual of an image; see `Engine`."""
        import torch

        with torch.inference_mode():
            tensor = torch.from_numpy(np.ascontiguousarray(image))
            network = self._network.to(tensor.dtype)
            return np.asarray(network(tensor, self._scale).numpy())


ENGINES: dict[str, type[OnnxEngine | OpenVinoEngine | TorchEngine]] = {
    "onnx": OnnxEngine,
    "openvino": OpenVinoEngine,
    "torch": TorchEngine,
}
