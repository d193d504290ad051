"""Size, place and report of a result; refusals; effects of settings."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_sr.errors import OutputError, SettingsError
from cxr_sr.files import sha256_of
from cxr_sr.radiograph import Geometry
from cxr_sr.superres import tiling
from cxr_sr.superres.budget import LARGEST_TILE_PX, SMALLEST_TILE_PX
from cxr_sr.superres.models.zoo import load_model
from cxr_sr.superres.target import LongSide, Scale, Spacing
from cxr_sr.superres.upscale import upscale
from tests.builders import NOON, FakeHeader, noise, pixel_format, radiograph, tiny_model
from tests.superres.builders import KINDS, QUICK, SCALES, calm, derivation_of, upscaled


class TestExtent:
    @given(
        st.tuples(st.floats(0.05, 2), st.floats(0.05, 2)),
        st.sampled_from([1, 2, 3, 4, 8, LongSide(20), LongSide(77)]),
    )
    @QUICK
    def test_the_physical_extent_is_the_inputs(self, spacing, target):
        image = radiograph(noise((16, 14)), geometry=Geometry(spacing, (5.0, -3.0)))
        result = upscaled(image, "nearest", target)
        for one, other in zip(edges_mm(image), edges_mm(result), strict=True):
            assert other == pytest.approx(one)

    @pytest.mark.parametrize(
        ("target", "shape", "spacing"),
        [
            pytest.param(3, (120, 108), (0.2 / 3, 0.2 / 3), id="x3"),
            pytest.param(Scale(2), (80, 72), (0.1, 0.1), id="Scale"),
            pytest.param(LongSide(90), (90, 81), (8 / 90, 7.2 / 81), id="LongSide"),
        ],
    )
    def test_each_target_gives_its_size(self, target, shape, spacing):
        result = upscaled(radiograph(), "bicubic", target)
        assert result.shape == shape
        assert result.geometry.spacing_mm == pytest.approx(spacing)
        factors = (shape[0] / 40, shape[1] / 36)
        assert derivation_of(result).factors == pytest.approx(factors)

    @pytest.mark.parametrize(
        ("spacing", "mm", "shape", "overhang"),
        [
            pytest.param((0.2, 0.2), 0.06, (133, 120), (-1 / 3, 0), id="short"),
            pytest.param((0.2, 0.2), 0.09, (89, 80), (1 / 9, 0), id="beyond"),
            pytest.param((0.3, 0.2), 0.1, (120, 72), (0, 0), id="oblong pixels"),
            pytest.param((0.143, 0.143), 0.07, (82, 74), (2 / 7, 3.2 / 7), id="x3"),
        ],
    )
    def test_a_spacing_is_reached_exactly(self, spacing, mm, shape, overhang):
        image = radiograph(geometry=Geometry(spacing, (5.0, -3.0)))
        result = upscaled(image, "bicubic", Spacing(mm))
        assert result.shape == shape
        assert result.geometry.spacing_mm == (mm, mm)
        said = derivation_of(result)
        assert said.factors == pytest.approx((spacing[0] / mm, spacing[1] / mm))
        assert said.overhang_px == pytest.approx(overhang)
        starts = [[edge[0] for edge in edges_mm(i)] for i in (image, result)]
        assert starts[1] == pytest.approx(starts[0])

    @pytest.mark.parametrize("mm", [0.06, 0.09, 0.13, 0.199])
    def test_a_pixel_shows_what_lies_there(self, mm):
        """Each value of a ramp is its own position, up to the partial last pixel."""
        ramp = np.arange(40)[:, None] * 100 + np.zeros((40, 36))
        image = radiograph(ramp.astype(np.uint16))
        result = upscaled(image, "bilinear", Spacing(mm), consistency="off")
        centres = (np.arange(result.shape[0]) + 0.5) * mm / 0.2 - 0.5
        expected = 100 * centres.clip(0, 39)
        inner = slice(8, -8)
        assert np.abs(result.pixels[inner, 18] - expected[inner]).max() < 4
        assert abs(int(result.pixels[-1, 18]) - expected[-1]) < 60

    def test_a_spacing_written_with_few_digits_computes_nothing_anew(self):
        image = radiograph()
        result = upscaled(image, "bicubic", Spacing(0.06667))
        assert np.array_equal(result.pixels, upscaled(image, "bicubic", 3).pixels)
        assert result.geometry.spacing_mm == (0.06667, 0.06667)

    def test_an_image_between_two_scales_is_still_the_image(self):
        image = radiograph()
        result = upscaled(image, "bicubic", LongSide(60)).pixels
        there = (np.arange(60) + 0.5) / 1.5 - 0.5
        row = np.interp(there, np.arange(40), image.pixels[:, 18])
        assert np.abs(result[:, 27] - row)[2:-2].mean() < 60


def edges_mm(image):
    """(first, last) outer edge along each axis."""
    geometry = image.geometry
    axes = zip(geometry.spacing_mm, geometry.origin_mm, image.shape, strict=True)
    return [(o - mm / 2, o + mm * (n - 0.5)) for mm, o, n in axes]


class TestDerivation:
    def test_an_interpolators(self):
        image = radiograph()
        result = upscaled(image)
        derivation = derivation_of(result)
        assert (derivation.model, derivation.engine) == ("bicubic", "numpy")
        assert (derivation.weights_sha256, derivation.learned) == ("", False)
        assert derivation.precision == "fp32"
        assert derivation.factors == (2.0, 2.0)
        extremes = (result.pixels.min(), result.pixels.max())
        assert (derivation.minimum, derivation.maximum) == extremes

    @pytest.mark.parametrize("engine", ["onnx", "torch"])
    def test_a_networks(self, tmp_path, engine):
        pytest.importorskip("torch")
        model = tiny_model(tmp_path)
        derivation = derivation_of(upscaled(radiograph(), model, 2, engine=engine))
        assert (derivation.model, derivation.engine) == ("tiny", engine)
        opened = {"onnx": model.onnx, "torch": model.safetensors}[engine]
        assert derivation.weights_sha256 == sha256_of(opened)
        assert derivation.learned

    def test_the_header_is_told_once_what_when_and_how_large(self):
        fmt = pixel_format(8, photometric="RGB")
        result = upscaled(radiograph(noise((9, 7, 3), fmt), fmt))
        assert result.header == FakeHeader(result.derivation, (18, 14, 3), NOON)

    def test_without_a_clock_it_is_now(self):
        before = datetime.now(UTC)
        header = upscaled(radiograph(), now=None).header
        assert before <= header.now <= datetime.now(UTC)  # type: ignore[attr-defined]


@pytest.fixture
def no_work(monkeypatch):
    """Fail where anything is opened or computed."""

    def fail(*arguments):
        raise AssertionError(arguments)

    monkeypatch.setattr("cxr_sr.superres.upscale.Chain.open", fail)
    monkeypatch.setattr("cxr_sr.superres.pixels.canvas", fail)


@pytest.mark.usefixtures("no_work")
class TestRefusal:
    """Before any work; the images here have a shape but hardly any memory."""

    TOO_LARGE = (
        pytest.param((40000, 10), 2, "65535", id="too many rows"),
        pytest.param((10, 8192), 8, "65535", id="too many columns"),
        pytest.param((30000, 30000), 2, "bytes", id="4 GiB"),
        pytest.param((24000, 24000, 3), 2, "bytes", id="4 GiB in color"),
        pytest.param((100, 80), LongSide(70000), "enlarge by 700", id="a long side"),
    )

    @pytest.mark.parametrize(("shape", "target", "message"), TOO_LARGE)
    def test_what_cannot_be_stored(self, shape, target, message):
        photometric = "RGB" if len(shape) == 3 else "MONOCHROME2"
        fmt = pixel_format(8 if len(shape) == 3 else 16, photometric=photometric)
        image = radiograph(np.broadcast_to(np.zeros((), fmt.dtype), shape), fmt)
        with pytest.raises((OutputError, SettingsError), match=message):
            upscaled(image, "bicubic", target)

    @pytest.mark.parametrize("target", [0, 9, Scale(-1), LongSide(3), Spacing(0.9)])
    def test_what_a_model_cannot_do(self, target):
        with pytest.raises(SettingsError):
            upscaled(radiograph(), "bicubic", target)


class TestSettings:
    @given(st.integers(1, 3), st.integers(1, 50), KINDS, SCALES)
    @QUICK
    def test_neither_threads_nor_tiles_change_a_bit(
        self, threads, tile_px, kind, scale
    ):
        image = radiograph(noise((24, 20)) // 40 * 40, padding=(0, 0))
        whole = upscaled(image, kind, scale, tile_px=999)
        result = upscaled(image, kind, scale, threads=threads, tile_px=tile_px)
        assert np.array_equal(result.pixels, whole.pixels)
        assert derivation_of(result) == derivation_of(whole)

    @pytest.mark.parametrize("scale", [2, 8])
    def test_of_a_network_they_change_no_more_than_rounding(self, tmp_path, scale):
        pytest.importorskip("torch")
        image, model = calm(), tiny_model(tmp_path)
        whole = upscaled(image, model, scale, tile_px=999).pixels.astype(int)
        tiled = upscaled(image, model, scale, threads=2, tile_px=9).pixels
        assert np.abs(tiled - whole).max() <= 1
        assert (tiled != whole).mean() < 0.01

    def test_engines_agree_to_rounding(self, tmp_path):
        pytest.importorskip("torch")
        image, model = calm(), tiny_model(tmp_path)
        one, other = (upscaled(image, model, 4, engine=e) for e in ("onnx", "torch"))
        assert np.abs(one.pixels.astype(int) - other.pixels).max() <= 1

    def test_the_same_again_is_the_same(self, tmp_path):
        pytest.importorskip("torch")
        image, model = calm(), tiny_model(tmp_path)
        one, other = (upscaled(image, model, threads=2, tile_px=11) for _ in "ab")
        assert np.array_equal(one.pixels, other.pixels)
        assert one.header == other.header

    def test_a_file_behind_a_large_result_changes_nothing(self, monkeypatch):
        whole = upscaled(radiograph(), "bicubic", LongSide(100))
        monkeypatch.setattr("cxr_sr.superres.canvas.IN_MEMORY_BYTES", 0)
        paged = upscaled(radiograph(), "bicubic", LongSide(100))
        assert isinstance(paged.pixels, np.memmap)
        assert np.array_equal(paged.pixels, whole.pixels)

    @pytest.mark.parametrize(
        ("memory_mb", "side"), [(205, SMALLEST_TILE_PX), (10**6, LARGEST_TILE_PX)]
    )
    def test_tiles_grow_with_the_memory_within_bounds(
        self, monkeypatch, memory_mb, side
    ):
        asked = []

        def parts_of(shape, tile_px, *rest):
            asked.append(tile_px)
            return real(shape, tile_px, *rest)

        real = tiling.parts_of
        monkeypatch.setattr(tiling, "parts_of", parts_of)
        strip = radiograph(noise((5000, 3)))
        upscaled(strip, "bicubic", 8, max_memory_mb=memory_mb, threads=9)
        assert asked == [side]

    def test_each_thread_gets_a_tile_even_of_a_small_image(self, monkeypatch):
        asked = []

        def run(compute, tiles, threads):
            asked.append((len(tiles := list(tiles)), threads))
            return real(compute, iter(tiles), threads)

        real = tiling.compute_tiles
        monkeypatch.setattr(tiling, "compute_tiles", run)
        upscaled(radiograph(noise((96, 80))), threads=3)
        upscaled(radiograph(noise((8, 8))), threads=3)
        assert asked == [(3, 3), (1, 3)]

    def test_where_cores_cannot_be_asked_for_they_are_counted(self, monkeypatch):
        """macOS and Windows lack these functions."""
        for name in ("process_cpu_count", "sched_getaffinity"):
            monkeypatch.delattr(f"os.{name}", raising=False)
        assert upscaled(radiograph(), threads=0).shape == (80, 72)

    def test_without_settings_it_runs(self):
        assert upscale(radiograph(), load_model("bicubic")).shape == (80, 72)
