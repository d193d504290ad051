"""Peak memory and speed over the size of a radiograph, 0.25 to 60 megapixels.

::

    python examples/benchmark_memory.py
    python examples/benchmark_memory.py --model bicubic --scale 2 --megapixels 1 16
    python examples/benchmark_memory.py --model hydra --engine openvino --threads 2

Each model and size runs in a new process: it reads a 16-bit PNG, upscales it and
writes DICOM. The peak is the largest resident memory of that process. It includes the
interpreter, the libraries and mapped files. The column `image` therefore gives the size
of the image alone: the stored values of input and output. The seconds measure `upscale`
alone, for a megapixel of output.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cxr_sr

SIZES = (0.25, 1.0, 4.0, 16.0, 60.0)
ASPECT = 1.2
"""The ratio of rows to columns."""
PEAK_MB = 1200
"""The limit in MB that the project promises, in addition to the image."""


def main() -> None:
    """Measure each model and size, and print a line; exit 1 if one needs too much."""
    options = arguments()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.png"
        print(f"x{options.scale}, engine {options.engine}")
        print(
            f"{'model':<14} {'input MP':>8} {'image MB':>8} {'peak MB':>8} "
            f"{'s/megapixel':>12} {'writing s':>10}"
        )
        for megapixels in options.megapixels:
            in_process_of_its_own(synthesise, source, megapixels)
            for model in options.model or ["bicubic", "fine"]:
                failed |= in_process_of_its_own(measure, source, model, options) != 0
    sys.exit(failed)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Peak memory and speed over size.")
    add = parser.add_argument
    add("--model", action="append", help="repeat for several")
    add("--engine", default="auto")
    add("--scale", type=int, default=4)
    add("--megapixels", type=float, nargs="+", default=SIZES, help="of the input")
    add("--threads", type=int, default=0, help="0: one for each processor")
    usual = cxr_sr.Settings().max_memory_mb
    add("--max-memory", type=int, default=usual, metavar="MB")
    return parser.parse_args()


def in_process_of_its_own(work: Callable[..., None], *given: object) -> int:
    """Run `work` in a fresh interpreter and return its exit code."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=given)
    process.start()
    process.join()
    return process.exitcode or 0


def synthesise(path: Path, megapixels: float) -> None:
    """Write shading, ribs, an unexposed frame, and noise that grows with brightness."""
    import numpy as np  # noqa: PLC0415 - not part of the measured memory
    import SimpleITK  # noqa: PLC0415

    random = np.random.default_rng(0)
    width = round((megapixels * 1e6 / ASPECT) ** 0.5)
    height = round(width * ASPECT)
    rows, columns = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    rows, columns = rows.astype(np.float32), columns.astype(np.float32)
    shading = 0.5 + 0.3 * np.cos(2 * columns) * rows + 0.1 * rows
    ribs = 0.05 * np.tanh(8 * np.sin(20 * rows + 6 * columns**2))
    image = (shading + ribs).astype(np.float32)
    image += random.standard_normal(image.shape, np.float32) * (0.01 * image)
    image[:, : width // 50] = 0
    codes = (image.clip(0, 1) * 65535).astype(np.uint16)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(codes), path)


def measure(source: Path, model: str, options: argparse.Namespace) -> None:
    """Read, upscale and write one image; print the row, exit 1 if over the limit."""
    settings = cxr_sr.Settings(
        engine=options.engine,
        threads=options.threads,
        max_memory_mb=options.max_memory,
    )
    radiograph = cxr_sr.read(source)
    begun = time.perf_counter()
    opened = cxr_sr.load_model(model)
    finer = cxr_sr.upscale(radiograph, opened, options.scale, settings)
    upscaled = time.perf_counter()
    target = source.with_suffix(".dcm")
    cxr_sr.write(finer, target)
    written = time.perf_counter()
    target.unlink()
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    image_mb = (radiograph.pixels.nbytes + finer.pixels.nbytes) / 1e6
    speed = (upscaled - begun) / (finer.pixels.size / 1e6)
    print(
        f"{model:<14} {radiograph.pixels.size / 1e6:>8.2f} {image_mb:>8.0f} "
        f"{peak_mb:>8.0f} {speed:>12.3f} {written - upscaled:>10.1f}"
    )
    sys.exit(peak_mb - image_mb > PEAK_MB)


if __name__ == "__main__":
    main()
