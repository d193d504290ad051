"""Make runs for a page, and read the data of a page."""

import base64
import json
import re
import zlib
from pathlib import Path

import numpy as np
from hypothesis import settings
from typer.testing import CliRunner

from cxr_sr.cli.main import app
from cxr_sr.gallery.cases import Places, case_of
from cxr_sr.report.results import Results

REPORT = Path("out/cxr-sr-report.jsonl")


QUICK = settings(max_examples=40, deadline=None)


def gallery(*arguments):
    words = [str(a) for a in arguments]
    inputs = [] if "--inputs" in words else ["--inputs", "in"]
    place = [] if "-o" in words else ["-o", "page.html"]
    return CliRunner().invoke(app, ["gallery", *words, *inputs, *place])


def blocks(page):
    """The data blocks of a page, by name."""
    pattern = r'<script type="application/json" id="([\w-]+)">(.*?)</script>'
    return {name: json.loads(text) for name, text in re.findall(pattern, page)}


def index_of(page="page.html"):
    return blocks(Path(page).read_text())["index"]


def case(name="a/chest.dcm", side_px=768):
    """Return the case of a file of the small export."""
    (entry,) = [e for e in Results.read(REPORT).files if e["file"] == name]
    return case_of(entry, Places((Path("in"),), Path("out")), side_px)


def unpacked(about):
    """Undo `packed`, as page.js does: (C, H, W), stored values."""
    data = zlib.decompress(base64.b64decode(about["data"]))
    high, low = np.frombuffer(data, np.uint8).reshape(2, -1).astype(np.int64)
    counted = (high << 8) + low
    steps = (counted >> 1) ^ -(counted & 1)
    shape = about["channels"] * about["rows"], about["columns"]
    samples = steps.reshape(shape).cumsum(axis=1).cumsum(axis=0) % 65536
    planes = samples.reshape(-1, about["rows"], about["columns"])
    return planes + about["minimum"]
