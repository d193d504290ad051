"""The usual order of a notebook: one call, then a DataLoader or a Pool that forks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cxr_sr.superres.engines import PACKAGES

SCRIPT = Path(__file__).with_name("in_children.py")
NEEDED = {"loader": "torch"}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork"),
]


@pytest.mark.parametrize("first", ["parent", "child"])
@pytest.mark.parametrize("how", ["pool", "loader", "exit"])
@pytest.mark.parametrize("engine", PACKAGES)
def test_forked_children_compute_what_their_parent_does(engine, how, first):
    """In a process of its own, so that one that waits for ever is a failure."""
    pytest.importorskip(PACKAGES[engine])
    if how in NEEDED:
        pytest.importorskip(NEEDED[how])
    command = [sys.executable, str(SCRIPT), engine, first, how]
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[3])}
    told = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        check=False,
    )
    assert told.stdout == "equal\n", told.stderr
