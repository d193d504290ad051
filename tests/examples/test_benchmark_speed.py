"""The speed benchmark tells all it measured; no test depends on how fast we are."""

import importlib
import importlib.util
import json
import math
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import SimpleITK as sitk  # noqa: N813
from onnx import TensorProto, helper

import cxr_sr
from cxr_sr.evaluation import figures
from cxr_sr.superres import engines
from cxr_sr.superres.models.spec import ModelSpec
from cxr_sr.superres.models.zoo import MODELS, Model
from tests.builders import pixel_format, radiograph, structure
from tests.files import a_dicom

SCRIPT = Path(__file__).parents[2] / "examples" / "benchmark_speed.py"
sys.path.append(str(SCRIPT.parent))
speed = importlib.import_module("speed_contest")


def load_script(patch):
    """The example as a module; its settings for libraries are undone afterwards."""
    spec = importlib.util.spec_from_file_location("benchmark_speed", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in module.ONE_EACH:
        patch.setenv(name, "1")
    return module


@pytest.fixture
def benchmark(monkeypatch):
    return load_script(monkeypatch)


class FakeOpenCv:
    """Records its arguments, and repeats pixels."""

    def __init__(self):
        self.told = []
        self.dnn_superres = SimpleNamespace(DnnSuperResImpl_create=lambda: self)

    def setNumThreads(self, threads):  # noqa: N802
        self.told.append(threads)

    def readModel(self, path):  # noqa: N802
        self.told.append(Path(path).name)

    def setModel(self, name, scale):  # noqa: N802
        self.told.append((name, scale))
        self.scale = scale

    def upsample(self, image):
        assert image.dtype == np.uint8
        assert image.shape[2] == 3
        return image.repeat(self.scale, axis=0).repeat(self.scale, axis=1)


def runner(model="net", scale=2, **changes):
    """Something whose run repeats pixels, timed at 3 s/MP."""

    def repeat(image):
        finer = image.pixels.repeat(scale, axis=0).repeat(scale, axis=1)
        return image.replace(pixels=finer)

    fields = {"engine": "onnx", "run": repeat, "seconds": [3.0], **changes}
    return speed.Runner(scale, model, **fields)


def bicubic(**changes):
    return runner("bicubic", engine="numpy", learned=False, **changes)


def rows():
    """The results of a comparison of bicubic and one network at x2 and x4."""
    everyone = [
        make(scale=scale, seconds=[seconds, 2 * seconds], psnr=40.0 + seconds)
        for scale in (2, 4)
        for make, seconds in ((bicubic, 0.5), (runner, 3.0))
    ]
    return [one.compared(everyone, {"fp32": 100.0}) for one in everyone]


def facts():
    return {
        "machine": "PDP-11",
        "threads": 2,
        "repeats": 2,
        "side_px": 192,
        "judged_px": 1024,
        "bits": 12,
        "fp32_gops": 100.0,
        "int8_gops": 400.0,
    }


def small_image(folder, side=48):
    """A DICOM of a size that every network is done with at once."""
    pixels = np.rint(structure((side, side)) * 4095).astype(np.uint16)
    more = {"Rows": side, "Columns": side, "PixelData": pixels.tobytes()}
    return str(a_dicom(folder / "my.dcm", **more))


def cells_of(text):
    """The Markdown table's lines as lists of cells."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@dataclass(frozen=True)
class Told:
    """The printed text and the files of a run."""

    out: str
    err: str
    markdown: str
    numbers: dict[str, Any]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A run of everything but torch and OpenCV, which are made to be missing."""
    folder = tmp_path_factory.mktemp("tiny")
    arguments = [
        *(small_image(folder), "--output", str(folder / "out")),
        *("--scale", "2", "--repeats", "1", "--threads", "1"),
        *("--opencv-dnn", "ESPCN_x2.pb"),
    ]
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch:
        module = load_script(patch)
        patch.setitem(engines.PACKAGES, "torch", "no_such_package")
        patch.setitem(sys.modules, "cv2", None)
        with redirect_stdout(out), redirect_stderr(err):
            module.main(arguments)
    numbers = json.loads((folder / "out" / "results.json").read_text())
    markdown = (folder / "out" / "speed.md").read_text()
    return Told(out.getvalue(), err.getvalue(), markdown, numbers)


def test_what_is_missing_is_told(tiny):
    assert "left out: engine 'torch' needs the package no_such_package" in tiny.err
    assert "left out: --opencv-dnn needs cv2.dnn_superres" in tiny.err
    assert "no picture: quality needs 192 px" in tiny.err


def test_the_table_has_every_model_in_every_engine_that_is_installed(tiny, benchmark):
    header, _, *lines = cells_of(tiny.out)
    assert tuple(header) == benchmark.COLUMNS
    installed = ["onnx"] + ["openvino"] * bool(importlib.util.find_spec("openvino"))
    assert [(line[0], line[1]) for line in lines] == [
        (name, engine)
        for name, spec in MODELS.items()
        for engine in (
            installed + ["openvino int8"] * bool(spec.int8_sha256 and installed[1:])
            if spec.learned
            else ["numpy"]
        )
    ]


def test_what_is_printed_is_what_is_written_and_names_no_patient(tiny):
    assert "48 x 48 px of 12 bit" in tiny.out
    assert tiny.markdown in tiny.out
    assert "Secret" not in tiny.out + tiny.err + json.dumps(tiny.numbers)
    lines = cells_of(tiny.markdown)[2:]
    results = tiny.numbers["results"]
    assert [line[:2] for line in lines] == [[r["model"], r["engine"]] for r in results]


def test_the_numbers_have_every_round_and_ratios_within_the_run(tiny):
    assert tiny.numbers["threads"] == 1
    assert tiny.numbers["fp32_gops"] > 0
    assert tiny.numbers["int8_gops"] > 0
    results = tiny.numbers["results"]
    assert all(len(row["seconds"]) == 1 for row in results)
    assert [r["to_bicubic"] for r in results if r["model"] == "bicubic"] == [1]
    networks = [row for row in results if MODELS[row["model"]].learned]
    assert min(row["to_fastest_network"] for row in networks) == 1
    for row in networks:
        assert (row["codes"] is None) == (row["engine"] == "onnx")
        assert row["multiply_adds"] > 0
    column = cells_of(tiny.out)[0].index("multiply-adds")
    told = [line[column] for line in cells_of(tiny.out)[2:]]
    counts = [row["multiply_adds"] for row in results]
    assert told == ["-" if n is None else f"{n:,.0f}" for n in counts]


def test_without_matplotlib_there_is_a_message_instead_of_a_picture(
    benchmark, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(figures, "has_matplotlib", lambda: False)
    benchmark.write(tmp_path, facts(), rows())
    assert "pip install 'cxr-sr[figures]'" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results.json", "speed.md"]


def test_with_matplotlib_there_is_a_picture_with_a_panel_a_scale(benchmark, tmp_path):
    pytest.importorskip("matplotlib")
    benchmark.write(tmp_path, facts(), rows())
    image = sitk.ReadImage(tmp_path / "speed.png")
    assert image.GetSize() == ((2 * 5 + 2) * 120, 4 * 120)
    assert len(np.unique(sitk.GetArrayFromImage(image))) > 2


def test_what_is_much_worse_than_bicubic_is_not_in_the_picture(benchmark):
    found = [
        {"scale": 2, "model": name, "psnr": psnr}
        for name, psnr in (("nearest", 38.9), ("bilinear", 39.1), ("bicubic", 40.0))
    ]
    assert benchmark.pictured(found) == found[1:]


def test_the_table_has_a_section_a_scale_and_a_dash_for_what_is_unknown(benchmark):
    text = benchmark.report(facts(), rows())
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## x2",
        "## x4",
    ]
    first, second = [line for line in cells_of(text) if line[0] in ("bicubic", "net")][
        :2
    ]
    assert first[2:6] == ["0.750", "0.500 to 1.000", "1.00", "0.17"]
    assert first[6:] == ["-", "40.50", "-", "-"]
    assert second[2:6] == ["4.500", "3.000 to 6.000", "6.00", "1.00"]


def test_every_engine_has_a_mark_in_the_picture(benchmark):
    everyone = {"numpy", "opencv", "openvino int8", *engines.PACKAGES}
    assert len(set(benchmark.MARKERS)) == len(everyone)


def test_ratios_are_to_contenders_of_the_same_scale():
    everyone = [
        bicubic(seconds=[1.0, 9.0, 2.0]),
        runner("slow", seconds=[8.0]),
        runner("fast", seconds=[4.0]),
        bicubic(scale=4, seconds=[0.1]),
        runner("fast", scale=4, seconds=[0.2]),
    ]
    row = everyone[1].compared(everyone, {"fp32": 1.0})
    assert (row["median"], row["to_bicubic"], row["to_fastest_network"]) == (8, 4, 2)
    assert everyone[0].compared(everyone, {"fp32": 1.0})["to_fastest_network"] == 0.5
    json.dumps(row)


def test_the_share_of_the_peak_counts_the_fastest_time_beyond_bicubic():
    base, net = bicubic(seconds=[1.0, 5.0]), runner(seconds=[9.0, 3.0])
    net.multiply_adds = 1000.0  # for 1e6 pixels: 2 GFLOP, in 2 s
    assert net.compared([base, net], {"fp32": 4.0, "int8": 8.0})[
        "share_of_peak"
    ] == pytest.approx(0.25)
    net.precision = "int8"
    found = net.compared([base, net], {"fp32": 4.0, "int8": 8.0})
    assert found["share_of_peak"] == pytest.approx(0.125)


@pytest.mark.parametrize(
    ("seconds", "adds"), [([1.0], 1000.0), ([0.5], 1000.0), ([9.0], None)]
)
def test_the_share_is_unknown_without_a_count_or_a_time_beyond_bicubic(seconds, adds):
    base, net = bicubic(seconds=[1.0]), runner(seconds=seconds, multiply_adds=adds)
    assert (
        net.compared([base, net], {"fp32": 4.0, "int8": 8.0})["share_of_peak"] is None
    )


def convolution(name, source, result, shape):
    """A convolution's node and its weights (out, in, k, k)."""
    weights = helper.make_tensor(
        f"{name}.weight", TensorProto.FLOAT, shape, [0.0] * math.prod(shape)
    )
    inputs = [source, f"{name}.weight"]
    pads = [shape[2] // 2] * 4
    return helper.make_node("Conv", inputs, [result], name=name, pads=pads), weights


def network(path, grid):
    """One 3x3 layer to 8 channels, and a 3x3 tail for x2 and one for x4."""
    parts = [
        convolution("trunk", "image", "features", (8, 1, 3, 3)),
        convolution("tail2", "features", "x2", (4, 8, 3, 3)),
        convolution("tail4", "features", "x4", (16, 8, 3, 3)),
    ]
    nodes, weights = zip(*parts, strict=True)
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, planes, 6, 6])
        for name, planes in (("image", 1), ("x2", 4), ("x4", 16))
    ]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights)
    onnx.save(helper.make_model(graph), path)
    return Model(ModelSpec("net", "", network="trunk", grid=grid), path)


@pytest.mark.parametrize(("scale", "tail"), [(2, 4), (4, 16)])
def test_multiply_adds_count_the_trunk_and_the_one_tail_that_runs(
    tmp_path, scale, tail
):
    model = network(tmp_path / "net.onnx", "input")
    assert speed.multiply_adds(model, scale) == 9 * (8 + 8 * tail) / scale**2


def test_a_network_at_output_size_does_as_much_for_a_pixel_at_every_scale():
    model = cxr_sr.load_model("hydra")
    widths = [1, 8, 16, 32, 64, 128, 256, 1]
    count = 9 * sum(a * b for a, b in pairwise(widths))
    assert speed.multiply_adds(model, 2) == speed.multiply_adds(model, 8) == count


def test_the_first_engine_of_a_model_is_what_the_others_are_held_against():
    image = radiograph()
    first, second, other = runner(), runner(engine="torch"), runner("other")

    def three_more(image):
        finer = first.run(image)
        return finer.replace(pixels=finer.pixels + 3)

    second.run = three_more
    speed.judge([first, second, other], image, image)
    assert (first.codes, second.codes, other.codes) == (None, 3.0, None)
    assert first.psnr is None


def large_enough():
    fmt = pixel_format()
    pixels = np.rint(structure((speed.QUALITY_PX,) * 2) * fmt.maximum)
    return radiograph(pixels.astype(fmt.dtype), fmt)


def test_quality_is_measured_where_the_image_is_large_enough_to_be_degraded():
    one = runner()
    speed.judge([one], radiograph(), large_enough())
    assert one.psnr
    assert 20 < one.psnr < 60


def test_quality_is_measured_once_for_each_model_and_precision():
    ran = []

    def counted(**changes):
        one = runner(**changes)
        repeat = one.run

        def run(image):
            ran.append(one.engine)
            return repeat(image)

        one.run = run
        return one

    first, second = counted(), counted(engine="torch")
    int8 = counted(engine="int8", precision="int8")
    speed.judge([first, second, int8], radiograph(), large_enough())
    assert second.psnr == first.psnr is not None
    assert sorted(ran) == ["int8", "int8", "onnx", "onnx", "torch"]


def test_a_turn_adds_one_time_to_everyone():
    two = [runner(seconds=[]), runner("b", seconds=[])]
    speed.take_turns(two, radiograph())
    speed.take_turns(two, radiograph())
    assert [len(one.seconds) for one in two] == [2, 2]
    assert all(seconds > 0 for one in two for seconds in one.seconds)


def test_the_rate_of_the_matrix_product_is_counted_over_all_threads(monkeypatch):
    monkeypatch.setattr(speed, "PRODUCT_SIDE", 16)
    # numpy's four seconds, then two of ONNX Runtime, which count, and one in int8.
    clock = iter([1.0, 5.0, 10.0, 12.0, 20.0, 21.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    found = speed.product_rates(3)
    assert found["fp32"] == pytest.approx(3 * 8 * 2 * 16**3 / 2 / 1e9)
    assert found["int8"] == pytest.approx(2 * found["fp32"])


def test_opencv_gets_eight_bit_colour_and_the_scale_in_the_name(
    benchmark, tmp_path, monkeypatch
):
    opencv = FakeOpenCv()
    monkeypatch.setitem(sys.modules, "cv2", opencv)
    files = [tmp_path / "FSRCNN-small_x2.pb", tmp_path / "ESPCN_x3.pb"]
    for file in files:
        file.touch()
    options = SimpleNamespace(opencv_dnn=files, threads=2, scale=[2])
    (one,) = benchmark.opencv_networks(options)
    assert (one.model, one.scale, one.learned) == ("FSRCNN-small_x2", 2, True)
    assert opencv.told[:3] == [2, "FSRCNN-small_x2.pb", ("fsrcnn", 2)]
    opencv.scale = 2
    coarse = np.array([[0, 3000], [1500, 500]], np.uint16)
    finer = one.run(radiograph(coarse, window=(500, 2500))).pixels
    assert finer.dtype == np.uint16
    black_and_white = [[500, 2500], [1500, 500]]
    assert np.allclose(finer[::2, ::2], black_and_white, atol=0.5 / 255 * 2000 + 1)
    assert finer.shape == (4, 4)


@pytest.mark.parametrize(("name", "exists"), [("ESPCN_x2.pb", 0), ("weights.pb", 1)])
def test_weights_that_are_missing_or_nameless_are_refused(
    benchmark, tmp_path, name, exists
):
    file = tmp_path / name
    if exists:
        file.touch()
    with pytest.raises(cxr_sr.SettingsError, match=r"such as ESPCN_x2\.pb") as refused:
        benchmark.opencv(file, FakeOpenCv())
    assert name in str(refused.value)
    assert str(tmp_path) not in str(refused.value)


def test_an_opencv_without_the_contributed_modules_is_told(
    benchmark, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "cv2", SimpleNamespace())
    options = SimpleNamespace(opencv_dnn=[Path("ESPCN_x2.pb")], threads=1, scale=[2])
    assert list(benchmark.opencv_networks(options)) == []
    assert "opencv-contrib-python-headless" in capsys.readouterr().err


def test_the_centre_of_the_image_is_taken(benchmark):
    image = radiograph()
    square = benchmark.region(image, 20)
    rows, columns = image.shape
    top, left = (rows - 20) // 2, (columns - 20) // 2
    assert np.array_equal(square.pixels, image.pixels[top : top + 20, left : left + 20])
    assert benchmark.region(image, 1000).shape == (min(image.shape),) * 2


def test_a_colour_image_is_refused_before_anything_is_timed(benchmark):
    fmt = pixel_format(8, photometric="RGB")
    with pytest.raises(cxr_sr.NotARadiographError, match="expected a gray one"):
        benchmark.region(radiograph(np.zeros((9, 9, 3), np.uint8), fmt), 8)


def test_what_is_no_image_ends_in_a_message_and_not_a_traceback(benchmark, tmp_path):
    (tmp_path / "no.dcm").write_bytes(b"nothing")
    with pytest.raises(SystemExit) as ended:
        benchmark.main([str(tmp_path / "no.dcm")])
    assert "neither DICOM nor PNG" in str(ended.value)


@pytest.mark.parametrize("option", ["--repeats", "--threads", "--side"])
def test_none_of_anything_is_wrong_usage(benchmark, option, capsys):
    with pytest.raises(SystemExit):
        benchmark.parsed([option, "0"])
    assert "numbers above 0" in capsys.readouterr().err


def test_scales_are_two_and_four_unless_told_and_never_twice(benchmark):
    assert benchmark.parsed([]).scale == [2, 4]
    assert benchmark.parsed(["--scale", "8", "--scale", "8"]).scale == [8]
