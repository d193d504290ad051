"""`release` gives working memory back, and changes no result."""

import sys
from pathlib import Path

import numpy as np
import pytest

from cxr_sr.superres.engines import open_engine
from cxr_sr.superres.models.zoo import load_model

pytest.importorskip("openvino")
IMAGE = np.random.default_rng(0).random((1, 3, 500, 400), np.float32)
"""One plane and two that tell its noise."""


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


@pytest.mark.skipif(sys.platform != "linux", reason="others count elsewhere")
def test_openvino_gives_its_memory_back():
    """A writer of a large result needs it for a copy."""
    engine = open_engine(load_model("fast"), 2, "openvino", "fp32")
    first = engine(IMAGE)
    used = resident_mb()
    engine.release()
    assert used - resident_mb() > 100 * IMAGE[0, 0].size / 1e6  # 100 bytes a pixel
    np.testing.assert_array_equal(engine(IMAGE), first)


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_an_engine_that_has_done_nothing_may_be_released(name):
    engine = open_engine(load_model("fast"), 3, name, "fp32")
    engine.release()
    engine.release()
    assert engine(IMAGE[..., :20, :20]).shape == (1, 1, 60, 60)
