"""Damaged and hostile DICOM files by the thousand, each the same for the same seed.

::

    python -m tests.fuzz_dicom --count 10000 --seed 1
    python -m tests.fuzz_dicom --first 4711 --count 1 --seed 1 --keep found/

Every file must be read, or refused by the package's own error, in time and within the
memory that it is given; a crash of this process ends it with a signal. It prints what
it found and how long and how large the worst were, and exits with 1 if it found any.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cxr_sr.errors import InputError, NotARadiographError
from cxr_sr.formats import inspect, read
from tests.formats.dicom.mutations import mutant

SECONDS_A_FILE = 30
MEMORY_BYTES = 2**30
"""What reading any of these files may add to this process."""


@dataclass
class Findings:
    """What came of reading many mutants."""

    ends: Counter[str] = field(default_factory=Counter)
    """How many were read, refused, or did what they must not."""
    wrong: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    """Seconds, and which."""
    largest: tuple[int, str] = (0, "")
    """Bytes of memory beyond what was in use before, and which."""


def fuzz(numbers: Iterator[int] | range, seed: int, folder: Path) -> Findings:
    """Read mutants, each from a file in `folder`, and note all that went wrong."""
    findings = Findings()
    path = folder / "mutant.dcm"
    for number in numbers:
        what, data = mutant(seed, number)
        path.write_bytes(data)
        label = f"{number} ({what})"
        before, begun = _reset_peak(), time.perf_counter()
        end, wrong = _tried(path)
        seconds, grown = time.perf_counter() - begun, _status("VmHWM") - before
        findings.ends[end] += 1
        findings.slowest = max(findings.slowest, (seconds, label))
        findings.largest = max(findings.largest, (grown, label))
        wrong += f"took {seconds:.0f} s " if seconds > SECONDS_A_FILE else ""
        wrong += f"took {grown >> 20} MiB" if grown > MEMORY_BYTES else ""
        if wrong:
            findings.wrong.append(f"{label}: {wrong}")
    return findings


def _tried(path: Path) -> tuple[str, str]:
    """Inspect and read a file; return its end, and what is wrong with that."""
    try:
        inspect(path)
        read(path)
    except NotARadiographError:
        return "no radiograph", ""
    except InputError as error:
        kinds = {"crashed": "decoder crashed", "not decoded within": "decoder hung"}
        for words, kind in {**kinds, "asked for more than": "too much"}.items():
            if words in str(error):
                return kind, ""
        return "refused", ""
    except Exception:  # noqa: BLE001 - the very thing that is looked for
        return "traceback", traceback.format_exc()
    return "read", ""


def _status(name: str) -> int:
    """Return a line of this process's status in bytes; 0 where there is none."""
    try:
        text = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return 0
    found = re.search(rf"{name}:\s*(\d+) kB", text)
    return int(found[1]) << 10 if found else 0


def _reset_peak() -> int:
    """Have the peak of memory counted from now on; return what is in use."""
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
    parser.add_argument("--keep", type=Path, help="leave the last file in this folder")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.count)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        findings = fuzz(numbers, options.seed, folder)
    say = sys.stdout.write
    say("".join(f"{line}\n" for line in findings.wrong))
    say(f"{dict(findings.ends)} of {options.count}, seed {options.seed}\n")
    say(f"slowest {findings.slowest[0]:.2f} s: {findings.slowest[1]}\n")
    say(f"largest {findings.largest[0] >> 20} MiB: {findings.largest[1]}\n")
    return 1 if findings.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
