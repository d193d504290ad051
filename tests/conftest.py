"""Where the tests find real files; each fixture skips where there are none."""

import importlib.util
import os
import signal
from pathlib import Path

import hypothesis
import pytest
from pydicom.data import get_testdata_file

from cxr_sr.superres import engines

if "PYTEST_XDIST_WORKER" in os.environ:
    # One worker a core: libraries that start threads for all cores would share them.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Otherwise each process that a test starts would compile the package again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A machine that is busy with something else is no fault of the code.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

SHARED = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items):
    """Begin with the files that have slow tests, so that all workers end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope="session")
def _interrupts_are_heard():
    """Let Ctrl-C work: a shell's background jobs and their children ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def looked_for_anew():
    """Ask afresh if this machine can run int8; forget the answer after the test."""
    engines._lacking_for_int8.cache_clear()
    yield
    engines._lacking_for_int8.cache_clear()


@pytest.fixture
def no_packages(monkeypatch, looked_for_anew):
    """The fixture hides every package that an engine needs."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)


@pytest.fixture
def no_pictures(monkeypatch):
    """Trainings draw nothing: four fifths of the time of a short one is drawing."""
    for drawing in (
        "cxr_sr.training.run_folder.history.draw_curves",
        "cxr_sr.training.fit.draw_samples",
        "cxr_sr.tasks.training.fit.draw_found",
    ):
        monkeypatch.setattr(drawing, lambda *_: None)


def _shared(folder: str) -> Path:
    path = SHARED / folder
    if not path.is_dir():
        pytest.skip(f"no ../shared/data/{folder}: a user has only the repository")
    return path


@pytest.fixture
def shared_dicom() -> Path:
    return _shared("dicom")


@pytest.fixture
def shared_cxr() -> Path:
    return _shared("cxr")


@pytest.fixture(scope="session")
def rg1() -> Path:
    """A real 15-bit chest CR: MONOCHROME1, uncompressed, 1955 x 1841."""
    path = get_testdata_file("RG1_UNCR.dcm", download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    return Path(path)
