"""Prepare one file of a run for the page: facts from the report, and two pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.display.picture import View, picture_of, pixel_size
from cxr_sr.display.render import WHITE, render
from cxr_sr.errors import CxrSrError, UnreadableError
from cxr_sr.files import sha256_of
from cxr_sr.formats import read
from cxr_sr.formats.dicom.header import DicomHeader
from cxr_sr.formats.guard import readable
from cxr_sr.formats.header.elements import text
from cxr_sr.gallery.packing import PageData, picture
from cxr_sr.gallery.region import Region, busiest
from cxr_sr.radiograph import Radiograph
from cxr_sr.report.results import below
from cxr_sr.superres.target import LongSide

THUMBNAIL_PX = 144
"""Longer side of the small picture of the whole image."""

FACTS = {
    "input_size": "Rows x columns before",
    "output_size": "Rows x columns after",
    "input_spacing_mm": "Pixel spacing before, mm",
    "output_spacing_mm": "Pixel spacing after, mm",
    "model": "Model",
    "weights_sha256": "Weights, SHA-256",
    "engine": "Engine",
    "precision": "Precision",
    "consistency": "Projection on the input",
    "consistency_max": "Largest difference from the input, codes",
    "consistency_rms": "RMS difference from the input, codes",
    "noise_sigma": "Noise of the input, standard deviation in codes",
    "noise_explained": "Share of the disagreement that this noise explains",
    "grain": "Share of the measured grain that stays",
    "minimum": "Smallest stored value",
    "maximum": "Largest stored value",
    "seconds": "Seconds",
    "input_sha256": "Input, SHA-256",
    "output_sha256": "Result, SHA-256",
}
"""The label of each fact on the page, by its key in the report."""


@dataclass(frozen=True)
class Places:
    """The folders of a report's files; the report has only paths below them."""

    inputs: tuple[Path, ...]
    """The input folders of the run."""
    outputs: Path
    """The output folder of the run."""


def facts(entry: Mapping[str, Any], labels: Mapping[str, str]) -> list[list[str]]:
    """Return (label, text) of each fact in `entry` that has a label."""
    known = {label: entry.get(key) for key, label in labels.items()}
    return [[k, in_words(v)] for k, v in known.items() if v not in (None, "", {})]


def in_words(value: object) -> str:
    """Return a value of a report as text for people."""
    match value:
        case float():
            return f"{value:.4g}"
        case dict():
            return ", ".join(f"{key} {in_words(part)}" for key, part in value.items())
        case list() | tuple():
            return " x ".join(map(in_words, value))
        case _:
            return str(value)


def case_of(entry: Mapping[str, Any], places: Places, side_px: int) -> PageData:
    """Return the facts and pictures of a file, ready for JSON.

    If there can be no pictures, `problem` states the reason.

    Parameters
    ----------
    side_px : longest side of the shown part of the result
    """
    about: PageData = {"file": entry["file"], "facts": facts(entry, FACTS)}
    try:
        before, after = _pair(entry, places)
        return about | _pictures(before, after, side_px)
    except CxrSrError as error:
        return about | {"problem": str(error)}


def _pair(entry: Mapping[str, Any], places: Places) -> tuple[Radiograph, Radiograph]:
    source = _same(
        [below(folder, entry["file"]) for folder in places.inputs],
        entry.get("input_sha256"),
        "the input folder lacks the input, or the input has changed since the run",
    )
    target = _same(
        [below(places.outputs, entry.get("output"))],
        entry.get("output_sha256"),
        "the output folder lacks the result, or the result has changed since the run",
    )
    pair = read(source), read(target)
    for radiograph in pair:
        _refuse_burned_in(radiograph)
    return pair


def _same(paths: list[Path | None], sha256: object, complaint: str) -> Path:
    """Return the first of `paths` that has the hash in the report."""
    for path in paths:
        with readable("the file"):
            if path is not None and path.is_file() and sha256_of(path) == sha256:
                return path
    raise UnreadableError(f"{complaint}; name the right folder, or run the batch again")


def _refuse_burned_in(radiograph: Radiograph) -> None:
    """Refuse burned-in text (PS3.3 C.7.6.1): it may name the patient."""
    header = radiograph.header
    if isinstance(header, DicomHeader) and text(
        header.dataset, "BurnedInAnnotation"
    ) in {"YES", "Y"}:
        raise UnreadableError(
            "the file says that text is burned into its pixels (BurnedInAnnotation), "
            "which may name the patient; it is not shown"
        )


def _pictures(before: Radiograph, after: Radiograph, side_px: int) -> PageData:
    """Return the same part of both images, and a small picture of the whole."""
    factors = (after.shape[0] / before.shape[0], after.shape[1] / before.shape[1])
    size = [max(1, int(side_px / factor)) for factor in factors]
    part = busiest(before.pixels, (size[0], size[1]))
    low, high, inverted = display_of(before)
    down, across = pixel_size(before)
    whole = picture_of(before, View(size=LongSide(THUMBNAIL_PX)))
    return {
        "before": _part(before, part),
        "after": _part(after, part.finer(factors, after.shape)),
        "whole": picture(whole.pixels, whole.format),
        "factors": factors,
        "shape": before.shape,
        "part": asdict(part),
        "aspect": down / across,
        "window": [low, high],
        "inverted": inverted,
    }


def _part(radiograph: Radiograph, part: Region) -> PageData:
    place = {"row": part.row, "column": part.column}
    return place | picture(part.of(radiograph.pixels), radiograph.format)


def display_of(radiograph: Radiograph) -> tuple[float, float, bool]:
    """Return the window of stored values that gives the gray values of `render`.

    The window is fitted to the output of `render`, so it is right for windows, VOI LUTs
    and both polarities. The straight line of its steep part replaces a curve.

    Returns
    -------
    low, high, and True if `low` is the bright end
    """
    fmt = radiograph.format
    if fmt.photometric == "RGB":
        return float(fmt.minimum), float(fmt.maximum), False
    stored, shown = radiograph.pixels, render(radiograph, 16).astype(np.int32)
    inverted = bool(shown.flat[stored.argmin()] > shown.flat[stored.argmax()])
    low, high = _line(stored, WHITE - shown if inverted else shown)
    if not low < high:
        low, high = float(stored.min()), float(stored.max()) + 1
    return low, high, inverted


def _line(stored: NDArray[Any], shown: NDArray[Any]) -> tuple[float, float]:
    """Return the stored values at 0 and at `WHITE` on the line through `shown`."""
    tenth = WHITE / 10
    steep = (shown > tenth) & (shown < WHITE - tenth)
    if np.unique(shown[steep]).size < 2:  # a step: no value lies between
        dark, bright = stored[shown <= tenth], stored[shown >= WHITE - tenth]
        return (
            (float(dark.max()), float(bright.min()))
            if dark.size and bright.size
            else (0.0, 0.0)
        )
    (first, last), (least, most) = (
        (float(a[steep].min()), float(a[steep].max())) for a in (stored, shown)
    )
    slope = (last - first) / (most - least)
    low = first - least * slope
    return low, low + WHITE * slope
