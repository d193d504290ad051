"""Exported files: any engine computes what torch does, and the bytes are stable."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from cxr_sr.errors import ModelError
from cxr_sr.files import sha256_of
from cxr_sr.superres.models.networks import NETWORKS, Hydra, build, load_network
from cxr_sr.superres.models.spec import METADATA_KEY, ModelSpec
from cxr_sr.superres.models.zoo import load_model
from cxr_sr.training import onnx as exporting
from cxr_sr.training.weights import write_weights
from tests.builders import tiny_model, tiny_network, tiny_spec

SCALES = (2, 3, 4, 8)


def run(path: Path, image: Tensor) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": image.numpy()}), strict=True))


def graph(path: Path) -> onnx.GraphProto:
    return onnx.load(path).graph


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 9, 40), (1, 61, 23)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_computes_what_torch_does(
    name: str, channels: int, shape: tuple[int, int, int], tmp_path: Path
):
    """They agree for any number of images, any height and any width."""
    model = tiny_model(tmp_path, name, channels)
    network = load_network(model)
    image = torch.rand(shape[0], channels, *shape[1:])
    found = run(model.onnx, image)
    for scale in SCALES:
        key = f"x{scale}" if network.grid == "input" else "residual"
        expected = network(image, scale).detach().numpy()
        assert np.abs(found[key] - expected).max() < 1e-4


@pytest.mark.parametrize("name", ["hydra", "vdsr"])
def test_a_network_at_output_size_has_one_output(name: str, tmp_path: Path):
    outputs = graph(tiny_model(tmp_path, name).onnx).output
    assert [output.name for output in outputs] == ["residual"]


def test_a_network_at_input_size_has_an_output_a_scale(tmp_path: Path):
    outputs = graph(tiny_model(tmp_path, "trunk").onnx).output
    assert [output.name for output in outputs] == ["x2", "x3", "x4", "x8"]


def test_only_the_trained_scales_are_there(tmp_path: Path):
    spec = dataclasses.replace(tiny_spec(), scales=(2, 4))
    model = write_weights(build(spec), spec, tmp_path)
    assert [output.name for output in graph(model.onnx).output] == ["x2", "x4"]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_weights_give_the_same_bytes(name: str, tmp_path: Path):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        tiny_model(tmp_path / folder, name)
    for file in ("tiny.onnx", "tiny.safetensors"):
        first, second = (tmp_path / f / file for f in ("first", "second"))
        assert first.read_bytes() == second.read_bytes()


def test_both_files_carry_the_specification(tmp_path: Path):
    spec = dataclasses.replace(tiny_spec(), training={"seed": 7})
    model = write_weights(tiny_network(), spec, tmp_path)
    properties = {p.key: p.value for p in onnx.load(model.onnx).metadata_props}
    with safe_open(model.safetensors, "pt") as file:
        from_safetensors = file.metadata()[METADATA_KEY]
    assert from_safetensors == properties[METADATA_KEY] == model.spec.to_json()
    assert ModelSpec.from_json(from_safetensors).training == {"seed": 7}


def test_the_specification_is_completed_from_the_network(tmp_path: Path):
    spec = tiny_model(tmp_path, "hydra").spec
    assert (spec.grid, spec.radius_px, spec.parameters) == ("output", 10, 395_715)


def test_the_hashes_are_those_of_the_files(tmp_path: Path):
    model = tiny_model(tmp_path)
    assert model.spec.sha256 == sha256_of(model.onnx)
    assert model.spec.safetensors_sha256 == sha256_of(model.safetensors)


def test_a_run_folder_loads_as_a_model(tmp_path: Path):
    model = tiny_model(tmp_path)
    loaded = load_model(tmp_path)
    assert loaded.onnx == model.onnx
    assert loaded.spec.network == "trunk"


def test_nothing_of_this_machine_is_in_the_files(tmp_path: Path):
    model = tiny_model(tmp_path)
    for path in (model.onnx, model.safetensors):
        content = path.read_bytes()
        assert str(tmp_path).encode() not in content
        assert str(Path(exporting.__file__).parent).encode() not in content


def test_every_layer_is_one_operator(tmp_path: Path):
    kinds = [node.op_type for node in graph(tiny_model(tmp_path, "hydra").onnx).node]
    assert kinds == ["BatchNormalization", *["Conv", "Relu"] * 6, "Conv"]


def test_a_layer_without_onnx_form_is_named(tmp_path: Path):
    network = Hydra()
    network.body.append(nn.Tanh())
    with pytest.raises(ModelError, match=r"network\.body\.12 has no ONNX form"):
        write_weights(network, tiny_spec("hydra"), tmp_path)


def test_a_graph_that_disagrees_with_torch_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(
        exporting.LAYERS, nn.ReLU, lambda _: exporting._Operation("Sigmoid")
    )
    with pytest.raises(ModelError, match="output residual differs from torch"):
        write_weights(tiny_network("vdsr"), tiny_spec("vdsr"), tmp_path)


def test_a_network_that_gives_no_number_is_refused(tmp_path: Path):
    network = tiny_network()
    nn.init.constant_(next(network.parameters()), float("nan"))
    with pytest.raises(ModelError, match="differs from torch by nan"):
        write_weights(network, tiny_spec(), tmp_path)
