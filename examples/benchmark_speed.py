"""Measure time and quality of each model and engine on this machine, in one run.

::

    python examples/benchmark_speed.py
    python examples/benchmark_speed.py chest.dcm --scale 2 --threads 2 --repeats 9
    python examples/benchmark_speed.py --opencv-dnn ESPCN_x2.pb ESPCN_x4.pb

Without a file, it uses the 15-bit chest radiograph of the package pydicom-data. Each
model enlarges a central square of the image in memory. Quality is measured on a larger
square. All models take turns, so other work on the machine slows all of them equally.
Compare only numbers of the same run. Tables, numbers and a picture (it needs the extra
`figures`) are written to the folder `benchmark-speed`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args

import numpy as np
from pydicom.data import get_testdata_file
from speed_contest import (
    BASELINE,
    QUALITY_PX,
    Runner,
    judge,
    multiply_adds,
    product_rates,
    take_turns,
)

import cxr_sr
from cxr_sr import processors
from cxr_sr.evaluation import figures
from cxr_sr.evaluation.protocol import as_stored
from cxr_sr.names import SCALES, EngineName
from cxr_sr.superres.engines import open_engine
from cxr_sr.superres.engines.telemetry import import_openvino
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.models.zoo import MODELS, Model

Row = dict[str, Any]

ONE_EACH = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that limit libraries of numpy and torch to one thread for a call, because
several threads make calls. The libraries read them when they are loaded."""
MARKERS = "os^vDP"
"""Markers in the picture: one for each engine, including numpy and OpenCV."""
BELOW_DB = 1.0
"""The picture leaves out models that are worse than bicubic by more than this in dB."""
COLUMNS = (
    *("model", "engine", "s/megapixel", "spread", "/ bicubic", "/ fastest network"),
    *("differs, codes", "PSNR, dB", "multiply-adds", "of the peak"),
)
HEAD = """\
{machine}, {threads} threads, {repeats} rounds; {side_px} x {side_px} px of {bits} bit;
matrix products, fastest round, 10^9 operations a second: {fp32_gops:.0f} in fp32,
{int8_gops:.0f} in int8
"""
LEGEND = """
Wall seconds for a megapixel of output: median and range of the rounds, and the ratios
to bicubic and to the fastest network of the table. *differs*: largest difference from
the model's first engine, in stored codes. *PSNR*: of the central {judged_px} px after
box degradation, as in `cxr-sr evaluate`, with the first engine of each precision.
*multiply-adds*: of all convolutions, for a pixel of output, without the overlap of
tiles. *of the peak*: rate of these multiply-adds in the fastest round, without
bicubic's time, divided by the rate of matrix products in the same precision.
"""


def main(arguments: list[str]) -> None:
    """Measure, print and write."""
    options = parsed(arguments)
    os.environ.update(dict.fromkeys(ONE_EACH, "1"))
    try:
        whole = cxr_sr.read(options.image or sample())
        image, larger = (region(whole, n) for n in (options.side, options.judged))
        runners = list(all_runners(options))
        peaks = race(runners, image, larger, options)
    except cxr_sr.CxrSrError as error:
        raise SystemExit(str(error)) from error
    facts = {
        "version": cxr_sr.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {processor()}",
        "threads": options.threads,
        "repeats": options.repeats,
        "side_px": min(image.shape),
        "judged_px": min(larger.shape),
        "bits": image.format.bits_stored,
        **{f"{name}_gops": rate for name, rate in peaks.items()},
    }
    write(options.output, facts, [r.compared(runners, peaks) for r in runners])


def processor() -> str:
    """Return the name of the processor, from the system if Python does not know it."""
    try:
        core = import_openvino().Core()
    except ImportError:
        return platform.processor() or "unknown processor"
    name: str = core.get_property("CPU", "FULL_DEVICE_NAME")
    return " ".join(name.split())


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Time and quality, side by side.")
    add = parser.add_argument
    add("image", nargs="?", type=Path, help="a gray radiograph; default: the sample")
    add("--scale", type=int, action="append", choices=SCALES, help="repeat for several")
    add("--threads", type=int, default=processors.allowed())
    add("--repeats", type=int, default=5, metavar="N", help="rounds at each scale")
    add(
        "--side",
        type=int,
        default=256,
        metavar="PX",
        help="side of the square for the time, in px",
    )
    add(
        "--judged",
        type=int,
        default=1024,
        metavar="PX",
        help="side of the square for the quality, in px",
    )
    add("--opencv-dnn", type=Path, nargs="+", default=[], metavar="FILE.pb")
    add("--output", type=Path, default=Path("benchmark-speed"), metavar="DIR")
    options = parser.parse_args(arguments)
    if min(options.threads, options.repeats, options.side, options.judged) < 1:
        parser.error("--threads, --repeats, --side and --judged take numbers above 0")
    options.scale = list(dict.fromkeys(options.scale or [2, 4]))
    return options


def sample() -> str:
    """Return the path of a real chest CR (RG1 of the WG04 compression samples)."""
    path = get_testdata_file("RG1_UNCR.dcm", download=False)
    if path is None:
        raise SystemExit("the sample is missing; run: pip install pydicom-data")
    return str(path)


def tell(text: str) -> None:
    """Print a message that is not part of the table."""
    print(text, file=sys.stderr, flush=True)


def region(radiograph: cxr_sr.Radiograph, side: int) -> cxr_sr.Radiograph:
    """Return the central square."""
    if radiograph.pixels.ndim != 2:
        raise cxr_sr.NotARadiographError("found a colour image, expected a gray one")
    side = min(side, *radiograph.shape)
    top, left = ((whole - side) // 2 for whole in radiograph.shape)
    square = radiograph.pixels[top : top + side, left : left + side]
    return radiograph.replace(pixels=square)


def all_runners(options: argparse.Namespace) -> Iterator[Runner]:
    """Yield interpolators, networks in each installed engine, and OpenCV's networks."""
    engines = installed_engines()
    models = [cxr_sr.load_model(name) for name in MODELS]
    for scale in options.scale:
        for model in models:
            for engine in engines if model.spec.learned else engines[:1]:
                settings = cxr_sr.Settings(engine, "fp32", threads=options.threads)
                yield ours(model, scale, settings)
            if model.spec.int8_sha256 and "openvino" in engines:
                int8 = cxr_sr.Settings("openvino", "int8", threads=options.threads)
                yield ours(model, scale, int8)
    yield from opencv_networks(options)


def installed_engines() -> list[EngineName]:
    """Return the installed engines; print a message for each missing engine."""
    model = next(cxr_sr.load_model(name) for name in MODELS if MODELS[name].learned)
    found: list[EngineName] = []
    for engine in get_args(EngineName)[1:]:
        try:
            open_engine(model, model.spec.scales[0], engine)
            found.append(engine)
        except cxr_sr.EngineError as error:
            tell(f"left out: {error}")
    return found


def ours(model: Model, scale: int, settings: cxr_sr.Settings) -> Runner:
    """Return one of this package's models in one engine."""
    spec = model.spec
    name = settings.engine + " int8" * (settings.precision == "int8")
    return Runner(
        scale,
        spec.name,
        name if spec.learned else "numpy",
        lambda image: cxr_sr.upscale(image, model, scale, settings),
        spec.learned,
        settings.precision,
        multiply_adds(model, scale) if spec.learned else None,
    )


def opencv_networks(options: argparse.Namespace) -> Iterator[Runner]:
    """Yield OpenCV's networks for the given files of weights, if OpenCV has dnn."""
    if not options.opencv_dnn:
        return
    try:
        cv2 = importlib.import_module("cv2")
        create = cv2.dnn_superres.DnnSuperResImpl_create
    except (ImportError, AttributeError):
        package = "opencv-contrib-python-headless"
        tell(f"left out: --opencv-dnn needs cv2.dnn_superres; pip install {package}")
        return
    cv2.setNumThreads(options.threads)
    for file in options.opencv_dnn:
        runner = opencv(file, create())
        if runner.scale in options.scale:
            yield runner


def opencv(file: Path, network: Any) -> Runner:  # noqa: ANN401 - cv2 has no types
    """Return a network of OpenCV; its 8-bit colour input gets the gray values."""
    known = re.fullmatch(r"([A-Za-z]+).*_x(\d)", file.stem)
    if known is None or not file.is_file():
        raise cxr_sr.SettingsError(
            f"{file.name} is no file, or its name does not name network and scale; "
            "expected a name such as ESPCN_x2.pb or FSRCNN-small_x4.pb"
        )
    network.readModel(str(file))
    network.setModel(known[1].lower(), int(known[2]))

    def run(image: cxr_sr.Radiograph) -> cxr_sr.Radiograph:
        unit = Scaling.of(image).normalise(image.pixels)
        gray = np.rint(unit.clip(0, 1) * 255).astype(np.uint8)
        finer = network.upsample(np.repeat(gray[..., None], 3, axis=2))
        return as_stored(image, np.asarray(finer[..., 1] / np.float32(255)))

    return Runner(int(known[2]), file.stem, "opencv, 8 bit", run)


def race(
    runners: list[Runner],
    image: cxr_sr.Radiograph,
    larger: cxr_sr.Radiograph,
    options: argparse.Namespace,
) -> dict[str, float]:
    """Let all models of a scale take turns; return the machine's best rates."""
    rates: list[dict[str, float]] = []
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        for scale in options.scale:
            here = [runner for runner in runners if runner.scale == scale]
            tell(f"x{scale}: {len(here)} take part; the first time, nothing is timed")
            judge(here, image, larger)
            for turn in range(options.repeats):
                tell(f"x{scale}: round {turn + 1} of {options.repeats}")
                rates.append(apart.submit(product_rates, options.threads).result())
                take_turns(here, image)
    return {name: max(rate[name] for rate in rates) for name in rates[0]}


def write(folder: Path, facts: Row, rows: list[Row]) -> None:
    """Print the tables; write them, all numbers and the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    text = report(facts, rows)
    print(text)
    (folder / "speed.md").write_text(text)
    (folder / "results.json").write_text(json.dumps({**facts, "results": rows}))
    if not figures.has_matplotlib():
        tell("no picture: it needs matplotlib; run: pip install 'cxr-sr[figures]'")
    elif all(row["psnr"] is None for row in rows):
        tell(f"no picture: quality needs {QUALITY_PX} px or more a side")
    else:
        draw(rows, folder / "speed.png")


def report(facts: Row, rows: list[Row]) -> str:
    """Return everything as Markdown."""
    text = HEAD.format(**facts)
    for scale in dict.fromkeys(row["scale"] for row in rows):
        here = [cells(row) for row in rows if row["scale"] == scale]
        text += f"\n## x{scale}\n\n{table(here)}\n"
    return text + LEGEND.format(**facts)


def cells(row: Row) -> list[str]:
    """Return a row as text."""
    spread = f"{min(row['seconds']):.3f} to {max(row['seconds']):.3f}"
    forms = {
        "codes": "g",
        "psnr": ".2f",
        "multiply_adds": ",.0f",
        "share_of_peak": ".0%",
    }
    return [
        *(row["model"], row["engine"], f"{row['median']:.3f}", spread),
        *(f"{row['to_bicubic']:.2f}", f"{row['to_fastest_network']:.2f}"),
        *("-" if row[k] is None else f"{row[k]:{form}}" for k, form in forms.items()),
    ]


def table(rows: list[list[str]]) -> str:
    """Return a Markdown table whose source has aligned columns."""
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    lines = [COLUMNS, ["-" * width for width in widths], *rows]
    padded = [map(str.ljust, line, widths) for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def draw(rows: list[Row], path: Path) -> None:
    """Draw quality against time, a panel a scale."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - it may be absent
    from matplotlib.lines import Line2D  # noqa: PLC0415

    shown = pictured(rows)
    scales, models, engines = (
        list(dict.fromkeys(row[key] for row in shown))
        for key in ("scale", "model", "engine")
    )
    colours = {model: f"C{n}" for n, model in enumerate(models)}
    markers = dict(zip(engines, MARKERS, strict=False))
    figure = Figure(figsize=(5 * len(scales) + 2, 4), layout="constrained")
    panels = figure.subplots(1, len(scales), squeeze=False).ravel()
    for scale, axes in zip(scales, panels, strict=True):
        for row in (row for row in shown if row["scale"] == scale):
            look = colours[row["model"]], markers[row["engine"]]
            axes.plot(row["median"], row["psnr"], color=look[0], marker=look[1])
        axes.set(title=f"x{scale}", xscale="log", ylabel="PSNR, dB (box)")
        axes.set_xlabel("wall seconds for a megapixel of output")
        axes.grid(alpha=0.3)
    key = [Line2D([], [], lw=5, color=c, label=name) for name, c in colours.items()]
    key += [
        Line2D([], [], ls="", marker=marker, color="black", label=name)
        for name, marker in markers.items()
    ]
    figure.legend(handles=key, loc="outside right center")
    figure.savefig(path, dpi=120)


def pictured(rows: list[Row]) -> list[Row]:
    """Return the rows without extreme values, which would hide the other rows."""
    least = {
        row["scale"]: row["psnr"] - BELOW_DB for row in rows if row["model"] == BASELINE
    }
    return [row for row in rows if row["psnr"] >= least[row["scale"]]]


if __name__ == "__main__":
    main(sys.argv[1:])
