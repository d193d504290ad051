"""A network gives a number for every pixel, or the run fails and says so."""

import json

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from cxr_sr.cli.main import app
from cxr_sr.errors import EngineError
from cxr_sr.superres.engines import PACKAGES, open_engine
from cxr_sr.superres.engines.checked import Checked
from cxr_sr.superres.models.graph import Footprint
from cxr_sr.superres.models.spec import METADATA_KEY
from cxr_sr.superres.models.zoo import load_model
from cxr_sr.superres.upscale import upscale
from tests.builders import radiograph, structure, tiny_model, tiny_network, write_png
from tests.superres.builders import ONE_THREAD, super_resolve

torch = pytest.importorskip("torch")

BAD = [float("nan"), float("inf"), -float("inf"), 3e38]
"""The last becomes infinite in stored values."""


def spoilt(folder, value: float, network: str = "trunk"):
    """A model whose files agree, and in which one weight is no use."""
    from safetensors.torch import load_file, save_file  # noqa: PLC0415

    model = tiny_model(folder, network)
    names = [k for k, v in tiny_network(network).state_dict().items() if v.ndim == 4]
    graph = onnx.load(model.onnx)
    state = load_file(model.safetensors)
    for name in names[-4:]:
        state[name].view(-1)[0] = value
    for tensor in graph.graph.initializer:
        if tensor.name.removeprefix("network.") in names[-4:]:
            weights = state[tensor.name.removeprefix("network.")].numpy()
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights, tensor.name))
    onnx.save(graph, model.onnx)
    save_file(state, model.safetensors, {METADATA_KEY: model.spec.to_json()})
    return load_model(folder)


@pytest.mark.parametrize("engine", PACKAGES)
@pytest.mark.parametrize("network", ["trunk", "hydra"])
@pytest.mark.parametrize("value", BAD)
def test_what_is_not_finite_is_a_failure(tmp_path, engine, network, value):
    pytest.importorskip(PACKAGES[engine])
    model = spoilt(tmp_path, value, network)
    with pytest.raises(EngineError, match=r"model 'tiny' gave values.*not finite"):
        open_engine(model, 2, engine, "fp32")(structure((1, 1, 20, 20)).astype("f4"))


@pytest.mark.parametrize("way", ["upscale", "super_resolve"])
def test_it_is_so_on_every_way_an_image_goes(tmp_path, way):
    model = spoilt(tmp_path, float("nan"))
    unit = structure((40, 50)).astype("f4")
    ways = {
        "upscale": lambda: upscale(radiograph(), model, 2, ONE_THREAD),
        "super_resolve": lambda: super_resolve(unit, model, 2, ONE_THREAD),
    }
    with pytest.raises(EngineError, match="not finite"):
        ways[way]()


def test_a_user_sees_a_failed_file_and_no_image(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    spoilt(folder, float("nan"))
    source = write_png(tmp_path / "a.png")
    given = [
        "upscale",
        str(source),
        "-o",
        str(tmp_path / "out"),
        "--model",
        str(folder),
    ]
    result = CliRunner().invoke(app, [*given, "--scale", "2"])
    assert result.exit_code == 5
    assert (
        "a.png: the network of model 'tiny' gave values that are not" in result.stderr
    )
    lines = (tmp_path / "out" / "cxr-sr-report.jsonl").read_text().splitlines()
    entry = json.loads(lines[1])
    assert (entry["status"], "not finite" in entry["reason"]) == ("failed", True)
    assert not list((tmp_path / "out").glob("*.png"))


class Fake:
    """An engine that gives a prepared answer, or dies."""

    name, precision, weights_sha256 = "fake", "fp32", ""
    footprint = Footprint()

    def __init__(self, gives):
        self.gives = gives

    def __call__(self, image):
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives(image)

    def release(self):
        """It has no memory."""


def checked(gives, folder):
    return Checked(Fake(gives), tiny_model(folder), 2)


@pytest.mark.parametrize("shape", [(1, 1, 8, 9), (1, 1, 16), (1, 2, 16, 18), (0,)])
def test_a_result_of_another_size_is_a_failure(tmp_path, shape):
    engine = checked(lambda _: np.zeros(shape, np.float32), tmp_path)
    with pytest.raises(EngineError, match="another size"):
        engine(np.zeros((1, 1, 8, 9), np.float32))


def test_what_a_runtime_raises_names_no_path(tmp_path):
    engine = checked(RuntimeError("at /home/somebody/engine.cpp:12"), tmp_path)
    with pytest.raises(EngineError, match=r"cannot run the network.*RuntimeError") as e:
        engine(np.zeros((1, 1, 8, 9), np.float32))
    assert "/home" not in str(e.value)
