"""Write the page: the template, the cases one by one, and the script."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import numpy as np

from cxr_sr.files import replacing
from cxr_sr.gallery.cases import Places, case_of, facts
from cxr_sr.gallery.packing import PageData
from cxr_sr.report.results import Results

Item = TypeVar("Item")

MOST_LISTED = 1000
"""Largest number of listed files without a result; the report lists all."""

SETTINGS = {
    "model": "Model",
    "weights_sha256": "Weights, SHA-256",
    "target": "Target",
    "consistency": "Projection on the input",
    "engine": "Engine",
    "precision": "Precision",
    "format": "Format",
    "compression": "Compression",
    "version": "Version of cxr-sr",
}
"""The label of each setting on the page, by its key in the report."""


@dataclass(frozen=True)
class PageLimits:
    """Limits on the size of the page."""

    pairs: int = 20
    """Largest number of shown results; they are spread evenly over the run."""
    side_px: int = 768
    """Longest side of the shown part of a result, px."""


@dataclass(frozen=True)
class Shown:
    """The results on the page, and the results that could not be shown."""

    pairs: int = 0
    problems: tuple[tuple[str, str], ...] = ()
    """(file, reason) of each result that could not be shown."""


def write_page(
    results: Results,
    places: Places,
    limits: PageLimits,
    path: Path,
    *,
    overwrite: bool = False,
) -> Shown:
    """Write one self-contained page; leave no partial file.

    One case is in memory at a time.

    Raises
    ------
    OutputError
        If the page exists already, or cannot be written.
    """
    chosen = evenly(results.written, limits.pairs)
    index: list[PageData] = []
    with replacing(path, overwrite=overwrite) as temporary:
        head, between, tail = _template()
        with temporary.open("x", encoding="utf-8") as page:
            page.write(head)
            for number, entry in enumerate(chosen):
                case = case_of(entry, places, limits.side_px)
                index.append(case)
                page.write(_data(f"case-{number}", _taken_out(case, f"case-{number}")))
            page.write(_data("index", _index(results, index)))
            page.write(between + tail)
    problems = tuple((c["file"], c["problem"]) for c in index if "problem" in c)
    return Shown(len(index) - len(problems), problems)


def evenly(entries: list[Item], count: int) -> list[Item]:
    """Return `count` entries, evenly spaced from the first to the last."""
    if len(entries) <= count:
        return entries
    numbers = np.linspace(0, len(entries) - 1, count).round().astype(int)
    return [entries[number] for number in numbers]


def _taken_out(case: PageData, name: str) -> PageData:
    """Remove the pictures from a case; keep the name of their data block."""
    case["pictures"] = name
    return {key: case.pop(key) for key in ("before", "after") if key in case}


def _index(results: Results, cases: list[PageData]) -> PageData:
    """Return the data that the page loads first: all except the large pictures."""
    missing = results.missing
    listed = [
        [str(m.get("status")), m["file"], str(m.get("reason", ""))]
        for m in missing[:MOST_LISTED]
    ]
    return {
        "notice": str(results.run.get("notice", "")),
        "settings": facts(results.run.get("settings", {}), SETTINGS),
        "counts": Counter(str(entry.get("status")) for entry in results.files),
        "missing": listed,
        "unlisted": len(missing) - len(listed),
        "written": len(results.written),
        "cases": sorted(cases, key=lambda case: "problem" not in case),
    }


def _data(name: str, value: PageData) -> str:
    """Return a block of data; the text is escaped, so it cannot end the block."""
    text = json.dumps(value, allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>\n'


def _template() -> Iterator[str]:
    """Yield three parts of the page: before the cases, up to the script, the rest."""
    page, style, script = map(_asset, ("page.html", "page.css", "page.js"))
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}"
    page = page.replace("{policy}", policy).replace("{style}", style)
    head, rest = page.split("{cases}\n")
    between, tail = rest.split("{script}")
    yield from (head, between + script, tail)


def _asset(name: str) -> str:
    return (files("cxr_sr.gallery") / name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    """Return the hash by which the page's policy allows a script or style."""
    digest = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
