"""An interruption ends a command wherever it comes."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

import cxr_sr
from cxr_sr.cli import interrupt
from cxr_sr.cli.batch import Step, loop
from cxr_sr.report.outcome import Outcome
from tests.batch.test_runner import a_job


class Tidy:
    """Is interrupted while it is destroyed."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Leave the signals of the tests' own process as they were."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    hook = sys.unraisablehook
    interrupt.listen()
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    sys.unraisablehook = hook
    interrupt._came.clear()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_a_destructor_swallows_is_remembered(number: int, capfd):
    interrupt.check()
    thing = Tidy(number)
    del thing
    with pytest.raises(KeyboardInterrupt):
        interrupt.check()
    assert capfd.readouterr().err == ""


def test_a_run_ends_after_the_file_in_hand():
    def outcomes() -> Generator[Outcome]:
        thing = Tidy(signal.SIGINT)
        yield Outcome(a_job("1"), "done")
        del thing
        yield Outcome(a_job("2"), "done")
        yield Outcome(a_job("3"), "done")

    noted: list[str] = []

    def note(outcome: Outcome) -> Step:
        noted.append(outcome.job.name)
        return Step.of(outcome)

    with pytest.raises(KeyboardInterrupt), loop(note, [], quiet=True) as each:
        each.follow(outcomes())
    assert noted == ["1", "2"]


def test_what_is_to_be_ignored_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupt.listen()
    os.kill(os.getpid(), signal.SIGINT)
    interrupt.check()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["typer", "rich", "numpy"])
def test_while_the_command_still_loads_it_ends_it_without_a_word(
    tmp_path: Path, number: int, moment: str
):
    """A package of this name interrupts those who import it."""
    (tmp_path / f"{moment}.py").write_text(
        f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(9)\n"
    )
    root = Path(cxr_sr.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "cxr_sr", "inspect", str(tmp_path), "-q"],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
