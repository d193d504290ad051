"""A path for a report, and a job for it."""

import pytest

from cxr_sr.report.outcome import Job


@pytest.fixture
def report(tmp_path):
    return tmp_path / "out" / "report.jsonl"


@pytest.fixture
def job(tmp_path):
    """A job whose input and output both exist."""
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "a.dcm").write_bytes(folder.encode())
    return Job("a.dcm", tmp_path / "in/a.dcm", "a.dcm", tmp_path / "out/a.dcm")
