"""The feature maps of a trunk: in torch, and averaged in the pass of `upscale`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cxr_sr.errors import SettingsError
from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.budget import tiles_of
from cxr_sr.superres.engines import PACKAGES
from cxr_sr.superres.features import features
from cxr_sr.superres.maps import Maps
from cxr_sr.superres.models.networks import Hydra, Trunk, load_network
from cxr_sr.superres.models.zoo import Model, load_model
from cxr_sr.superres.settings import resolved
from cxr_sr.superres.upscale import fill_maps, open_chain, upscale, with_maps
from tests.builders import noise, pixel_format, radiograph, tiny_model
from tests.superres.builders import ONE_THREAD

SHAPE = (96, 130)
TILES = dataclasses.replace(ONE_THREAD, tile_px=40, threads=2)


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


def image() -> Radiograph:
    return radiograph(noise(SHAPE), window=(500.0, 3000.0))


def shared(model: Model, grid: tuple[int, int] = (12, 13), **changes: Any) -> Maps:
    """The maps that `upscale` gives."""
    settings = resolved(dataclasses.replace(TILES, **changes), model)
    name = model.spec.weights_sha256(settings.engine, settings.precision)
    maps = Maps(SHAPE, grid, frozenset({name}))
    upscale(image(), model, 3, settings, maps)
    return maps


def values(maps: Maps) -> NDArray[np.float32]:
    assert maps.values is not None
    return maps.values


def expected(model: Model, grid: tuple[int, int]) -> NDArray[Any]:
    """The means of whole blocks of the maps that torch computes in one piece."""
    with torch.inference_mode():
        found = features(image(), load_network(model)).abs().numpy()
    rows, columns = (n // g for n, g in zip(SHAPE, grid, strict=True))
    blocks = found.reshape(len(found), grid[0], rows, grid[1], columns)
    return np.asarray(blocks.mean((2, 4)))


@pytest.mark.parametrize("engine", PACKAGES)
@pytest.mark.parametrize("network", ["trunk", "told"])
def test_the_maps_are_the_means_of_the_features(tmp_path, engine, network):
    pytest.importorskip(PACKAGES[engine])
    model = tiny_model(tmp_path, network)
    found = shared(model, engine=engine)
    truth = expected(model, (12, 13))
    assert found.values is not None
    assert found.values.shape == truth.shape
    assert np.allclose(found.values, truth, rtol=1e-4, atol=1e-5 * truth.max())
    assert found.saved_s > 0


def test_a_cell_may_be_smaller_than_a_pixel_or_cut_one(tmp_path):
    model = tiny_model(tmp_path)
    fine = values(shared(model, (192, 260), engine="onnx"))
    every = values(shared(model, SHAPE, engine="onnx"))
    assert np.allclose(fine, every.repeat(2, 1).repeat(2, 2), rtol=1e-5)
    cut = values(shared(model, (7, 9), engine="onnx"))
    part = every[:, 96 * 2 // 7 : 96 * 3 // 7, 130 * 4 // 9 : 130 * 5 // 9]
    assert np.allclose(cut[:, 2, 4], part.mean((1, 2)), rtol=1e-4)


@pytest.mark.parametrize("name", ["tiny", "fast"])
def test_alone_they_are_the_same(tmp_path, name):
    """`fast` runs in int8 where it can."""
    model = tiny_model(tmp_path, "told") if name == "tiny" else load_model(name)
    together, alone = shared(model), Maps(SHAPE, (12, 13))
    fill_maps(image(), model, ONE_THREAD, [alone])
    difference = np.abs(values(together) - values(alone)).max()
    assert difference <= 1e-4 * values(alone).max()


@pytest.mark.parametrize("name", ["tiny", "fast"])
def test_the_result_does_not_change(tmp_path, name):
    model = tiny_model(tmp_path, "told") if name == "tiny" else load_model(name)
    settings = resolved(TILES, model)
    weights = model.spec.weights_sha256(settings.engine, settings.precision)
    maps = Maps(SHAPE, (5, 6), frozenset({weights}))
    one = upscale(image(), model, 2, settings, maps)
    other = upscale(image(), model, 2, settings)
    assert maps.values is not None
    assert np.array_equal(one.pixels, other.pixels)


def test_other_weights_give_no_maps(tmp_path: Path):
    model = tiny_model(tmp_path)
    maps = Maps(SHAPE, (12, 13), frozenset({load_model("fast").spec.sha256}))
    upscale(image(), model, 2, TILES, maps)
    upscale(image(), "bicubic", 2, TILES, maps)
    assert maps.values is None
    assert maps.saved_s == 0


def test_the_maps_count_as_memory(tmp_path):
    model = tiny_model(tmp_path)
    settings = dataclasses.replace(ONE_THREAD, engine="onnx", max_memory_mb=300)
    plain = open_chain(model, 2, settings)
    chains = plain, with_maps(plain, model, settings)
    areas = []
    for chain in chains:
        core = next(iter(tiles_of((3000, 3000), chain, settings))).core
        areas.append((core[0].stop - core[0].start) * (core[1].stop - core[1].start))
    assert areas[1] < areas[0]
