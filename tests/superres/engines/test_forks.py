"""The usual order of a notebook: one call, then a DataLoader or a Pool that forks."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cxr_sr.superres.engines import PACKAGES

SCRIPT = Path(__file__).with_name("in_children.py")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork"),
]


@pytest.mark.parametrize("first", ["parent", "child"])
@pytest.mark.parametrize("engine", PACKAGES)
def test_forked_children_compute_what_their_parent_does(engine, first):
    """In a process of its own, so that one that waits for ever is a failure.

    The loader comes last: torch, which it loads, is no part of the other ways.
    """
    pytest.importorskip(PACKAGES[engine])
    ways = ["pool", "exit"]
    if importlib.util.find_spec("torch"):
        ways.append("loader")
    command = [sys.executable, str(SCRIPT), engine, first, *ways]
    # Several threads, as a user has; idle ones leave the processor to other tests.
    environment = os.environ | {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
    environment |= {"PYTHONPATH": str(SCRIPT.parents[3])}
    told = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        check=False,
    )
    expected = "".join(f"{way}: equal\n" for way in ways)
    assert told.stdout == expected, told.stderr
