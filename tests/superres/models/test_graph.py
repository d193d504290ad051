"""A weights file that anybody wrote costs a sentence, and no memory."""

import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from cxr_sr.errors import ModelError
from cxr_sr.superres.engines import PACKAGES, open_engine
from cxr_sr.superres.models.graph import OPERATORS, parse_onnx, subgraph
from cxr_sr.superres.models.zoo import WEIGHTS, load_model
from tests.builders import tiny_model
from tests.superres.models import hostile

pytest.importorskip("torch")

MOST_MB = 300
"""Limit in MB of the peak of a process that opens all of them, one by one."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tiny_model(tmp_path_factory.mktemp("good"))
    model.safetensors.unlink()
    return model.onnx


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
@pytest.mark.parametrize("kind", hostile.KINDS)
def test_each_is_refused_in_one_sentence(good, tmp_path, kind, engine):
    pytest.importorskip(PACKAGES[engine])
    path = hostile.a_file(kind, good, tmp_path)
    with pytest.raises(ModelError) as refused:
        open_engine(load_model(path), 2, engine, "fp32")
    said = str(refused.value)
    assert re.search(r"`cxr-sr train` wrote", said)
    assert "\n" not in said
    assert "/" not in said.replace("cxr-sr/", "")
    assert len(said) < 300


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_none_takes_memory(good, tmp_path):
    """One process opens all of them; its peak stays near the peak for the good file."""
    paths = [str(hostile.a_file(kind, good, tmp_path)) for kind in hostile.KINDS]
    script = (
        "import re, sys\n"
        "from cxr_sr.errors import ModelError\n"
        "from cxr_sr.superres.engines import open_engine\n"
        "from cxr_sr.superres.models.zoo import load_model\n"
        "def opened(path):\n"
        "    try: open_engine(load_model(path), 2, 'onnx')\n"
        "    except ModelError: return False\n"
        "    return True\n"
        "assert opened(sys.argv[1])\n"
        "assert not any([opened(path) for path in sys.argv[2:]])\n"
        "status = open('/proc/self/status').read()\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) >> 10)\n"
    )
    command = [sys.executable, "-c", script, str(good), *paths]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(done.stdout) < MOST_MB


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.onnx")), ids=lambda p: p.name)
def test_the_shipped_graphs_pass(path):
    model = parse_onnx(path.read_bytes(), path.name)
    for output in model.graph.output:
        factor = int(output.name[1:]) if output.name[0] == "x" else 1
        part = subgraph(model, path.name, output.name, (1, 1), factor)
        kinds = {
            node.op_type for node in onnx.load_from_string(part.content).graph.node
        }
        assert kinds <= OPERATORS
        footprint = part.footprint
        assert 60 < footprint.live_floats_per_px < footprint.floats_per_px < 3000


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin", ".onnx", ""])
def test_a_pickle_is_one_whatever_its_name_and_neighbours(good, tmp_path, suffix):
    """A graph of the same name beside it is no reason to pass it over."""
    (tmp_path / "net.onnx").write_bytes(good.read_bytes())
    path = tmp_path / f"net{suffix}"
    path.write_bytes(hostile.BYTES["a pickle"](b""))
    with pytest.raises(ModelError, match=r"is a pickle.*never loaded"):
        load_model(path)


@pytest.mark.parametrize(
    ("settings", "length"),
    [({"width": 1024, "depth": 1024}, None), (None, 2**60), (None, 2**22)],
)
def test_torch_builds_no_network_that_the_file_does_not_hold(
    tmp_path, settings, length
):
    import dataclasses  # noqa: PLC0415

    model = tiny_model(tmp_path)
    content = model.safetensors.read_bytes()
    if length:
        model.safetensors.write_bytes(length.to_bytes(8, "little") + content[8:])
    spec = dataclasses.replace(model.spec, safetensors_sha256="")
    if settings:
        spec = dataclasses.replace(spec, settings=settings)
    with pytest.raises(ModelError, match=r"tiny\.safetensors"):
        open_engine(dataclasses.replace(model, spec=spec), 2, "torch", "fp32")
