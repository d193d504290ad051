"""What `import cxr_sr` promises is there, and costs nothing until it is used."""

import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest

import cxr_sr
from cxr_sr import errors


@pytest.mark.parametrize("name", cxr_sr.__all__)
def test_every_promised_name_is_there_and_documented(name):
    promised = getattr(cxr_sr, name)
    assert isinstance(promised, str) or inspect.getdoc(promised)


def test_all_errors_are_exported():
    raised = {n for n, o in vars(errors).items() if inspect.isclass(o)}
    assert raised <= set(cxr_sr.__all__)


def test_what_is_promised_is_what_dir_shows_sorted():
    assert dir(cxr_sr) == sorted(cxr_sr.__all__) == cxr_sr.__all__


def test_other_names_are_missed_in_the_usual_way():
    with pytest.raises(AttributeError, match="'cxr_sr' has no attribute 'upscalee'"):
        _ = cxr_sr.upscalee  # type: ignore[attr-defined]


def test_the_version_is_that_of_the_installed_package():
    assert cxr_sr.__version__ == version("cxr-sr")


def test_importing_it_loads_nothing_heavy():
    code = "import sys, cxr_sr; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "pydicom", "torch", "onnxruntime", "SimpleITK"} & set(loaded)
