"""No engine sends anything: the telemetry of OpenVINO and ONNX Runtime stays off."""

import os
import subprocess
import sys

import pytest

UPSCALE = """
import os, sys, time
def note(event, _):
    if event in {{"socket.connect", "socket.getaddrinfo", "socket.sendto"}}:
        open({sent!r}, "a").write(event)
sys.addaudithook(note)  # children of a fork have it, too
import cxr_sr, numpy
array = numpy.arange(600, dtype=numpy.uint16).reshape(20, 30)
result = cxr_sr.upscale(cxr_sr.from_array(array), "fast")
assert result.derivation.engine == {engine!r}
time.sleep(0.5)
"""


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_a_first_use_contacts_nobody_and_leaves_no_identifier(tmp_path, engine):
    """The telemetry would be on here: the home folder is empty, and CI is not set."""
    pytest.importorskip(engine if engine == "openvino" else "onnxruntime")
    sent = tmp_path / "sent"
    code = UPSCALE.format(sent=str(sent), engine=engine)
    if engine == "onnx":
        code = code.replace('"fast")', '"fast", 2, cxr_sr.Settings(engine="onnx"))')
    home = tmp_path / "home"
    home.mkdir()
    kept = {k: v for k, v in os.environ.items() if k in {"PATH", "PYTHONPATH"}}
    environment = kept | {"HOME": str(home), "LOCALAPPDATA": str(home)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not sent.exists()
    assert list(home.iterdir()) == []


def test_another_program_may_still_use_the_telemetry():
    pytest.importorskip("openvino_telemetry")
    code = (
        "from cxr_sr.superres.engines.telemetry import import_openvino;"
        "assert import_openvino() is import_openvino();"
        "import openvino_telemetry"
    )
    pytest.importorskip("openvino")
    subprocess.run([sys.executable, "-c", code], check=True)
