"""Models are found by name or file, and nothing altered passes for them."""

import dataclasses
import hashlib
import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_sr.errors import ModelError
from cxr_sr.files import sha256_of
from cxr_sr.superres.models.shipped import INTERPOLATORS
from cxr_sr.superres.models.spec import METADATA_KEY, ModelSpec
from cxr_sr.superres.models.zoo import (
    MODELS,
    Model,
    load_model,
    refuse_pickle,
    verify,
)
from cxr_sr.superres.resample import KERNELS
from tests.builders import tiny_model

TRAINING = {"data": "NIH ChestX-ray8", "steps": 100, "scales": [2, 4], "loss": 0.6}


def spec_of(**changes):
    defaults = {
        "name": "ours",
        "summary": "A network.",
        "network": "trunk",
        "settings": {"width": 4, "depth": 2},
        "grid": "input",
        "radius_px": 5,
        "parameters": 1234,
        "training": TRAINING,
    }
    return ModelSpec(**{**defaults, **changes})


def write_onnx(path, metadata: dict[str, str]):
    """Write an ONNX file without nodes, which holds only metadata."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.helper.make_graph([], "nothing", [], [])
    model = onnx.helper.make_model(graph)
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def a_file(folder, **changes):
    """An ONNX file with a specification."""
    text = spec_of(**changes).to_json()
    return write_onnx(folder / "ours.onnx", {METADATA_KEY: text})


TEXTS = st.text(max_size=64).filter(str.isprintable)


class TestTable:
    def test_every_name_is_its_own_key(self):
        assert all(name == spec.name for name, spec in MODELS.items())

    def test_every_interpolator_has_a_kernel(self):
        assert set(INTERPOLATORS) == {"nearest", *KERNELS}
        assert not any(MODELS[name].learned for name in INTERPOLATORS)

    def test_only_the_interpolators_do_x1(self):
        for spec in MODELS.values():
            assert (1 in spec.scales) == (not spec.learned)

    @pytest.mark.parametrize("name", [n for n, s in MODELS.items() if s.learned])
    def test_a_shipped_model_states_all_a_caller_needs(self, name):
        spec = MODELS[name]
        assert spec.grid in ("input", "output")
        assert spec.radius_px > 0
        assert spec.parameters > 0
        assert len(spec.sha256) == len(spec.safetensors_sha256) == 64
        assert spec.training

    @pytest.mark.parametrize("name", MODELS)
    def test_every_model_is_there_and_unaltered(self, name):
        assert load_model(name).spec.name == name


HOSTILE = [
    json.dumps({"name": "a", "summary": "b", "scales": [2]} | change)
    for change in (
        {"name": 7},
        {"name": ["fine"]},
        {"name": "fi\nne"},
        {"name": "fi\x1b[31mne"},
        {"name": "n" * 10**6},
        {"summary": {"a": 1}},
        {"network": True},
        {"settings": "width"},
        {"settings": {"width": "48"}},
        {"settings": {"width": 10**9}},
        {"settings": {"depth": -2}},
        {"settings": {"depth": True}},
        {"scales": "2348"},
        {"scales": [2.0]},
        {"scales": [10**30]},
        {"scales": [2, 2]},
        {"scales": [[2]]},
        {"scales": None},
        {"channels": 0},
        {"channels": "1"},
        {"channels": [1]},
        {"grid": "elsewhere"},
        {"grid": ["input"]},
        {"radius_px": -1},
        {"radius_px": 10**9},
        {"radius_px": 1.5},
        {"parameters": "many"},
        {"int8_limit": -1.0},
        {"int8_limit": float("nan")},
        {"int8_limit": float("inf")},
        {"int8_limit": "0.5"},
        {"training": [1]},
        {"licence": 7},
        {"licence": "a\rb"},
    )
]
HOSTILE += ["[" * 100_000, "1" * 10**4, '"text"', "null"]
"""Specifications whose fields have another type or no sane value."""


class TestJson:
    def test_it_comes_back_as_it_was(self):
        spec = spec_of()
        assert ModelSpec.from_json(spec.to_json()) == spec

    @given(
        st.builds(
            ModelSpec,
            name=TEXTS,
            summary=TEXTS,
            network=TEXTS,
            settings=st.dictionaries(st.text(), st.integers(0, 1024)),
            scales=st.lists(st.integers(0, 16), unique=True, max_size=16).map(tuple),
            channels=st.sampled_from([1, 3]),
            grid=st.sampled_from(["input", "output", "none"]),
            training=st.dictionaries(st.text(), st.text() | st.integers()),
        )
    )
    def test_any_specification_does(self, spec):
        assert ModelSpec.from_json(spec.to_json()) == spec

    def test_the_files_hashes_are_left_out_since_they_would_change_themselves(self):
        spec = spec_of(sha256="a" * 64, safetensors_sha256="b" * 64)
        assert ModelSpec.from_json(spec.to_json()) == spec_of()

    def test_the_order_of_the_fields_is_fixed(self):
        fields = list(json.loads(spec_of().to_json()))
        assert fields == sorted(fields)

    def test_fields_with_defaults_may_be_missing(self):
        text = '{"name": "a", "summary": "b", "scales": [2, 4]}'
        assert ModelSpec.from_json(text) == ModelSpec("a", "b", scales=(2, 4))

    BAD = (
        pytest.param("", id="nothing"),
        pytest.param("{", id="half of it"),
        pytest.param("[]", id="a list"),
        pytest.param("7", id="a number"),
        pytest.param("{}", id="no fields"),
        pytest.param('{"name": "a", "summary": "b"}', id="no scales"),
        pytest.param('{"summary": "b", "scales": [2]}', id="no name"),
        pytest.param('{"name": "a", "summary": "b", "scales": 2}', id="one scale"),
        pytest.param(
            '{"name": "a", "summary": "b", "scales": [2], "taste": "sweet"}',
            id="a field of another version",
        ),
        *(pytest.param(text, id=text[:20]) for text in HOSTILE),
    )

    @pytest.mark.parametrize("text", BAD)
    def test_anything_else_is_no_specification(self, text):
        with pytest.raises(ModelError, match="not a model specification"):
            ModelSpec.from_json(text)


class TestByFile:
    def test_the_specification_is_read_and_the_hash_is_the_files(self, tmp_path):
        path = a_file(tmp_path)
        model = load_model(path)
        expected = hashlib.sha256(path.read_bytes()).hexdigest()
        assert model == Model(spec_of(sha256=expected), path)

    def test_text_and_path_are_the_same(self, tmp_path):
        path = a_file(tmp_path)
        assert load_model(str(path)) == load_model(path)

    def test_the_safetensors_file_stands_for_the_onnx_beside_it(self, tmp_path):
        path = a_file(tmp_path)
        model = load_model(path.with_suffix(".safetensors"))
        assert model.onnx == path
        assert model.safetensors == tmp_path / "ours.safetensors"

    def test_so_does_the_folder(self, tmp_path):
        path = a_file(tmp_path)
        assert load_model(tmp_path).onnx == path

    def test_a_training_leaves_files_that_load(self, tmp_path):
        pytest.importorskip("torch")
        written = tiny_model(tmp_path)
        loaded = load_model(tmp_path)
        assert loaded == written
        assert (loaded.spec.grid, loaded.spec.radius_px) == ("input", 5)

    @pytest.mark.parametrize("int8", [True, False])
    def test_a_copy_of_shipped_weights_is_treated_as_they_are(self, tmp_path, int8):
        """The metadata in the file may be older than the package's facts about it."""
        shipped = load_model("fine")
        for path in [shipped.onnx, shipped.int8][: 1 + int8]:
            shutil.copy(path, tmp_path)
        sha256 = shipped.spec.int8_sha256 if int8 else ""
        expected = dataclasses.replace(
            shipped.spec, int8_sha256=sha256, safetensors_sha256="", clean=None
        )
        assert load_model(tmp_path).spec == expected

    def test_a_copy_has_the_weights_for_images_without_noise_that_lie_beside(
        self, tmp_path
    ):
        shipped = load_model("fine")
        for path in (path for part in shipped.parts for path in part.hashes):
            shutil.copy(path, tmp_path)
        assert load_model(tmp_path).spec == shipped.spec
        assert load_model(tmp_path).clean.onnx == tmp_path / "fine-clean.onnx"
        alone = load_model(tmp_path / "fine-clean.onnx")
        assert alone.spec == shipped.spec.clean
        assert alone.clean == alone

    def test_other_weights_beside_a_copy_are_refused(self, tmp_path):
        shipped = load_model("fine")
        shutil.copy(shipped.onnx, tmp_path)
        shutil.copy(load_model("fast").onnx, tmp_path / "fine-clean.onnx")
        with pytest.raises(ModelError, match=r"fine-clean\.onnx has SHA-256"):
            load_model(tmp_path)

    def test_a_retired_model_is_named_with_its_heir(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ModelError, match=r"no model fine-bicubic any more: fine "):
            load_model("fine-bicubic")

    @pytest.mark.parametrize("name", ["hydrra", "no/such/file.onnx", "HYDRA"])
    def test_what_is_not_there_is_named_with_what_is(self, tmp_path, monkeypatch, name):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ModelError, match=name.rpartition("/")[2]):
            load_model(name)

    def test_an_unknown_name_lists_the_known(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ModelError, match=r"no model is called 'best'.*bicubic"):
            load_model("best")

    def test_an_empty_folder_holds_no_model(self, tmp_path):
        with pytest.raises(ModelError, match=r"holds no \.onnx file"):
            load_model(tmp_path)

    @pytest.mark.parametrize("suffix", [".safetensors", ".bin", ""])
    def test_without_its_onnx_file_there_is_no_model(self, tmp_path, suffix):
        path = tmp_path / f"ours{suffix}"
        path.write_bytes(b"weights")
        with pytest.raises(ModelError, match=r"needs ours\.onnx beside it"):
            load_model(path)

    @pytest.mark.parametrize("suffix", [".pth", ".PT", ".ckpt"])
    def test_a_name_of_pytorchs_is_enough_to_refuse_it(self, tmp_path, suffix):
        path = tmp_path / f"ours{suffix}"
        path.write_bytes(b"weights")
        with pytest.raises(ModelError, match="Pickles are never loaded"):
            load_model(path)

    @pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04pickle", b"\0" * 99])
    def test_a_file_that_is_not_onnx_is_refused(self, tmp_path, content):
        path = tmp_path / "ours.onnx"
        path.write_bytes(content)
        with pytest.raises(ModelError, match="cxr-sr train"):
            load_model(path)

    def test_so_is_half_of_one(self, tmp_path):
        path = a_file(tmp_path)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(ModelError, match="cxr-sr train"):
            load_model(path)

    METADATA = (
        pytest.param({}, id="none"),
        pytest.param({"other": "{}"}, id="another tool's"),
        pytest.param({METADATA_KEY: "{}"}, id="empty"),
        pytest.param({METADATA_KEY: '{"new": 1}'}, id="of another version"),
    )

    @pytest.mark.parametrize("metadata", METADATA)
    def test_so_is_one_with_other_metadata(self, tmp_path, metadata):
        path = write_onnx(tmp_path / "ours.onnx", metadata)
        with pytest.raises(ModelError, match="not a model specification"):
            load_model(path)

    def test_messages_name_the_file_but_not_its_folder(self, tmp_path):
        path = tmp_path / "ours.onnx"
        with pytest.raises(ModelError, match=r"ours\.onnx") as error:
            load_model(path)
        assert str(tmp_path) not in str(error.value)


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A model of the zoo, with its two files."""
    path = a_file(tmp_path)
    path.with_suffix(".safetensors").write_bytes(b"weights")
    hashes = [sha256_of(path.with_suffix(s)) for s in (".onnx", ".safetensors")]
    spec = spec_of(sha256=hashes[0], safetensors_sha256=hashes[1])
    monkeypatch.setitem(MODELS, "ours", spec)
    monkeypatch.setattr("cxr_sr.superres.models.zoo.WEIGHTS", tmp_path)
    return Model(spec, path)


class TestShipped:
    def test_it_is_found_by_its_name(self, shipped):
        assert load_model("ours") == shipped
        verify(shipped)

    @pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
    def test_one_changed_byte_is_noticed(self, shipped, suffix):
        path = shipped.onnx.with_suffix(suffix)
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        with pytest.raises(ModelError, match=f"ours{suffix} has SHA-256 .*altered"):
            load_model("ours")

    @pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
    def test_a_missing_file_is_noticed(self, shipped, suffix):
        shipped.onnx.with_suffix(suffix).unlink()
        with pytest.raises(ModelError, match=f"ours{suffix} cannot be read"):
            load_model("ours")


def test_the_hash_is_sha256_of_the_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert sha256_of(path).startswith("ba7816bf8f01cfea414140de5dae2223")


class TestOtherFiles:
    """The message names the kind of a file that holds no weights."""

    @pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".bin", ".safetensors"])
    @pytest.mark.parametrize("zipped", [True, False])
    def test_a_pickle_is_told_that_pickles_are_never_loaded(
        self, tmp_path, suffix, zipped
    ):
        torch = pytest.importorskip("torch")
        path = tmp_path / f"net{suffix}"
        state = {"weight": torch.zeros(2)}
        torch.save(state, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(ModelError, match=r"is a pickle.*never loaded"):
            load_model(path)

    def test_safetensors_whose_length_begins_as_a_pickle_does_are_none(self, tmp_path):
        path = tmp_path / "net.safetensors"
        path.write_bytes((640).to_bytes(8, "little") + b"{" + b" " * 639)
        refuse_pickle(path)

    def test_a_file_without_the_graph_beside_it_is_told_so(self, tmp_path):
        path = tmp_path / "net.safetensors"
        path.write_bytes(bytes(100))
        with pytest.raises(ModelError, match=r"is there, but .* needs net\.onnx"):
            load_model(path)

    def test_a_near_miss_is_told_the_name(self):
        with pytest.raises(ModelError, match="did you mean 'hydra'"):
            load_model("hidra")
