"""Time the stages of `cxr-sr upscale` one by one, and all at the same time.

    python examples/benchmark_pipeline.py [FOLDER] [--model fine] [--scale 2]
        [--threads N] [--compress jpegls] [--copies N]

Without a folder, copies of a real chest radiograph (RG1 of pydicom-data) are used.
First each stage works alone on all files. Then the pipeline of `cxr-sr upscale` does
the same work. The bound is the shortest possible time for the pipeline: the time of the
slowest stage, or the processor time divided by the number of processors, if this is
longer.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from pydicom.data import get_testdata_file

import cxr_sr
from cxr_sr import processors
from cxr_sr.batch.pipeline import Overlapped
from cxr_sr.batch.runner import run
from cxr_sr.batch.upscaling import Upscaling, UpscalingRecipe
from cxr_sr.formats.header.derive import HeaderOptions
from cxr_sr.report.outcome import Job
from cxr_sr.superres.settings import Settings
from cxr_sr.superres.target import Scale

NAMES = ("read", "upscale", "write")


def main() -> None:
    """Measure and print."""
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        source = options.folder or sample(Path(folder) / "in", options.copies)
        files = sorted(path for path in source.rglob("*") if path.is_file())
        work = Upscaling(recipe_of(options))
        jobs = [job_of(path, Path(folder)) for path in files]
        work(jobs[0])  # loads the model
        alone, processor_s = stage_by_stage(work, jobs)
        begun = time.perf_counter()
        done = [o for o in run(work, jobs, Overlapped) if o.status == "done"]
        together = time.perf_counter() - begun
    tell(alone, processor_s, together, len(jobs))
    if len(done) < len(jobs):
        print(f"{len(jobs) - len(done)} file(s) failed: see `cxr-sr upscale`")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--model", default="fine")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--compress", default="jpegls")
    parser.add_argument("--copies", type=int, default=6, help="of the sample")
    return parser.parse_args()


def sample(folder: Path, copies: int) -> Path:
    """Fill a folder with copies of a real radiograph."""
    path = get_testdata_file("RG1_UNCR.dcm", download=False)
    if path is None:
        raise SystemExit("the sample is missing; run: pip install pydicom-data")
    folder.mkdir()
    for number in range(copies):
        shutil.copy(path, folder / f"{number:02}.dcm")
    return folder


def recipe_of(options: argparse.Namespace) -> UpscalingRecipe:
    """Return the work that is timed."""
    return UpscalingRecipe(
        model=cxr_sr.load_model(options.model),
        target=Scale(options.scale),
        settings=Settings(threads=options.threads),
        header=HeaderOptions(),
        compression=options.compress,
        format="same",
        version=cxr_sr.__version__,
    )


def job_of(path: Path, folder: Path) -> Job:
    """Return the job of one file, written below `folder`."""
    return Job(path.name, path, path.name, folder / "out" / path.name)


def stage_by_stage(work: Upscaling, jobs: list[Job]) -> tuple[dict[str, float], float]:
    """Return the seconds of each stage for all files, and the processor seconds."""
    seconds = dict.fromkeys(NAMES, 0.0)
    begun = time.process_time()
    for job in jobs:
        value = None
        for name, stage in zip(NAMES, work.stages, strict=True):
            start = time.perf_counter()
            value = stage(job, value)
            seconds[name] += time.perf_counter() - start
    return seconds, time.process_time() - begun


def tell(
    alone: dict[str, float], processor_s: float, together: float, files: int
) -> None:
    """Print the times, and compare the time of the pipeline with the bound."""
    cores = processors.allowed()
    for name, seconds in alone.items():
        print(f"{name:22} {seconds / files:7.3f} s a file")
    print(f"{'one after the other':22} {sum(alone.values()) / files:7.3f} s a file")
    print(f"{f'processor / {cores} cores':22} {processor_s / cores / files:7.3f} s")
    bound = max(*alone.values(), processor_s / cores)
    print(f"{'bound':22} {bound / files:7.3f} s a file")
    print(f"{'pipeline':22} {together / files:7.3f} s a file: ", end="")
    print(f"{bound / together:.0%} of the bound")


if __name__ == "__main__":
    main()
