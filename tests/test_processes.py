"""A message about an ended process gives the signal's name or the exit code."""

import signal
import subprocess
import sys

import pytest

from cxr_sr.processes import cause_of


@pytest.mark.parametrize(
    ("ending", "cause"),
    [
        ("sys.exit(0)", "exit code 0"),
        ("sys.exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), 9)", "SIGKILL"),
        ("os.abort()", "SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGRTMIN + 3)", f"signal {signal.SIGRTMIN + 3}"),
    ],
)
def test_the_cause_is_that_of_a_real_process(ending, cause):
    code = f"import os, signal, sys; {ending}"
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert cause_of(ended.returncode) == cause


def test_a_process_of_which_nothing_is_known():
    assert cause_of(None) == "exit code None"
