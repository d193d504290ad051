"""`upscale` takes a model by name; a wrong argument gets the expected values."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

import cxr_sr
from cxr_sr.errors import ModelError, SettingsError
from cxr_sr.superres import arguments
from cxr_sr.superres.models import zoo
from cxr_sr.superres.models.zoo import load_model
from tests.builders import radiograph


@pytest.fixture
def verified(monkeypatch):
    """The names of the models whose weights were hashed."""
    arguments._shipped.cache_clear()
    names: list[str] = []
    monkeypatch.setattr(zoo, "verify", lambda model: names.append(model.spec.name))
    yield names
    arguments._shipped.cache_clear()


@pytest.mark.parametrize("name", ["bicubic", "fast"])
def test_a_name_is_as_good_as_the_loaded_model(name):
    image = radiograph()
    by_name, by_model = (cxr_sr.upscale(image, m, 2) for m in (name, load_model(name)))
    assert np.array_equal(by_name.pixels, by_model.pixels)


def test_a_weights_file_is_taken_by_its_path_and_by_its_name(tmp_path):
    shipped = load_model("fast").onnx
    file = tmp_path / "ours.onnx"
    file.write_bytes(shipped.read_bytes())
    image = radiograph()
    results = [cxr_sr.upscale(image, m, 2).pixels for m in (file, str(file), "fast")]
    settings = cxr_sr.Settings(precision="fp32")
    expected = cxr_sr.upscale(image, "fast", 2, settings).pixels
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], expected)


def test_the_weights_are_verified_once_however_many_images_there_are(verified):
    for _ in range(3):
        arguments.model_of("fast")
    assert verified == ["fast"]


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (np.zeros((4, 4), np.uint16), "from_array"),
        (Dataset(), "from_dataset"),
        ("chest.dcm", "read"),
        (None, "read"),
    ],
)
def test_another_image_is_told_how_to_become_a_radiograph(given, remedy):
    with pytest.raises(SettingsError, match=rf"expected a Radiograph: cxr_sr.{remedy}"):
        cxr_sr.upscale(given, "fine")


@pytest.mark.parametrize("given", [None, 2, load_model("fine").spec])
def test_another_model_is_told_which_there_are(given):
    with pytest.raises(SettingsError, match=r"expected a name .*fine.*load_model"):
        cxr_sr.upscale(radiograph(), given)


def test_a_misspelt_model_is_told_the_right_spelling():
    with pytest.raises(ModelError, match="did you mean 'fine'"):
        cxr_sr.upscale(radiograph(), "fien")


@pytest.mark.parametrize("given", [np.int64(2), np.uint8(2)])
def test_a_scale_may_be_one_of_numpys_numbers(given):
    assert cxr_sr.upscale(radiograph(), "bicubic", given).shape == (80, 72)


@pytest.mark.parametrize("given", [2.0, "2", None, True, (2, 2)])
def test_another_target_is_told_what_one_is(given):
    with pytest.raises(SettingsError, match="expected a whole factor"):
        cxr_sr.upscale(radiograph(), "bicubic", given)
