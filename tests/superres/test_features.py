"""The trunk's feature map, for heads of other tasks."""

import pytest
import torch

from cxr_sr.errors import SettingsError
from cxr_sr.superres.features import features
from cxr_sr.superres.models.networks import Hydra, Trunk, load_network
from cxr_sr.superres.models.zoo import load_model
from tests.builders import noise, pixel_format, radiograph


def test_the_shipped_trunk_sees_the_whole_image_at_its_own_size():
    image = radiograph(noise((20, 31)))
    found = features(image, load_network(load_model("fine")))
    assert found.shape == (48, 20, 31)
    assert bool(found.any())


def test_the_tails_make_the_residual_of_it():
    image = radiograph(noise((12, 15), pixel_format(8)), pixel_format(8))
    network = Trunk(4, 2)
    unit = torch.from_numpy(image.pixels / 255.0).float()[None, None]
    expected = network(unit, 2)
    found = network.tails["x2"](features(image, network)[None])
    assert torch.allclose(found, expected, atol=1e-6)


def test_the_level_does_not_matter():
    network = Trunk(4, 2)
    low = noise((12, 15), pixel_format(8)).astype("uint16")
    one, two = (features(radiograph(low + level), network) for level in (100, 3000))
    assert torch.allclose(one, two, atol=1e-5)


def test_gradients_reach_the_first_layer():
    network = Trunk(4, 2)
    features(radiograph(), network).square().sum().backward()
    assert network.first.weight.grad is not None
    assert bool(network.first.weight.grad.any())


def test_what_has_no_trunk_is_refused():
    with pytest.raises(SettingsError, match="hydra works at output size"):
        features(radiograph(), Hydra())


def test_other_planes_are_refused():
    with pytest.raises(SettingsError, match="takes 3 plane"):
        features(radiograph(), Trunk(4, 2, channels=3))
