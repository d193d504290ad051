"""Peak memory and speed of x4 on a large radiograph: 2500 x 3000 pixels of 16 bits.

::

    python examples/benchmark_memory.py
    python examples/benchmark_memory.py --model hydra --engine openvino --threads 2

Each model runs in a process of its own: a 16-bit PNG is read, upscaled to 120
megapixels and written as DICOM. The peak is the largest resident memory of that
process: interpreter, libraries and whatever is mapped from files included.
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
from cxr_sr.superres.zoo import MODELS

ROWS, COLUMNS = 2500, 3000
SCALE = 4
MEGAPIXELS = ROWS * COLUMNS * SCALE**2 / 1e6
LIMIT_MB = 1200
"""What the project promises for this image."""


def main() -> None:
    """Measure each model and print a line for it; exit 1 if one takes too much."""
    options = arguments()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.png"
        in_process_of_its_own(synthesise, source)
        print(f"x{SCALE} of {COLUMNS} x {ROWS}, engine {options.engine}")
        print(f"{'model':<12} {'peak MB':>8} {'s/megapixel':>12} {'writing s':>10}")
        for model in options.model or default_models():
            failed |= in_process_of_its_own(measure, source, model, options) != 0
    sys.exit(failed)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Peak memory and speed of x4.")
    parser.add_argument("--model", action="append", help="repeat for several")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="0: one a core")
    usual = cxr_sr.Settings().max_memory_mb
    parser.add_argument("--max-memory", type=int, default=usual, metavar="MB")
    return parser.parse_args()


def default_models() -> list[str]:
    """Return bicubic, and the networks whose weights are shipped."""
    return ["bicubic", *(m.name for m in MODELS.values() if m.learned)]


def in_process_of_its_own(work: Callable[..., None], *given: object) -> int:
    """Run `work` in a fresh interpreter and return its exit code."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=given)
    process.start()
    process.join()
    return process.exitcode or 0


def synthesise(path: Path) -> None:
    """Write shading, ribs, an unexposed frame, and noise that grows with brightness."""
    import numpy as np  # noqa: PLC0415 - not in the process that is measured
    import SimpleITK  # noqa: PLC0415

    random = np.random.default_rng(0)
    rows, columns = np.ogrid[-1 : 1 : ROWS * 1j, -1 : 1 : COLUMNS * 1j]
    shading = 0.5 + 0.3 * np.cos(2 * columns) * rows + 0.1 * rows
    ribs = 0.05 * np.tanh(8 * np.sin(20 * rows + 6 * columns**2))
    image = (shading + ribs).astype(np.float32)
    image += random.standard_normal(image.shape, np.float32) * (0.01 * image)
    image[:, :60] = 0
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
    finer = cxr_sr.upscale(radiograph, cxr_sr.load_model(model), SCALE, settings)
    upscaled = time.perf_counter()
    cxr_sr.write(finer, source.with_name(f"{model}.dcm"))
    written = time.perf_counter()
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    speed = (upscaled - begun) / MEGAPIXELS
    print(f"{model:<12} {peak_mb:>8.0f} {speed:>12.3f} {written - upscaled:>10.1f}")
    sys.exit(peak_mb > LIMIT_MB)


if __name__ == "__main__":
    main()
