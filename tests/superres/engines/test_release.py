"""`release` gives working memory back, and changes no result."""

import subprocess
import sys

import numpy as np
import pytest

from cxr_sr.superres.engines import open_engine
from cxr_sr.superres.models.zoo import load_model

pytest.importorskip("openvino")
IMAGE = np.random.default_rng(0).random((1, 3, 50, 40), np.float32)
"""One plane and two that tell its noise."""


MEASURE = """
from pathlib import Path
import numpy as np
from cxr_sr.superres.engines import open_engine
from cxr_sr.superres.models.zoo import load_model

def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

image = np.zeros((1, 3, 500, 400), np.float32)
engine = open_engine(load_model("fast"), 2, "openvino", "fp32")
engine(image)
used = resident_bytes()
engine.release()
print((used - resident_bytes()) / image[0, 0].size)
"""
"""Print how many bytes `release` frees for each pixel.

A process of its own has no other free memory that the engine could use."""


@pytest.mark.skipif(sys.platform != "linux", reason="others count elsewhere")
def test_openvino_gives_its_memory_back():
    """A writer of a large result needs it for a copy."""
    ran = [sys.executable, "-c", MEASURE]
    done = subprocess.run(ran, check=True, capture_output=True, text=True)
    assert float(done.stdout) > 100


def test_the_next_call_gives_the_same():
    engine = open_engine(load_model("fast"), 2, "openvino", "fp32")
    first = engine(IMAGE)
    engine.release()
    np.testing.assert_array_equal(engine(IMAGE), first)


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_an_engine_that_has_done_nothing_may_be_released(name):
    engine = open_engine(load_model("fast"), 3, name, "fp32")
    engine.release()
    engine.release()
    assert engine(IMAGE[..., :20, :20]).shape == (1, 1, 60, 60)
