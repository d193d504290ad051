"""Cut into tiles or in one piece, the chain computes the same."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_sr.errors import EngineError, SettingsError
from cxr_sr.superres.chain import NOTHING_KNOWN, Chain, Whole
from cxr_sr.superres.consistency import project
from cxr_sr.superres.models.graph import Footprint
from cxr_sr.superres.models.shipped import INTERPOLATORS
from cxr_sr.superres.models.spec import ModelSpec
from cxr_sr.superres.models.zoo import MODELS, Model, load_model
from cxr_sr.superres.noise import Noise
from cxr_sr.superres.resample import KERNELS, box_down, upsample
from cxr_sr.superres.tiling import tiles_over
from tests.builders import structure, tiny_model, tiny_network, tiny_spec

SCALES = [2, 3, 4, 8]
CONSISTENCY = ["off", "box", "bicubic"]
NETWORKS = ["trunk", "told", "hydra", "vdsr"]
NOISY = Whole(noise=Noise((0.2, 0.6), (0.02, 0.08), 0.3))


class TorchEngine:
    """A network in memory that computes in the precision of its input."""

    name = "torch"
    precision = "fp64"
    weights_sha256 = ""
    footprint = Footprint()

    def __init__(self, network, scale):
        self.network, self.scale = network.double(), scale

    def __call__(self, image):
        import torch  # noqa: PLC0415 - most tests here need none

        with torch.inference_mode():
            tensor = torch.from_numpy(np.ascontiguousarray(image)).double()
            return self.network(tensor, self.scale).numpy().astype(image.dtype)

    def release(self):
        """Torch frees its tensors after each call."""


class Unused:
    """An engine that is there, but must not be run."""

    name = "unused"
    precision = "fp32"
    weights_sha256 = ""
    footprint = Footprint()

    def __call__(self, image):
        raise AssertionError(image.shape)

    def release(self):
        raise AssertionError


def thin(network, width=2):
    """Cut all convolutions but a trunk's to a few channels of the same liveliness."""
    import torch  # noqa: PLC0415 - most tests here need none

    wide = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    for layer in wide if network.grid == "output" else []:
        out, into, *_ = layer.weight.shape
        gain = (into / min(into, width)) ** 0.5
        layer.out_channels = out if out == network.channels else width
        weight = layer.weight[: layer.out_channels, :width] * gain
        layer.weight = torch.nn.Parameter(weight)
        if layer.bias is not None:
            layer.bias = torch.nn.Parameter(layer.bias[: layer.out_channels])
    return network


def convolve_in_order(image, weight, bias=None, _stride=1, padding=0, dilation=1, *_):
    """Compute conv2d as sums over channels and taps in one fixed order.

    torch leaves float64 convolutions to a matrix product whose order of summation
    depends on the size of the image, so that its last bit does too.
    """
    import torch  # noqa: PLC0415 - most tests here need none

    pad, step = np.max(padding), np.max(dilation)
    padded = torch.nn.functional.pad(image, [pad] * 4)
    h, w = (side - 2 * step for side in padded.shape[-2:])
    total = torch.zeros((len(image), len(weight), h, w), dtype=image.dtype)
    for channel, i, j in np.ndindex(*weight.shape[1:]):
        rows, columns = slice(i * step, i * step + h), slice(j * step, j * step + w)
        part = padded[:, channel : channel + 1, rows, columns]
        total += part * weight[:, channel, i, j].reshape(-1, 1, 1)
    return total if bias is None else total + bias.reshape(-1, 1, 1)


def chain_of(name, scale, consistency="box", network=None):
    """A chain around an interpolator, or around a network in memory."""
    if name in INTERPOLATORS:
        return Chain(MODELS[name], scale, None, consistency)
    network = network or thin(tiny_network(name))
    spec = dataclasses.replace(
        tiny_spec(name), grid=network.grid, radius_px=network.radius_px
    )
    return Chain(spec, scale, TorchEngine(network, scale), consistency)


def in_tiles(chain, unit, tile_px, halo_px=None, whole=NOTHING_KNOWN):
    """Return the result of `chain` for `unit` (C, H, W), computed in tiles."""
    scale = chain.scale
    halo_px = chain.halo_px if halo_px is None else halo_px
    planes, rows, columns = unit.shape
    result = np.full((planes, rows * scale, columns * scale), np.nan, unit.dtype)
    for tile in tiles_over((rows, columns), tile_px, halo_px):
        fine = chain(unit[:, *tile.padded], whole).image
        result[:, *tile.target(scale)] = fine[:, *tile.inner(scale)]
    return result


@pytest.fixture
def ordered(monkeypatch):
    """Convolutions in a fixed order of summation, on one thread."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(torch.nn.functional, "conv2d", convolve_in_order)
    yield
    torch.set_num_threads(threads)


class TestTiledIsWhole:
    """The bits are equal wherever the arithmetic does not depend on sizes."""

    @given(
        st.sampled_from([*INTERPOLATORS]),
        st.sampled_from(SCALES),
        st.sampled_from(CONSISTENCY),
        st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(3, 50)),
        st.sampled_from([np.float32, np.float64]),
    )
    @settings(max_examples=60, deadline=None)
    def test_interpolators(self, name, scale, consistency, sides, dtype):
        rows, columns, tile_px = sides
        chain = chain_of(name, scale, consistency)
        unit = structure((2, rows, columns)).astype(dtype)
        assert np.array_equal(in_tiles(chain, unit, tile_px), chain(unit).image)

    @pytest.mark.parametrize("scale", SCALES)
    @pytest.mark.parametrize("consistency", ["off", "box"])
    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.usefixtures("ordered")
    def test_every_network(self, name, scale, consistency):
        chain = chain_of(name, scale, consistency)
        unit = structure((1, 35, 31) if scale < 4 else (1, 30, 8))
        assert np.array_equal(in_tiles(chain, unit, 11), chain(unit).image)

    @given(
        st.sampled_from([*INTERPOLATORS]),
        st.sampled_from(SCALES),
        st.sampled_from([None, 0.0, 0.3, 1.0]),
        st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(3, 50)),
    )
    @settings(max_examples=40, deadline=None)
    def test_with_noise_estimated_once(self, name, scale, grain, sides):
        """Every tile uses the noise of the whole image."""
        rows, columns, tile_px = sides
        chain = dataclasses.replace(chain_of(name, scale, "noise"), grain=grain)
        unit = structure((2, rows, columns)).astype(np.float32)
        tiled = in_tiles(chain, unit, tile_px, whole=NOISY)
        assert np.array_equal(tiled, chain(unit, NOISY).image)

    @pytest.mark.parametrize("scale", SCALES)
    @pytest.mark.usefixtures("ordered")
    def test_a_network_that_is_told_the_noise(self, scale):
        chain = chain_of("told", scale, "noise")
        unit = structure((1, 40, 31) if scale < 4 else (1, 36, 8))
        tiled = in_tiles(chain, unit, 11, whole=NOISY)
        assert np.array_equal(tiled, chain(unit, NOISY).image)
        assert not np.array_equal(tiled, chain(unit).image)

    @pytest.mark.usefixtures("ordered")
    def test_with_the_far_sighted_bicubic_projection(self):
        chain = chain_of("trunk", 2, "bicubic")
        unit = structure((1, 70, 40))
        assert np.array_equal(in_tiles(chain, unit, 35), chain(unit).image)

    @pytest.mark.parametrize("name", NETWORKS)
    def test_networks_at_their_full_width_to_the_last_bits(self, name):
        """torch's own float64 convolutions; see `convolve_in_order`."""
        pytest.importorskip("torch")
        chain = chain_of(name, 2, network=tiny_network(name))
        unit = structure((1, 33, 5))
        difference = in_tiles(chain, unit, 11) - chain(unit).image
        assert np.abs(difference).max() < 1e-12

    @pytest.mark.parametrize("scale", SCALES)
    def test_float32_in_onnx_runtime_to_its_rounding(self, tmp_path, scale):
        pytest.importorskip("torch")
        chain = Chain.open(tiny_model(tmp_path), scale, "box", "onnx")
        unit = structure((1, 35, 31)).astype(np.float32)
        difference = in_tiles(chain, unit, 11) - chain(unit).image
        assert np.abs(difference).max() < 1e-5

    @pytest.mark.parametrize("name", [*KERNELS, *NETWORKS])
    @pytest.mark.usefixtures("ordered")
    def test_with_a_narrower_halo_they_differ(self, name):
        chain = chain_of(name, 2)
        unit = np.random.default_rng(0).random((1, 70, 40))
        narrow = in_tiles(chain, unit, 35, chain.halo_px - 1, NOISY)
        assert not np.array_equal(narrow, chain(unit, NOISY).image)


class TestChain:
    @pytest.mark.parametrize("name", ["trunk", "hydra"])
    @pytest.mark.parametrize("scale", SCALES)
    def test_it_is_the_bicubic_image_and_the_residual_projected(self, name, scale):
        pytest.importorskip("torch")
        chain = chain_of(name, scale)
        unit = structure((1, 9, 8))
        base = upsample(unit, scale)
        image = unit if name == "trunk" else base
        residual = chain.engine(image[None])[0]
        assert np.abs(residual).max() > 0.01
        expected = project(base + residual, unit, scale)
        np.testing.assert_allclose(chain(unit).image, expected, atol=1e-12)

    @pytest.mark.parametrize("name", INTERPOLATORS)
    def test_an_interpolator_is_just_that(self, name):
        unit = structure((1, 9, 8))
        assert np.array_equal(
            chain_of(name, 3, "off")(unit).image, upsample(unit, 3, name)
        )

    @pytest.mark.parametrize("name", [*INTERPOLATORS, "trunk"])
    def test_its_box_means_are_the_input(self, name):
        if name == "trunk":
            pytest.importorskip("torch")
        unit = structure((1, 9, 8))
        means = box_down(chain_of(name, 4)(unit).image, 4)
        np.testing.assert_allclose(means, unit, atol=1e-12)

    @pytest.mark.parametrize("name", ["bicubic", "trunk"])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_its_type_is_the_inputs(self, name, dtype):
        if name == "trunk":
            pytest.importorskip("torch")
        unit = structure((1, 9, 8)).astype(dtype)
        assert chain_of(name, 2)(unit).image.dtype == dtype

    def test_nothing_is_clipped(self):
        unit = np.full((1, 9, 8), 7.5)
        unit[:, 4:] = -3
        fine = chain_of("bicubic", 2)(unit).image
        assert fine.max() > 7.5
        assert fine.min() < -3

    def test_a_gray_network_sees_color_plane_by_plane(self):
        pytest.importorskip("torch")
        chain, unit = chain_of("trunk", 2), structure((3, 9, 8))
        alone = np.concatenate([chain(plane[None]).image for plane in unit])
        np.testing.assert_allclose(chain(unit).image, alone, atol=1e-12)

    def test_a_color_network_sees_the_planes_together(self):
        pytest.importorskip("torch")
        network = tiny_network("trunk", channels=3)
        chain = chain_of("trunk", 2, network=network)
        spec = dataclasses.replace(chain.spec, channels=3)
        chain = dataclasses.replace(chain, spec=spec)
        unit = structure((3, 9, 8))
        other = unit.copy()
        other[0] += 0.1
        assert chain(unit).image.shape == (3, 18, 16)
        assert not np.allclose(chain(unit).image[2], chain(other).image[2])


HALOS = [
    pytest.param("nearest", "none", 0, 2, "off", 0, id="nearest alone"),
    pytest.param("bicubic", "none", 0, 2, "off", 2, id="bicubic alone"),
    pytest.param("bspline", "none", 0, 2, "box", 16, id="spline and box"),
    pytest.param("ours", "input", 11, 8, "box", 13, id="at input size"),
    pytest.param("ours", "input", 1, 8, "off", 2, id="narrower than its base"),
    pytest.param("hydra", "output", 10, 2, "box", 9, id="at output size, x2"),
    pytest.param("hydra", "output", 10, 3, "box", 8, id="at output size, x3"),
    pytest.param("hydra", "output", 10, 8, "bicubic", 28, id="and bicubic"),
]


class TestHalo:
    """The halo, in input pixels, covers kernel or network, and projection."""

    @pytest.mark.parametrize(
        ("name", "grid", "radius_px", "scale", "consistency", "halo_px"), HALOS
    )
    def test_known_cases(self, name, grid, radius_px, scale, consistency, halo_px):
        spec = ModelSpec(name, "", grid=grid, radius_px=radius_px)
        chain = Chain(spec, scale, None, consistency)
        if grid != "none":
            chain = dataclasses.replace(chain, engine=Unused())
        assert chain.halo_px == halo_px


class TestOpen:
    def test_an_interpolator_needs_no_engine(self):
        assert Chain.open(load_model("bicubic"), 2, "box", "torch").engine is None

    @pytest.mark.parametrize("scale", [0, 1, 5])
    def test_a_scale_it_was_not_made_for_names_those_it_was(self, tmp_path, scale):
        spec = ModelSpec("ours", "", network="trunk")
        with pytest.raises(SettingsError, match=f"not made for x{scale}.*x2, x3, x4"):
            Chain.open(Model(spec, tmp_path / "ours.onnx"), scale, "box", "auto")

    @pytest.mark.usefixtures("no_packages")
    def test_an_engine_that_is_not_installed_is_named(self, tmp_path):
        spec = ModelSpec("ours", "", network="trunk")
        with pytest.raises(EngineError, match="openvino"):
            Chain.open(Model(spec, tmp_path / "ours.onnx"), 2, "box", "openvino")


@pytest.mark.parametrize("grain", [None, 0.0, 0.5, 1.0])
def test_half_of_a_disagreement_stays_where_the_noise_may_be_texture(grain):
    rows, columns = np.mgrid[:30, :40]
    unit = (0.5 + 0.2 * np.sin(rows / 2) * np.cos(columns / 3))[None]
    noise = Noise((0.5,), (0.01,), 0.0, share=0.6)
    assert not noise.is_told
    spec = ModelSpec("bicubic", "")
    chain = Chain(spec, 2, None, "noise", grain)
    share = 0.5 if grain is None else grain
    assert chain.grain_of(noise) == share
    alone = box_down(Chain(spec, 2, None, "off")(unit).image, 2) - unit
    assert np.abs(alone).max() < 0.03, "noise explains all of it"
    rest = box_down(chain(unit, Whole(noise=noise)).image, 2) - unit
    assert np.sqrt(np.mean(rest**2)) == pytest.approx(
        (1 - share) * np.sqrt(np.mean(alone**2)), rel=0.1, abs=1e-12
    )
