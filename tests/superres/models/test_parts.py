"""All files of a model come from one training, and each describes itself."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file, save_file

from cxr_sr.errors import ModelError
from cxr_sr.files import sha256_of
from cxr_sr.superres.models.parts import MOST_BYTES, read_weights
from cxr_sr.superres.models.shipped import DATA, MORE_DATA
from cxr_sr.superres.models.spec import METADATA_KEY
from cxr_sr.superres.models.zoo import MODELS, WEIGHTS, load_model
from tests.builders import tiny_model, tiny_network, tiny_spec

torch = pytest.importorskip("torch")

from cxr_sr.training.quantise import quantised, without_rounding  # noqa: E402
from cxr_sr.training.weights import write_int8_weights, write_weights  # noqa: E402


def int8_model(folder: Path, seed: int = 0):
    """A run's three files."""
    folder.mkdir(exist_ok=True)
    trunk = quantised(tiny_network("trunk", seed=seed))
    trunk.train()(torch.rand(4, 1, 32, 32), 2)
    plain = without_rounding(trunk, tiny_network("trunk"))
    return write_int8_weights(trunk.eval(), plain, tiny_spec("trunk"), folder)


class TestTogether:
    def test_the_three_files_of_a_training_do(self, tmp_path):
        model = int8_model(tmp_path / "run")
        assert load_model(tmp_path / "run") == model

    @pytest.mark.parametrize("part", ["safetensors", "int8"])
    @pytest.mark.parametrize("network", ["trunk", "hydra"])
    def test_files_of_two_trainings_do_not(self, tmp_path, part, network):
        if network == "hydra" and part == "int8":
            pytest.skip("a hydra has none")
        one, other = tmp_path / "one", tmp_path / "other"
        one.mkdir()
        other.mkdir()
        if network == "trunk":
            models = int8_model(one), int8_model(other, seed=1)
        else:
            spec = tiny_spec(network)
            models = (
                tiny_model(one, network),
                write_weights(tiny_network(network, seed=1), spec, other),
            )
        shutil.copy(getattr(models[1], part), one)
        with pytest.raises(ModelError, match=r"do not belong together.*one training"):
            load_model(one)

    def test_one_changed_weight_is_enough(self, tmp_path):
        model = tiny_model(tmp_path)
        tensors = load_file(model.safetensors)
        tensors["end.weight"].flat[0] += 1e-4
        metadata = {METADATA_KEY: model.spec.to_json()}
        save_file(tensors, model.safetensors, metadata)
        with pytest.raises(ModelError, match="do not belong together"):
            load_model(tmp_path)

    def test_so_is_another_specification(self, tmp_path):
        """Other scales or another radius would be believed of the other engines."""
        model = tiny_model(tmp_path)
        tensors = load_file(model.safetensors)
        other = dataclasses.replace(model.spec, radius_px=1)
        save_file(tensors, model.safetensors, {METADATA_KEY: other.to_json()})
        with pytest.raises(ModelError, match="do not belong together"):
            load_model(tmp_path)

    @pytest.mark.parametrize("suffix", [".safetensors", ".int8.onnx"])
    def test_what_lies_beside_a_shipped_graph_is_the_shipped(self, tmp_path, suffix):
        for name in ("fine.onnx", f"fast{suffix}"):
            shutil.copy(load_model("fine").onnx.with_name(name), tmp_path)
        (tmp_path / f"fast{suffix}").rename(tmp_path / f"fine{suffix}")
        with pytest.raises(ModelError, match="do not belong together"):
            load_model(tmp_path)

    @pytest.mark.parametrize(
        "path", sorted(WEIGHTS.glob("*.int8.onnx")), ids=lambda p: p.name
    )
    def test_the_shipped_int8_graphs_are_near_their_networks(self, path):
        """They were trained further, so they are no mere rounding: a hash pins them."""
        plain, rounded = (
            {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
            for graph in (
                onnx.load(path.with_name(path.name.replace(".int8", ""))).graph,
                onnx.load(path).graph,
            )
        )
        compared = 0
        for name, values in plain.items():
            codes, steps = (rounded.get(f"{name}.{part}") for part in ("codes", "step"))
            if codes is None or steps is None or codes.shape != values.shape:
                continue
            restored = codes * steps.reshape(-1, *[1] * (codes.ndim - 1))
            assert np.corrcoef(restored.ravel(), values.ravel())[0, 1] > 0.99, name
            compared += 1
        assert compared > 5


class TestReading:
    def test_the_hash_is_of_the_bytes_that_were_read(self, tmp_path):
        path = tmp_path / "a.onnx"
        path.write_bytes(b"weights")
        weights = read_weights(path)
        assert (weights.content, weights.sha256) == (b"weights", sha256_of(path))

    def test_an_exchanged_file_is_noticed_when_it_is_opened(self, tmp_path):
        path = tmp_path / "a.onnx"
        path.write_bytes(b"weights")
        before = read_weights(path).sha256
        path.write_bytes(b"others")
        with pytest.raises(ModelError, match="exchanged during the run"):
            read_weights(path, before)

    @pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
    def test_ten_gigabytes_are_not_read(self, tmp_path, suffix):
        path = tmp_path / f"a{suffix}"
        path.touch()
        os.truncate(path, 10 * 2**30)
        with pytest.raises(ModelError, match=f"more than {MOST_BYTES >> 20} MiB"):
            read_weights(path)


def own(folder: Path, **changes):
    """Return the spec of a user's weights whose metadata `changes` alter."""
    model = tiny_model(folder)
    model.safetensors.unlink()
    graph = onnx.load(model.onnx)
    fields = json.loads(model.spec.to_json()) | changes
    onnx.helper.set_model_props(graph, {METADATA_KEY: json.dumps(fields)})
    onnx.save(graph, model.onnx)
    return load_model(folder).spec


class TestOwnWeights:
    """A user's weights state no licence and no training data of cxr-sr."""

    def test_an_unstated_licence_is_unstated(self, tmp_path):
        assert tiny_model(tmp_path).spec.licence == ""
        assert load_model(tmp_path).spec.licence == ""

    def test_ours_was_written_by_default_once(self, tmp_path):
        assert own(tmp_path, licence="Apache-2.0").licence == ""

    def test_a_stated_one_stays(self, tmp_path):
        assert own(tmp_path, licence="CC BY-NC 4.0").licence == "CC BY-NC 4.0"

    def test_metadata_kept_from_a_shipped_file_are_not_theirs(self, tmp_path):
        fine = json.loads(MODELS["fine"].to_json())
        spec = own(tmp_path, **{k: fine[k] for k in ("name", "training", "licence")})
        assert (spec.training, spec.licence) == ({}, "")

    def test_their_own_training_stays(self, tmp_path):
        training = {"data": [{"source": "clinic", "licence": "none", "n": 3}]}
        assert own(tmp_path, training=training).training == training

    def test_the_shipped_state_both(self):
        for spec in MODELS.values():
            assert spec.licence == "Apache-2.0"
            assert not spec.learned or spec.training["data"] in (DATA, MORE_DATA)

    @pytest.mark.parametrize("changes", [{"network": ""}, {"grid": "none"}])
    def test_a_file_without_a_network_is_no_model(self, tmp_path, changes):
        with pytest.raises(ModelError, match="names no network"):
            own(tmp_path, **changes)


def test_an_int8_graph_may_differ_by_its_rounding_alone(tmp_path):
    model = int8_model(tmp_path / "run")
    graph = onnx.load(model.int8)
    codes = next(t for t in graph.graph.initializer if t.name.endswith("weight.codes"))
    values = onnx.numpy_helper.to_array(codes).copy()
    values.flat[0] += np.int8(2) if values.flat[0] < 0 else np.int8(-2)
    codes.CopyFrom(onnx.numpy_helper.from_array(values, codes.name))
    onnx.save(graph, model.int8)
    with pytest.raises(ModelError, match="do not belong together"):
        load_model(tmp_path / "run")
