"""`--help` and `inspect` answer at once: they load nothing that computes."""

import subprocess
import sys

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
