"""`--help` and `inspect` answer at once: they load nothing that computes."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

HEAVY = {"torch", "lightning", "SimpleITK", "onnx", "onnxruntime", "openvino", "scipy"}

RUN = """
import sys
sys.argv = ["cxr-sr", *{arguments!r}]
from cxr_sr.cli.main import main
try:
    main()
except SystemExit as end:
    code = end.code
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""


def loaded_by(*arguments: str) -> set[str]:
    code = RUN.format(arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["upscale", "--help"],
        ["export", "--help"],
        ["gallery", "--help"],
        ["train", "--help"],
        ["evaluate", "--help"],
        ["models"],
        ["models", "show", "bicubic"],
    ],
    ids=" ".join,
)
def test_what_only_tells_loads_nothing_that_computes(arguments):
    assert not HEAVY & loaded_by(*arguments)


def test_inspect_loads_neither_an_engine_nor_a_raster_reader(rg1):
    assert not HEAVY & loaded_by("inspect", str(rg1))


def test_help_loads_not_even_numpy_or_pydicom():
    assert not {"numpy", "pydicom"} & loaded_by("--help")


@pytest.mark.parametrize("arguments", [["--help"], ["inspect", "RG1"]], ids=" ".join)
def test_the_answer_takes_a_fraction_of_a_second(arguments, rg1):
    command = [str(Path(sysconfig.get_path("scripts")) / "cxr-sr")]
    command += [str(rg1) if a == "RG1" else a for a in arguments]
    assert min(_cpu_seconds(command) for _ in range(3)) < 1.0


def _cpu_seconds(command: list[str]) -> float:
    """Time spent by the processor, which other work on the machine does not stretch."""
    before = os.times()
    subprocess.run(command, capture_output=True, check=True)
    after = os.times()
    return (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
