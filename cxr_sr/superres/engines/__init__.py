"""Choose and open the engine of a network: ONNX Runtime, OpenVINO or torch."""

from __future__ import annotations

import importlib.util
import logging
from functools import lru_cache

from cxr_sr.errors import EngineError, SettingsError
from cxr_sr.names import EngineName, Precision
from cxr_sr.superres.engines.checked import Checked, Engine
from cxr_sr.superres.engines.runtimes import OnnxEngine, OpenVinoEngine, TorchEngine
from cxr_sr.superres.engines.telemetry import import_openvino
from cxr_sr.superres.models.zoo import Model

__all__ = ["ENGINES", "EXTRAS", "PACKAGES", "Engine", "choose", "open_engine"]

log = logging.getLogger(__name__)

PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino", "torch": "torch"}
EXTRAS = {"onnx": "", "openvino": "[openvino]", "torch": "[train]"}


def open_engine(
    model: Model,
    scale: int,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    threads: int = 1,
    *,
    maps: bool = False,
) -> Checked:
    """Load a model's weights into an engine for one scale; later calls reuse it.

    Parameters
    ----------
    threads : number of calls to compute at the same time
    maps : let the engine of a trunk also return its feature maps; see `Checked.both`

    Raises
    ------
    EngineError
        If the engine's package is not installed.
    SettingsError
        If there is no such engine, or it does not support the precision.
    ModelError
        If the weights are unreadable or hostile, or changed after `load_model`.
    """
    chosen = choose(model, engine, precision)
    return _loaded(*chosen, model, scale, threads, maps=maps)


def choose(
    model: Model, engine: EngineName, precision: Precision
) -> tuple[EngineName, Precision]:
    """Return the engine and precision; replace `auto`, and warn if int8 cannot run.

    Only OpenVINO runs int8: ONNX Runtime needs more time for int8 than for fp32.

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
    """Return the reason why this machine cannot run int8; None if it can."""
    if importlib.util.find_spec("openvino") is None:
        return (
            "int8 needs the package openvino; to have it, run: pip install "
            "'cxr-sr[openvino]'"
        )
    able = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return None if "INT8" in able else "this processor has no int8 arithmetic"


@lru_cache(maxsize=8)  # once, not for every file
def _announce(text: str) -> None:
    log.warning("%s", text)


@lru_cache(maxsize=32)  # a comparison holds every model in every engine
def _loaded(
    engine: str,
    precision: Precision,
    model: Model,
    scale: int,
    threads: int,
    *,
    maps: bool = False,
) -> Checked:
    if engine == "openvino":
        runtime = OpenVinoEngine(model, scale, precision, threads, maps=maps)
        return Checked(runtime, model, scale)
    return Checked(ENGINES[engine](model, scale, maps=maps), model, scale)


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


ENGINES: dict[str, type[OnnxEngine | OpenVinoEngine | TorchEngine]] = {
    "onnx": OnnxEngine,
    "openvino": OpenVinoEngine,
    "torch": TorchEngine,
}
