"""Damaged and hostile files by the thousand, each the same for the same seed.

::

    python -m tests.fuzz --count 10000 --seed 1
    python -m tests.fuzz --kind weights --first 4711 --count 1 --seed 1 --keep found/

Two of every five files are DICOM, one is another image (MetaImage, NRRD, PNG, JPEG,
TIFF), and one is a report. The fifth is an image again or, one time in ten, weights.
The package must read every file or refuse it with its own error, within limits of time
and memory. A crash of this process ends it with a signal. The script prints its
findings and the longest time and largest memory; it exits with 1 if it found a fault.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cxr_sr.errors import CxrSrError, InputError, NotARadiographError
from cxr_sr.formats import inspect, read
from cxr_sr.report.earlier import EarlierRuns
from cxr_sr.report.entries import read_deliveries
from cxr_sr.report.outcome import Job
from cxr_sr.report.results import Results
from cxr_sr.superres.engines import open_engine
from cxr_sr.superres.models.zoo import load_model
from tests.formats.dicom import mutations as dicom
from tests.formats.raster import mutations as raster
from tests.report import mutations as report
from tests.superres.models import mutations as weights

SECONDS_A_FILE = 30
MEMORY_BYTES = 2**30
"""Bytes of memory that reading any of these files may add to this process."""


@dataclass
class Findings:
    """The results of reading many mutants."""

    ends: Counter[str] = field(default_factory=Counter)
    """The number of files for each end: read, refused, or a fault."""
    wrong: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    """Seconds, and the name of the file."""
    largest: tuple[int, str] = (0, "")
    """Bytes of memory added to the memory in use, and the name of the file."""


@dataclass(frozen=True)
class Kind:
    """One kind of file, with its maker and its reader."""

    mutant: Callable[[int, int], tuple[str, bytes]]
    """Takes seed and number; returns the name of the change, and the file."""
    tried: Callable[[Path], str]
    """Returns how it ended; an error that is not of the package is a finding."""
    suffix: str


def _image(path: Path) -> str:
    """Inspect and read an image."""
    inspect(path)
    pixels = read(path).pixels
    if raster.OUTSIDE_BYTES[:4] in pixels.tobytes() and (
        raster.OUTSIDE_BYTES[:4] not in path.read_bytes()
    ):
        raise AssertionError("it has the content of another file")
    return "read"


def _raster(path: Path) -> str:
    """Read an image twice; another file lies beside it."""
    path.with_name(raster.OUTSIDE).write_bytes(raster.OUTSIDE_BYTES)
    end = _image(path)
    if not np.array_equal(read(path).pixels, read(path).pixels):
        raise AssertionError("it has other pixels each time")
    return end


def _report(path: Path) -> str:
    """Resume from a report, show it, and ask which results were sent."""
    job = Job("a.dcm", path, "a.dcm", path.with_name("a.dcm"))
    earlier = EarlierRuns.read(path, report.HASH)
    assert [*earlier.sift([job], lambda _: None)] == [job], "a file is not what it was"
    deliveries = [*read_deliveries(path)]
    results = Results.read(path)
    assert len(results.written) + len(results.missing) == len(results.files)
    return f"{len(results.files) + len(deliveries)} lines"


def _weights(path: Path) -> str:
    """Load weights, open an engine, and enlarge an image."""
    model = load_model(path)
    engine = open_engine(model, 2, "onnx", "fp32")
    planes = 1 + model.spec.noise_planes
    found = engine(np.full((1, planes, 24, 20), 0.5, np.float32))
    assert found.shape == (1, 1, 48, 40), found.shape
    assert np.isfinite(found).all(), "not finite"
    return "used"


KINDS = {
    "dicom": Kind(dicom.mutant, _image, ".dcm"),
    "raster": Kind(raster.mutant, _raster, ".mha"),
    "report": Kind(report.mutant, _report, ".jsonl"),
    "weights": Kind(weights.mutant, _weights, ".onnx"),
}


def kind_of(number: int) -> str:
    """Return the kind of a file by its number."""
    if number % 50 == 4:  # they take longest
        return "weights"
    return ("dicom", "raster", "dicom", "report", "raster")[number % 5]


def fuzz(
    numbers: Iterable[int], seed: int, folder: Path, kind: str | None = None
) -> Findings:
    """Try mutants, each from a file in `folder`, and note all that went wrong."""
    findings = Findings()
    for number in numbers:
        name = kind or kind_of(number)
        what, data = KINDS[name].mutant(seed, number)
        path = folder / f"mutant{KINDS[name].suffix}"
        path.write_bytes(data)
        label = f"{number} ({name} {what})"
        before, begun = _reset_peak(), time.perf_counter()
        end, wrong = _tried(KINDS[name], path)
        seconds, grown = time.perf_counter() - begun, _status("VmHWM") - before
        findings.ends[f"{name} {end}"] += 1
        findings.slowest = max(findings.slowest, (seconds, label))
        findings.largest = max(findings.largest, (grown, label))
        wrong += f"took {seconds:.0f} s " if seconds > SECONDS_A_FILE else ""
        wrong += f"took {grown >> 20} MiB" if grown > MEMORY_BYTES else ""
        if wrong:
            findings.wrong.append(f"{label}: {wrong}")
    return findings


def _tried(kind: Kind, path: Path) -> tuple[str, str]:
    """Try a file; return how it ended, and the fault if that is one."""
    try:
        return kind.tried(path), ""
    except NotARadiographError:
        return "no radiograph", ""
    except InputError as error:
        ends = {"crashed": "decoder crashed", "not decoded within": "decoder hung"}
        for words, end in {**ends, "needs more than": "too much"}.items():
            if words in str(error):
                return end, ""
        return "refused", ""
    except CxrSrError:
        return "refused", ""
    except Exception:  # noqa: BLE001 - the very thing that is looked for
        return "traceback", traceback.format_exc()


def _status(name: str) -> int:
    """Return a line of this process's status in bytes; 0 where there is none."""
    try:
        text = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return 0
    found = re.search(rf"{name}:\s*(\d+) kB", text)
    return int(found[1]) << 10 if found else 0


def _reset_peak() -> int:
    """Count the memory peak from now on; return the memory in use."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        return _status("VmHWM")
    return _status("VmRSS")


def main() -> int:
    """Fuzz as the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, help="only files of this kind")
    parser.add_argument("--keep", type=Path, help="leave the last file in this folder")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.count)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        findings = fuzz(numbers, options.seed, folder, options.kind)
    say = sys.stdout.write
    say("".join(f"{line}\n" for line in findings.wrong))
    say(f"{dict(findings.ends)} of {options.count}, seed {options.seed}\n")
    say(f"slowest {findings.slowest[0]:.2f} s: {findings.slowest[1]}\n")
    say(f"largest {findings.largest[0] >> 20} MiB: {findings.largest[1]}\n")
    return 1 if findings.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
