"""The installed package is complete and holds no other files."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

import cxr_sr
from cxr_sr.files import sha256_of
from cxr_sr.superres.models.zoo import MODELS, WEIGHTS, load_model
from cxr_sr.tasks.heads import WEIGHTS as HEADS

ROOT = Path(__file__).parents[1]
EXPECT_INSTALLED = os.environ.get("CXR_SR_EXPECT_INSTALLED") == "1"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    if not (ROOT / "cxr_sr").is_dir():
        pytest.skip("the tests run away from the checkout: nothing to build from")
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, *build, str(ROOT)], check=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


@pytest.mark.slow
def test_the_wheel_has_every_module_weight_and_the_typing_marker(wheel):
    tracked = ["git", "-C", str(ROOT), "ls-files", "cxr_sr"]
    files = subprocess.run(tracked, capture_output=True, text=True, check=False)
    if files.returncode:
        pytest.skip("not a clone")
    assert set(files.stdout.splitlines()) <= set(wheel.namelist())
    assert "cxr_sr/py.typed" in wheel.namelist()


@pytest.mark.slow
def test_the_wheel_has_nothing_but_the_package_and_its_metadata(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    version = distribution("cxr-sr").version
    assert tops == {"cxr_sr", f"cxr_sr-{version}.dist-info"}
    suffixes = {
        Path(name).suffix for name in wheel.namelist() if "dist-info" not in name
    }
    page = {".css", ".html", ".js"}
    assert suffixes <= {".py", ".typed", ".onnx", ".safetensors", *page}


@pytest.mark.slow
def test_the_weights_in_the_wheel_are_those_of_the_checkout(wheel):
    shipped = {n for n in wheel.namelist() if "/weights/" in n}
    folders = (WEIGHTS, HEADS)
    paths = [path for folder in folders for path in folder.iterdir()]
    assert shipped == {
        path.relative_to(Path(cxr_sr.__file__).parents[1]).as_posix() for path in paths
    }
    for name in shipped:
        assert wheel.read(name) == (ROOT / name).read_bytes()


def test_the_installed_weights_are_those_the_zoo_knows():
    known = {
        path: sha256
        for spec in MODELS.values()
        if spec.learned
        for part in load_model(spec.name).parts
        for path, sha256 in part.hashes.items()
    }
    assert {path: sha256_of(path) for path in WEIGHTS.glob("*.*")} == known


def test_the_licence_travels_with_it():
    assert distribution("cxr-sr").metadata["License-Expression"] == "Apache-2.0"
    assert any(path.name == "LICENSE" for path in distribution("cxr-sr").files or [])


@pytest.mark.skipif(not EXPECT_INSTALLED, reason="these tests are to test the checkout")
def test_it_is_the_installed_package_that_is_tested():
    assert not Path(cxr_sr.__file__).is_relative_to(ROOT)
    assert "site-packages" in cxr_sr.__file__


def test_the_command_is_installed_beside_python():
    command = Path(sysconfig.get_path("scripts")) / "cxr-sr"
    shown = subprocess.run(
        [command, "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout == f"cxr-sr {cxr_sr.__version__}\n"
