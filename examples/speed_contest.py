"""Compare the speed of models that take turns, and measure the rate of the machine.

`benchmark_speed.py` uses this module.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.protocol import Upscale, measure
from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.engines.telemetry import import_onnxruntime
from cxr_sr.superres.models.zoo import Model

Array = NDArray[np.floating[Any]]

BASELINE = "bicubic"
QUALITY_PX = 192
"""Smaller images do not show the quality of a model."""
PRODUCT_SIDE, PRODUCTS = 1024, 8
"""Side and number of the matrix products that each thread is timed with."""


@dataclass
class Runner:
    """A program that enlarges a radiograph by one scale, and its measurements."""

    scale: int
    model: str
    engine: str
    run: Upscale
    learned: bool = True
    precision: str = "fp32"
    """The precision of most of its multiplications: fp32 or int8."""
    multiply_adds: float | None = None
    """Multiplications of all convolutions for a pixel of output, if known."""
    codes: float | None = None
    """Largest difference from the model's first engine; None for that one."""
    psnr: float | None = None
    """PSNR in dB; None if the image is too small."""
    seconds: list[float] = field(default_factory=list)
    """Wall seconds for a megapixel of output, one for each turn."""

    def compared(
        self, runners: list[Runner], peaks: Mapping[str, float]
    ) -> dict[str, Any]:
        """Return all measurements, with the ratios to others of the same scale.

        Parameters
        ----------
        runners : all that took turns, including bicubic and a network
        peaks : the machine's peak rate for each precision, in 10^9 additions and
            multiplications a second; see `product_rates`
        """
        here = [r for r in runners if r.scale == self.scale]
        bicubic = next(r for r in here if r.model == BASELINE)
        fastest = min(median(r.seconds) for r in here if r.learned)
        known = {k: v for k, v in vars(self).items() if k not in {"run", "learned"}}
        return known | {
            "median": median(self.seconds),
            "to_bicubic": median(self.seconds) / median(bicubic.seconds),
            "to_fastest_network": median(self.seconds) / fastest,
            "share_of_peak": self._share_of_peak(bicubic, peaks[self.precision]),
        }

    def _share_of_peak(self, bicubic: Runner, peak: float) -> float | None:
        """Return the rate of the convolutions over the machine's peak.

        The time of the bicubic base is subtracted. The fastest turns are compared,
        because other programs slow down the others.
        """
        seconds = min(self.seconds) - min(bicubic.seconds)
        if self.multiply_adds is None or seconds <= 0:
            return None
        return 2e-3 * self.multiply_adds / seconds / peak


def multiply_adds(model: Model, scale: int) -> float:
    """Count the multiply-adds of a network's convolutions for a pixel of output.

    Each convolution needs one multiply-add for each weight and each pixel of the grid
    on which the model works.
    """
    network = onnx.load(model.onnx)
    if len(network.graph.output) > 1:  # each scale has a tail; one of them runs
        network = onnx.utils.Extractor(network).extract_model(["image"], [f"x{scale}"])
    sizes = {w.name: math.prod(w.dims) for w in network.graph.initializer}
    count = sum(sizes[n.input[1]] for n in network.graph.node if n.op_type == "Conv")
    return float(count / scale**2 if model.spec.grid == "input" else count)


def judge(runners: list[Runner], image: Radiograph, larger: Radiograph) -> None:
    """Run all models of one scale once, and measure agreement and quality.

    Parameters
    ----------
    runners : all models of one scale
    image : the image for the timing; the engines of a model are compared on it
    larger : the image for the quality, measured once for each model and precision, if
        its sides have QUALITY_PX or more
    """
    first: dict[str, Array] = {}
    known: dict[tuple[str, str], float] = {}
    for runner in runners:
        codes = runner.run(image).pixels.astype(np.float64)
        if runner.model in first:
            runner.codes = float(np.abs(codes - first[runner.model]).max())
        first.setdefault(runner.model, codes)
        if min(larger.shape) < QUALITY_PX:
            continue
        kind = runner.model, runner.precision
        if kind not in known:
            condition = Condition(runner.scale, "box")
            known[kind] = measure(larger, condition, runner.run).psnr
        runner.psnr = known[kind]


def take_turns(runners: list[Runner], image: Radiograph) -> None:
    """Run each on `image` once, and measure the time."""
    for runner in runners:
        begun = time.perf_counter()
        finer = runner.run(image).pixels
        runner.seconds.append((time.perf_counter() - begun) / finer.size * 1e6)


def product_rates(threads: int) -> dict[str, float]:
    """Return the rates of matrix products in `threads` threads, in 10^9 a second.

    For float32, numpy and ONNX Runtime are measured, and the higher rate counts:
    numpy's BLAS uses only half of a new processor. For int8, ONNX Runtime is measured.
    numpy must use one thread for a product: set OMP_NUM_THREADS and similar variables
    before numpy is imported.
    """
    factor = np.ones((PRODUCT_SIDE, PRODUCT_SIDE), np.float32)
    result = [factor.copy() for _ in range(threads)]
    floats, integers = _product("MatMul"), _product("MatMulInteger")
    codes = factor.astype(np.uint8)
    return {
        "fp32": max(
            _rate(lambda k: np.matmul(factor, factor, out=result[k]), threads),
            _rate(lambda _: floats.run(None, {"a": factor}), threads),
        ),
        "int8": _rate(lambda _: integers.run(None, {"a": codes}), threads),
    }


def _product(operator: str) -> Any:  # noqa: ANN401 - onnxruntime has no types
    """Return a session that multiplies by a constant matrix, in float32 or int8.

    The constant is like the weights of a convolution: a runtime packs them once. In
    int8, the input is unsigned and the constant is signed.
    """
    onnxruntime = import_onnxruntime()

    types = {
        "MatMul": (TensorProto.FLOAT, TensorProto.FLOAT, np.float32),
        "MatMulInteger": (TensorProto.UINT8, TensorProto.INT32, np.int8),
    }
    given, found, constant = types[operator]
    sides = [PRODUCT_SIDE, PRODUCT_SIDE]
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["product"])],
        "product",
        [helper.make_tensor_value_info("a", given, sides)],
        [helper.make_tensor_value_info("product", found, sides)],
        [numpy_helper.from_array(np.ones(sides, constant), "b")],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _rate(multiply: Callable[[int], object], threads: int) -> float:
    def work(thread: int) -> None:
        for _ in range(PRODUCTS):
            multiply(thread)

    work(0)  # the first call also does work that is needed only once
    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    flop = threads * PRODUCTS * 2 * PRODUCT_SIDE**3
    return flop / (time.perf_counter() - begun) / 1e9
