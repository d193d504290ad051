"""A head is found by name or file; a wrong or damaged file is refused."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from cxr_sr import from_array, read
from cxr_sr.errors import ModelError, NotARadiographError
from cxr_sr.superres.models.zoo import MODELS, load_model
from cxr_sr.tasks.evaluate import measure_images
from cxr_sr.tasks.heads import SHIPPED, load_head
from cxr_sr.tasks.infer import region
from cxr_sr.tasks.labels import Labels
from cxr_sr.tasks.spec import METADATA_KEY, HeadSpec
from tests.builders import tiny_model
from tests.tasks.builders import chest, trained_full


def test_a_head_says_what_it_is(masker: Path):
    spec = load_head(masker).spec
    assert (spec.name, spec.kind, spec.classes) == ("tiny", "segmentation", ("lungs",))
    assert (spec.trunk, spec.trunk_weights) == ("fast", "shipped")
    assert spec.trunk_sha256 == MODELS["fast"].safetensors_sha256
    assert spec.training["data"][0]["licence"] == "CC BY 4.0"
    assert load_head(masker / "tiny.onnx").spec == spec
    assert load_head(masker / "tiny.safetensors").spec == spec


def test_a_head_without_its_trunk_is_refused(sharer: Path, tmp_path: Path):
    run = shutil.copytree(sharer, tmp_path / "run")
    trunk = load_head(run).trunk
    assert trunk is not None
    assert trunk.onnx.parent == run / "trunk"
    tiny_model(run / "trunk", "trunk")
    with pytest.raises(ModelError, match=r"in the folder trunk.*the whole run folder"):
        load_head(run / "tiny.onnx")
    shutil.rmtree(run / "trunk")
    with pytest.raises(ModelError, match=r"in the folder trunk.*the whole run folder"):
        load_head(run)


def test_a_trunk_of_an_earlier_version_still_works(tmp_path: Path, monkeypatch):
    """The head keeps the int8 weights that the model had then."""
    run = trained_full(tmp_path, "fast", max_steps=2)
    image = from_array(chest(3))
    before = region(image, load_head(run))
    newer = dataclasses.replace(MODELS["fast"], int8_sha256="0" * 64)
    monkeypatch.setattr("cxr_sr.superres.models.zoo.TRAINED", (newer,))
    monkeypatch.setitem(MODELS, "fast", newer)
    assert np.array_equal(region(image, load_head(run)), before)


def test_no_other_model_is_taken_for_a_head():
    with pytest.raises(ModelError, match="is no head of a task"):
        load_head(load_model("fast").onnx)


def test_a_missing_head_is_told(tmp_path: Path):
    with pytest.raises(ModelError, match="no head has the name 'heart'"):
        load_head("heart")
    with pytest.raises(ModelError, match=r"holds no \.onnx file"):
        load_head(tmp_path)


def test_a_pickle_is_never_loaded(tmp_path: Path):
    pickle = tmp_path / "head.onnx"
    pickle.write_bytes(b"\x80\x04}.")
    with pytest.raises(ModelError, match="is a pickle"):
        load_head(pickle)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ("a", "b")},
        {"kind": "detection"},
        {"size_px": -3},
        {"size_px": 10**9},
        {"classes": ()},
        {"training": "x"},
        {"maps": -1},
        {"maps": 3},
    ],
)
def test_a_head_that_says_otherwise_of_itself_is_refused(
    masker: Path, tmp_path: Path, change
):
    file = shutil.copy(masker / "tiny.onnx", tmp_path)
    model = onnx.load(file)
    spec = HeadSpec.from_json(model.metadata_props[0].value)
    assert model.metadata_props[0].key == METADATA_KEY
    text = dataclasses.replace(spec, **change).to_json()
    model.metadata_props[0].value = text
    onnx.save(model, file)
    with pytest.raises(ModelError):
        load_head(file)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shipped_is_whole(name: str):
    spec = load_head(name).spec
    assert spec.name == name
    assert spec.licence
    assert spec.training["data"]


def test_the_lungs_are_found(shared_cxr: Path):
    """The head also finds them on films of other makers, at any size.

    Two lungs lie left and right of the middle, and cover a fifth to a half of a chest.
    """
    head = load_head("lungs")
    for path in sorted(shared_cxr.glob("nih_*_000.png"))[:6]:
        try:
            radiograph = read(path)
        except NotARadiographError:
            continue
        mask = region(radiograph, head)
        half = mask.shape[1] // 2
        left, right = mask[:, :half].mean(), mask[:, half:].mean()
        assert 0.12 < mask.mean() < 0.5, path.name
        assert min(left, right) > 0.3 * max(left, right), path.name


def test_the_masks_it_was_trained_with_are_met(shared_cxr: Path):
    folder = shared_cxr.parent / "lungs"
    labels = Labels.read(folder / "lungs.csv", "segmentation", "lungs=mask", "none")
    measured = [
        m
        for e in measure_images(labels.rows[::8], load_head("lungs"), [0])
        for m in e.measured
    ]
    assert all(m.seen for m in measured)
    assert min(m.values["dice"] for m in measured) > 0.9
