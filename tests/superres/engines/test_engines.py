"""The engines agree with one another, and a missing one says what to do."""

import dataclasses
import subprocess
import sys
import threading

import numpy as np
import pytest

from cxr_sr.errors import EngineError, ModelError, SettingsError
from cxr_sr.superres.budget import threads_of
from cxr_sr.superres.engines import (
    ENGINES,
    PACKAGES,
    open_engine,
)
from cxr_sr.superres.engines.checked import Checked
from cxr_sr.superres.engines.runtimes import OpenVinoEngine
from cxr_sr.superres.models.graph import subgraph
from cxr_sr.superres.models.shipped import TRAINED
from cxr_sr.superres.models.zoo import load_model
from cxr_sr.superres.settings import Settings
from tests.builders import structure, tiny_model, tiny_network, tiny_spec

SCALES = [2, 3, 4, 8]
TOLERANCE = 2e-5
"""In units, for residuals as large as the image: float32 sums in another order."""


@pytest.fixture(scope="module", params=["trunk", "hydra"])
def model(request, tmp_path_factory):
    """A network at input size with four outputs, and one at output size with one."""
    pytest.importorskip("torch")
    return tiny_model(tmp_path_factory.mktemp("run"), request.param)


SHIPPED = [part for spec in TRAINED for part in load_model(spec.name).parts]
SHIPPED_TOLERANCE = {"fine-clean": 6e-6}
"""In units, of the residuals of shipped weights, some hundredths; else 4e-6, a quarter
of a code of 16 bits. The level of an image costs float32 these bits, the more the
deeper the network: less its mean, an image is three times as near to float64."""


def an_image(shape=(1, 1, 19, 23)):
    return structure(shape).astype(np.float32)


def shape_of(model, image, scale):
    by = scale if model.spec.grid == "input" else 1
    return (*image.shape[:2], image.shape[2] * by, image.shape[3] * by)


@pytest.fixture(params=ENGINES)
def engine_name(request):
    pytest.importorskip(PACKAGES[request.param])
    return request.param


class TestAgreement:
    @pytest.mark.parametrize("scale", SCALES)
    def test_each_computes_what_torch_does_in_float64(self, model, engine_name, scale):
        torch = pytest.importorskip("torch")
        network = tiny_network(model.spec.network).double()
        image = an_image()
        with torch.inference_mode():
            expected = network(torch.from_numpy(image).double(), scale).numpy()
        found = open_engine(model, scale, engine_name)(image)
        assert found.dtype == np.float32
        assert found.shape == shape_of(model, image, scale)
        assert np.abs(expected).max() > 0.05
        assert np.abs(found - expected).max() < TOLERANCE

    def test_images_of_any_size_and_number(self, model, engine_name):
        engine = open_engine(model, 2, engine_name)
        reference = open_engine(model, 2, "torch")
        for shape in [(1, 1, 3, 40), (3, 1, 16, 16), (2, 1, 21, 5)]:
            image = an_image(shape)
            found = engine(image)
            assert found.shape == shape_of(model, image, 2)
            np.testing.assert_allclose(found, reference(image), atol=TOLERANCE)

    def test_images_that_lie_scattered_in_memory(self, model, engine_name):
        engine = open_engine(model, 2, engine_name)
        scattered = an_image().swapaxes(2, 3)
        found = engine(scattered)
        assert np.array_equal(found, engine(np.ascontiguousarray(scattered)))

    def test_the_image_is_left_alone(self, model, engine_name):
        image = an_image()
        before = image.copy()
        open_engine(model, 2, engine_name)(image)
        assert np.array_equal(image, before)

    def test_a_result_is_not_overwritten_by_the_next(self, model, engine_name):
        engine = open_engine(model, 2, engine_name)
        first = engine(an_image())
        kept = first.copy()
        engine(an_image() * 2)
        assert np.array_equal(first, kept)

    def test_calls_from_several_threads_do_not_mix(self, model, engine_name):
        engine = open_engine(model, 2, engine_name)
        images = [an_image((1, 1, 12 + k, 15)) for k in range(6)]
        alone = [engine(image) for image in images]
        together: list[np.ndarray] = [np.empty(0)] * len(images)

        def work(k):
            for _ in range(5):
                together[k] = engine(images[k])

        threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one, other in zip(alone, together, strict=True):
            assert np.array_equal(one, other)

    def test_color_goes_through_together(self, tmp_path, engine_name):
        pytest.importorskip("torch")
        model = tiny_model(tmp_path, "trunk", channels=3)
        image = np.random.default_rng(0).random((1, 3, 9, 8)).astype(np.float32)
        found = open_engine(model, 4, engine_name)(image)
        assert found.shape == (1, 3, 36, 32)
        expected = open_engine(model, 4, "torch")(image)
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)


@pytest.mark.slow
def test_the_first_calls_may_come_from_several_threads(engine_name, tmp_path):
    """The test runs in new processes, since the first call loads the library."""
    pytest.importorskip("torch")  # it makes the network
    script = (
        "import sys, threading, numpy as np\n"
        "from cxr_sr.superres.engines import open_engine\n"
        "from cxr_sr.superres.models.zoo import load_model\n"
        "engine = open_engine(load_model(sys.argv[1]), 2, sys.argv[2], 'fp32')\n"
        "together = threading.Barrier(4)\n"
        "def work():\n"
        "    together.wait()\n"
        "    engine(np.zeros((1, 1, 16, 16), np.float32))\n"
        "threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
    )
    model = tiny_model(tmp_path)
    command = [sys.executable, "-c", script, str(model.onnx), engine_name]
    for _ in range(3):
        subprocess.run(command, check=True, timeout=60)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("model", SHIPPED, ids=lambda model: model.onnx.stem)
def test_the_shipped_weights_give_the_same_in_every_engine(model, scale, engine_name):
    """Against torch in float64: the files of one model hold the same weights."""
    pytest.importorskip("torch")
    planes = model.spec.channels + model.spec.noise_planes
    image = structure((1, planes, 37, 45)).astype(np.float32)
    image[:, 1:] *= 0.05  # noise of a twentieth of the contrast
    expected = open_engine(model, scale, "torch")(image.astype(np.float64))
    found = open_engine(model, scale, engine_name, "fp32")(image)
    assert np.abs(expected).max() > 0.01
    assert np.abs(found - expected).max() < SHIPPED_TOLERANCE.get(model.onnx.stem, 4e-6)


def test_torch_computes_in_the_precision_of_its_input(model):
    engine = open_engine(model, 2, "torch")
    image = structure((1, 1, 9, 8))
    exact = engine(image)
    assert exact.dtype == np.float64
    assert engine(image.astype(np.float32)).dtype == np.float32
    assert np.array_equal(engine(image), exact)


class TestChoice:
    def test_auto_is_onnx_runtime(self, model):
        assert open_engine(model, 2).name == "onnx"

    @pytest.mark.parametrize("name", ENGINES)
    def test_each_names_itself_for_the_report(self, model, name):
        pytest.importorskip(PACKAGES[name])
        engine = open_engine(model, 2, name, "fp32")
        assert (engine.name, engine.precision) == (name, "fp32")

    @pytest.mark.parametrize(
        ("name", "extra"), [("openvino", r"\[openvino\]"), ("torch", r"\[train\]")]
    )
    @pytest.mark.usefixtures("no_packages")
    def test_a_missing_one_says_what_to_install(self, model, name, extra):
        message = f"pip install 'cxr-sr{extra}', or use the engine onnx"
        with pytest.raises(EngineError, match=message):
            open_engine(model, 2, name, "fp32")

    def test_an_unknown_one_is_a_wrong_setting(self, model):
        name = "tensorrt"
        message = "'tensorrt'; expected one of auto, onnx, openvino, torch"
        with pytest.raises(SettingsError, match=message):
            open_engine(model, 2, name, "fp32")  # type: ignore[arg-type]


def compiled_by(engine):
    """Return the model that OpenVINO compiled, from behind the check."""
    assert isinstance(engine, Checked)
    assert isinstance(engine.engine, OpenVinoEngine)
    assert engine.engine._compiled is not None
    return engine.engine._compiled


class TestThreads:
    def test_openvino_computes_as_many_calls_at_a_time_as_it_was_opened_for(
        self, tmp_path
    ):
        """With one stream, tiles computed side by side wait for each other."""
        pytest.importorskip("openvino")
        if threads_of(Settings()) < 2:
            pytest.skip("this process may use one core, and OpenVINO goes by that")
        for threads in (1, 2):
            engine = open_engine(tiny_model(tmp_path), 2, "openvino", "fp32", threads)
            network = compiled_by(engine)._network
            assert network.get_property("NUM_STREAMS") == threads

    def test_openvino_is_called_by_threads_that_stay(self, tmp_path, monkeypatch):
        """It deals its streams out to those that call: new ones may share a stream."""
        pytest.importorskip("openvino")
        engine = open_engine(tiny_model(tmp_path), 2, "openvino", "fp32", 2)
        compiled = compiled_by(engine)
        infer, callers = compiled._infer, set()

        def watched(image):
            callers.add(threading.current_thread())
            return infer(image)

        monkeypatch.setattr(compiled, "_infer", watched)
        for _ in range(5):
            pair = [
                threading.Thread(target=engine, args=(an_image(),)) for _ in range(2)
            ]
            for thread in pair:
                thread.start()
            for thread in pair:
                thread.join()
        assert 1 <= len(callers) <= 2


class TestWeights:
    def test_they_are_loaded_once(self, model, engine_name):
        one, other = (open_engine(model, 2, engine_name, "fp32") for _ in "ab")
        assert one is other

    def test_but_anew_where_the_file_holds_others(self, tmp_path, engine_name):
        write_weights = pytest.importorskip("cxr_sr.training.weights").write_weights
        before, image = tiny_model(tmp_path), an_image()
        old = open_engine(before, 2, engine_name, "fp32")(image)
        spec = tiny_spec("trunk")
        after = write_weights(tiny_network("trunk", seed=1), spec, tmp_path)
        new = open_engine(after, 2, engine_name, "fp32")(image)
        assert np.abs(new - old).max() > 0.01

    def test_only_the_asked_scale_is_computed(self, tmp_path):
        """The tail of x8 has most of the weights; at x2 it must not be loaded."""
        onnx = pytest.importorskip("onnx")
        pytest.importorskip("torch")
        model = tiny_model(tmp_path)
        part = subgraph(onnx.load(model.onnx), "tiny.onnx", "x2", (1, 1), 2)
        graph = onnx.load_from_string(part.content).graph
        loaded = {tensor.name for tensor in graph.initializer}
        assert any(".x2." in name for name in loaded)
        assert not any(".x8." in name for name in loaded)

    def test_torch_refuses_the_weights_of_another_network(self, tmp_path):
        pytest.importorskip("torch")
        model = tiny_model(tmp_path)
        spec = dataclasses.replace(model.spec, settings={"width": 5, "depth": 2})
        with pytest.raises(ModelError, match=r"tiny\.safetensors does not hold"):
            open_engine(dataclasses.replace(model, spec=spec), 2, "torch")

    def test_torch_refuses_damaged_weights(self, tmp_path):
        pytest.importorskip("torch")
        model = tiny_model(tmp_path)
        model.safetensors.write_bytes(b"\x80\x04 not safetensors")
        with pytest.raises(ModelError, match=r"tiny\.safetensors"):
            open_engine(model, 2, "torch")

    def test_a_loaded_run_runs(self, tmp_path, engine_name):
        pytest.importorskip("torch")
        tiny_model(tmp_path)
        engine = open_engine(load_model(tmp_path), 3, engine_name)
        assert engine(an_image()).shape == (1, 1, 57, 69)
