"""Import OpenVINO and ONNX Runtime without their telemetry: cxr-sr sends nothing.

`import openvino` sends a message to Google Analytics, and ONNX Runtime sends events to
Microsoft. Both keep an identifier in the home folder.

References
----------
Privacy.md in the package onnxruntime; openvino/tools/ovc/telemetry_utils.py
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

_TELEMETRY = "openvino_telemetry"
_IMPORTING = threading.Lock()
_OFF = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")
"""Variables that switch off the telemetry of ONNX Runtime; some versions have the
second name."""


def import_openvino() -> Any:  # noqa: ANN401 - it has no types
    """Return the package openvino; it sends nothing if it was not imported before."""
    with _IMPORTING:
        if "openvino" in sys.modules or _TELEMETRY in sys.modules:
            return importlib.import_module("openvino")
        # With None, its import fails. OpenVINO then uses its own empty replacement.
        modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
        modules[_TELEMETRY] = None
        try:
            return importlib.import_module("openvino")
        finally:
            del sys.modules[_TELEMETRY]


def import_onnxruntime() -> Any:  # noqa: ANN401 - it has no types
    """Return the package onnxruntime; it sends nothing if it was not used before."""
    for name in _OFF:
        os.environ.setdefault(name, "1")
    onnxruntime = importlib.import_module("onnxruntime")
    onnxruntime.disable_telemetry_events()  # for Windows, where some builds need it
    return onnxruntime


def cpu_session(graph: bytes | Path) -> Any:  # noqa: ANN401 - it has no types
    """Return a session of ONNX Runtime for a graph, on one thread of the CPU."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its exceptions say the same
    # Tiles at the borders have other shapes. Memory patterns and the arena would keep a
    # buffer for each shape.
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(
        graph, options, providers=["CPUExecutionProvider"]
    )
