"""Every public name of `cxr_sr` exists, and loads nothing until it is used."""

import inspect
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import cxr_sr
from cxr_sr import errors
from cxr_sr.superres import engines

ROOT = Path(__file__).parents[1]
ONE_THREAD = cxr_sr.Settings(threads=1)


@pytest.mark.parametrize("name", cxr_sr.__all__)
def test_every_promised_name_is_there_and_documented(name):
    promised = getattr(cxr_sr, name)
    assert isinstance(promised, str) or inspect.getdoc(promised)


def test_all_errors_are_exported():
    raised = {n for n, o in vars(errors).items() if inspect.isclass(o)}
    assert raised <= set(cxr_sr.__all__)


def test_what_is_promised_is_what_dir_shows_sorted():
    assert dir(cxr_sr) == sorted(cxr_sr.__all__) == cxr_sr.__all__


@pytest.mark.parametrize(
    "name",
    ["PixelFormat", "Geometry", "HeaderOptions", "RadiographDataset", "features"],
)
def test_what_a_user_needs_is_reachable_from_the_top(name):
    assert name in cxr_sr.__all__


def test_torch_is_needed_for_the_names_that_need_it_alone(tmp_path):
    """Without torch the other names work; these say how to install it."""
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(name='torch')")
    code = (
        "import cxr_sr; cxr_sr.upscale(cxr_sr.from_array([[1, 2]]), 'bicubic')\n"
        "try: cxr_sr.RadiographDataset\n"
        "except ImportError as error: print(error)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    ).stdout
    assert "RadiographDataset needs torch" in told
    assert "pip install 'cxr-sr[train]'" in told


def test_a_loop_over_many_arrays_neither_leaks_nor_reloads():
    """A thousand images take the memory of a few; the weights are loaded once."""
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()

    def work(times: int) -> int:
        for number in range(times):
            side = 24 + number % 7
            pixels = np.full((side, side), number, np.uint16)
            finer = cxr_sr.upscale(cxr_sr.from_array(pixels), "fast", 2, ONE_THREAD)
            np.asarray(finer)
        return int(process.memory_info().rss)

    loaded = engines._loaded.cache_info().misses
    before = work(100)
    after = work(900)
    assert engines._loaded.cache_info().misses <= loaded + 1
    assert after - before < 20e6


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
