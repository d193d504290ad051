"""int8 as a user meets it: trained, found, chosen, told of, and close to float32."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cxr_sr.cli.main import app
from cxr_sr.errors import EngineError, ModelError, SettingsError
from cxr_sr.files import sha256_of
from cxr_sr.superres import engines
from cxr_sr.superres.engines import choose, open_engine
from cxr_sr.superres.int8.saturation import LESS
from cxr_sr.superres.models.zoo import Model, load_model, verify
from cxr_sr.superres.settings import Settings, resolved
from cxr_sr.superres.upscale import upscale
from tests.builders import radiograph, structure, tiny_model, tiny_spec, write_png
from tests.superres.builders import super_resolve

torch = pytest.importorskip("torch")
pytest.importorskip("openvino")

from cxr_sr.training.quantise import (  # noqa: E402
    gains,
    quantised,
    without_rounding,
)
from cxr_sr.training.weights import write_int8_weights  # noqa: E402
from tests.builders import tiny_network  # noqa: E402


def images(count: int = 4):
    """Coarse images of the usual contrast."""
    whole = np.stack([structure((1, 32, 32), seed=k) for k in range(count)])
    steps = np.abs(np.diff(whole)).mean()
    return torch.from_numpy((whole / steps / 64).astype(np.float32))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A run's files, ranges as they are learned from a few images."""
    trunk = quantised(tiny_network("trunk"))
    trunk.train()(images(), 2)
    plain = without_rounding(trunk, tiny_network("trunk"))
    folder = tmp_path_factory.mktemp("run")
    return write_int8_weights(trunk.eval(), plain, tiny_spec("trunk"), folder)


def unit_image(gain: float = 1.0, offset: float = 0.3):
    return offset + gain * structure((60, 70)).astype(np.float32)


def in_precision(model: Model, image, precision, **changes):
    settings = Settings(precision=precision, consistency="off", threads=1, **changes)
    return super_resolve(image, model, 2, settings)


@pytest.fixture
def no_arithmetic(monkeypatch, looked_for_anew):
    """A processor that cannot do int8."""
    import openvino  # noqa: PLC0415

    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32"])


class TestChoice:
    def test_auto_is_int8_where_model_and_machine_have_it(self, model: Model):
        assert choose(model, "auto", "auto") == ("openvino", "int8")
        assert choose(model, "openvino", "auto") == ("openvino", "int8")
        assert open_engine(model, 2).precision == "int8"

    @pytest.mark.parametrize("engine", ["onnx", "torch"])
    def test_another_engine_means_fp32(self, model: Model, engine):
        assert choose(model, engine, "auto") == (engine, "fp32")
        with pytest.raises(SettingsError, match=f"'{engine}' does not run int8; use"):
            choose(model, engine, "int8")

    def test_fp32_is_had_by_asking(self, model: Model):
        assert choose(model, "auto", "fp32") == ("onnx", "fp32")
        assert choose(model, "openvino", "fp32") == ("openvino", "fp32")

    def test_a_model_without_such_weights_runs_in_fp32_in_silence(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ):
        plain = tiny_model(tmp_path)
        assert choose(plain, "auto", "auto") == ("onnx", "fp32")
        assert not caplog.records
        with pytest.raises(SettingsError, match="has no int8 weights; use the prec"):
            choose(plain, "auto", "int8")

    @pytest.mark.parametrize(
        ("lack", "said"),
        [("no_packages", "pip install"), ("no_arithmetic", "no int8 arithmetic")],
    )
    def test_what_lacks_is_announced_once(
        self, model: Model, request, caplog: pytest.LogCaptureFixture, lack, said
    ):
        request.getfixturevalue(lack)
        engines._announce.cache_clear()
        with caplog.at_level(logging.WARNING):
            assert choose(model, "auto", "auto") == ("onnx", "fp32")
            assert choose(model, "auto", "auto") == ("onnx", "fp32")
        (record,) = caplog.records
        assert said in record.getMessage()

    @pytest.mark.usefixtures("no_packages")
    def test_int8_without_openvino_is_refused(self, model: Model):
        with pytest.raises(EngineError, match=r"cxr-sr\[openvino\]"):
            choose(model, "auto", "int8")

    def test_auto_is_resolved_before_it_is_reported(self, model: Model):
        found = resolved(Settings(), model)
        assert (found.engine, found.precision) == ("openvino", "int8")
        assert resolved(Settings(), load_model("bicubic")) == Settings()


class TestFiles:
    def test_the_hash_is_checked(self, model: Model):
        verify(model)
        spec = dataclasses.replace(model.spec, int8_sha256="0" * 64)
        with pytest.raises(ModelError, match=r"tiny\.int8\.onnx has SHA-256"):
            verify(Model(spec, model.onnx))

    def test_a_run_folder_has_both(self, model: Model):
        for given in (model.onnx.parent, model.onnx, model.int8, model.safetensors):
            found = load_model(given)
            assert found.onnx == model.onnx
            assert found.spec.int8_sha256 == sha256_of(model.int8)

    def test_the_specification_in_a_file_holds_no_hash(self, model: Model):
        assert "sha256" not in json.loads(model.spec.to_json())

    def test_the_result_names_the_graph_that_made_it(self, model: Model):
        pixels = np.rint(255 * structure((40, 44))).astype(np.uint8)
        before = radiograph(pixels)
        rounded, exact = (
            upscale(before, model, 2, Settings(precision=p, threads=1)).derivation
            for p in ("int8", "fp32")
        )
        assert rounded is not None
        assert exact is not None
        assert (rounded.engine, rounded.precision) == ("openvino", "int8")
        assert rounded.weights_sha256 == model.spec.int8_sha256
        assert exact.weights_sha256 == model.spec.sha256


class TestArithmetic:
    def test_it_is_near_float32_but_not_the_same(self, model: Model):
        image = unit_image()
        exact = in_precision(model, image, "fp32")
        error = in_precision(model, image, "int8") - exact
        base = super_resolve(image, load_model("bicubic"), 2, Settings(threads=1))
        residual = exact - base
        assert np.abs(error).max() > 0
        assert np.sqrt((error**2).mean() / (residual**2).mean()) < 0.15

    @pytest.mark.parametrize("gain", [2.0**-8, 2.0**-4, 8.0])
    def test_contrast_and_level_do_not_matter(self, model: Model, gain: float):
        plain = in_precision(model, unit_image(offset=0.0), "int8")
        other = in_precision(model, unit_image(gain, offset=0.0), "int8")
        assert np.array_equal(other, plain * np.float32(gain))

    def test_tiles_do_not_matter(self, model: Model):
        whole = in_precision(model, unit_image(), "int8", tile_px=128)
        tiled = in_precision(model, unit_image(), "int8", tile_px=23)
        np.testing.assert_allclose(tiled, whole, atol=2e-3 * np.ptp(whole))

    def test_a_marker_costs_the_rest_nothing(self):
        model = load_model("fast")
        image = structure((160, 170)).astype(np.float32) / 8 + np.float32(0.2)
        marked = image.copy()
        marked[10:14, 12:16] = 1
        found, without = (in_precision(model, i, "int8") for i in (marked, image))
        far = np.s_[2 * 40 :, 2 * 45 :]
        assert np.array_equal(found[far], without[far])
        near = np.s_[2 * 2 : 2 * 22, 2 * 4 : 2 * 24]
        exact, base = in_precision(model, marked, "fp32"), np.repeat(marked, 2, 1)
        error = np.abs(found - exact)[near].max()
        # Saturated, it would be 0.9.
        assert error < 0.15 * np.abs(exact - base.repeat(2, 0))[near].max()

    def test_a_constant_image_stays_constant(self, model: Model):
        flat = in_precision(model, np.full((40, 40), 0.25, np.float32), "int8")
        np.testing.assert_allclose(flat, 0.25, atol=1e-6)


class TestTraining:
    def test_gains_are_those_of_the_coarse_image(self):
        whole = torch.tensor([2.0**-8, 2.0**-6])
        fine = torch.zeros(2, 1, 32, 32)
        coarse = torch.zeros(2, 1, 8, 8)
        assert gains(whole, fine, coarse).flatten().tolist() == [2.0, 0.5]
        assert gains(whole, fine, coarse).shape == (2, 1, 1, 1)

    def test_noise_of_the_coarse_image_adds_to_its_contrast(self):
        whole = torch.tensor([2.0**-8])
        coarse = torch.arange(8.0).expand(1, 1, 8, 8) / 8  # 1/8 across, 0 down
        assert gains(whole, torch.zeros(1, 1, 32, 32), coarse).item() == 0.25
        fine = torch.arange(32.0).expand(1, 1, 32, 32) / 8
        assert gains(whole, fine, coarse).item() == 2.0  # it is the fine image's own

    def test_a_crop_with_a_strong_edge_has_the_gain_of_such_parts(self):
        whole = torch.full((2,), 2.0**-8)
        fine = torch.zeros(2, 1, 32, 32)
        fine[1, 0, 8:12, 8:12] = 1
        coarse = fine[..., ::4, ::4]
        assert gains(whole, fine, coarse).flatten().tolist() == [2.0, 0.5 * LESS]

    def test_only_trunks_are_quantised(self):
        with pytest.raises(SettingsError, match="hydra cannot be quantised"):
            quantised(tiny_network("hydra"))

    def test_the_weights_are_shared_with_the_plain_trunk(self):
        plain = tiny_network("trunk")
        trunk = quantised(plain)
        again = without_rounding(trunk, tiny_network("trunk", seed=5))
        for name, value in plain.state_dict().items():
            assert torch.equal(again.state_dict()[name], value)


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_a_user_trains_it_and_compares_it(tmp_path: Path):
    data = tmp_path / "data"
    data.mkdir()
    rows = ["file,split,patient"]
    for number, split in enumerate(["train", "train", "val"]):
        pixels = np.rint(255 * structure((216, 216), number)).astype(np.uint8)
        write_png(data / f"{number}.png", pixels)
        rows.append(f"{number}.png,{split},p{number}")
    (data / "index.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    run = tmp_path / "run"
    common = ["--width", "4", "--depth", "2", "--crop", "24", "--batch", "2"]
    budget = ["--max-steps", "4", "--epoch", "2", "--threads", "1"]
    invoke = CliRunner().invoke
    trained = invoke(
        app, ["train", str(data), "--run", str(run), "--quantise", *common, *budget]
    )
    assert trained.exit_code == 0, trained.output
    assert {p.name for p in run.glob("*.onnx")} == {"trunk.onnx", "trunk.int8.onnx"}
    settings = json.loads((run / "settings.json").read_text(encoding="utf-8"))
    assert settings["settings"]["validation_px"] is None
    arguments = ["--model", str(run), "--precision", "fp32", "--precision", "int8"]
    arguments += ["--degradation", "bicubic"]
    measured = invoke(
        app, ["evaluate", str(data), *arguments, "--scale", "2", "--json"]
    )
    assert measured.exit_code == 0, measured.output
    found = [json.loads(line) for line in measured.stdout.splitlines()]
    names = [one["model"].rsplit(" ", 1)[-1] for one in found]
    assert names == ["bicubic", "fp32", "int8"]
    assert abs(found[1]["psnr"] - found[2]["psnr"]) < 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--quantise", "--model", "hydra"], "a hydra cannot be quantised"),
        (["--quantise", "--precision", "bf16"], "would round twice"),
        (["--validation", "all"], "--validation all is neither none nor a number"),
    ],
)
def test_what_cannot_be_quantised_is_wrong_usage(tmp_path: Path, arguments, said):
    for number in range(2):
        pixels = np.rint(255 * structure((216, 216), number)).astype(np.uint8)
        write_png(tmp_path / f"{number}.png", pixels)
    given = ["train", str(tmp_path), "--run", str(tmp_path / "run"), "--max-steps", "1"]
    result = CliRunner().invoke(app, [*given, *arguments])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
