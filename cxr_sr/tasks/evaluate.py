"""Measure a head on labelled images: each image alone, then all patients together."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.display.picture import pixel_size
from cxr_sr.errors import InputError, SettingsError
from cxr_sr.files import write_texts
from cxr_sr.formats import read_original
from cxr_sr.tasks.heads import Head
from cxr_sr.tasks.infer import (
    chances_of,
    doubts_of,
    logits_of,
    masks_of,
    predict,
    preview_for,
    sigmoid,
)
from cxr_sr.tasks.labels import Labelled, Labels
from cxr_sr.tasks.masks import read_masks
from cxr_sr.tasks.measures import (
    auc,
    brier,
    calibration_error,
    dice,
    interval,
    surface_distances,
)
from cxr_sr.tasks.spec import SEEN, HeadSpec, short
from cxr_sr.texts import csv_text

GROUPS = {False: "not trained on", True: "trained on"}


@dataclass(frozen=True)
class Measured:
    """The measures of one class in one image."""

    row: Labelled
    name: str
    """Name of the class."""
    seen: bool
    """True if the head was trained on this image."""
    values: dict[str, float]
    """Measures by name. Masks: dice, surface, surface_95, brier and ece. A finding:
    probability and truth."""
    unit: str = ""
    """Unit of the distances: mm; px if the image states no spacing."""
    doubts: tuple[str, ...] = ()
    """Reasons why the mask may be wrong; they do not depend on the truth."""


@dataclass(frozen=True)
class MeasuredImage:
    """One measured image, or the reason why it could not be measured."""

    row: Labelled
    measured: list[Measured] = field(default_factory=list)
    problem: InputError | None = None


@dataclass(frozen=True)
class TaskSummary:
    """One measure of one class over the images of one group."""

    name: str
    group: str
    measure: str
    value: float
    interval: tuple[float, float]
    """95 % interval over patients; NaN with too few patients."""
    worst: float
    """Worst value of one image; NaN for a measure of all images together."""
    unit: str
    images: int
    patients: int

    def as_json(self) -> dict[str, Any]:
        """Return the fields; None replaces NaN, which JSON does not have."""
        fields = dataclasses.asdict(self)
        low, high = self.interval
        fields |= {"interval": [_known(low), _known(high)]}
        return fields | {k: _known(fields[k]) for k in ("value", "worst")}


def _known(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None


def matched(labels: Labels, spec: HeadSpec) -> list[int]:
    """Return the place of each class of a head among the classes of the labels.

    If head and labels have one class each, the two match, whatever their names.

    Raises
    ------
    SettingsError
        If the table lacks a class.
    """
    if len(spec.classes) == len(labels.classes) == 1:
        return [0]
    missing = [name for name in spec.classes if name not in labels.classes]
    if missing:
        raise SettingsError(
            f"the labels have no {', '.join(missing)}; they have "
            f"{', '.join(labels.classes)}: name the column with --labels "
            f"{missing[0]}=COLUMN"
        )
    return [labels.classes.index(name) for name in spec.classes]


def measure_images(
    rows: Iterable[Labelled], head: Head, places: Sequence[int]
) -> Generator[MeasuredImage]:
    """Yield the measures of each image, or its problem.

    Parameters
    ----------
    places : place of each class of the head among the labels, from `matched`
    """
    measure = _of_masks if head.spec.kind == "segmentation" else _of_findings
    for row in rows:
        try:
            yield MeasuredImage(row, measure(row, head, places))
        except InputError as error:
            yield MeasuredImage(row, problem=error)


def _of_masks(row: Labelled, head: Head, places: Sequence[int]) -> list[Measured]:
    radiograph = read_original(row.path, again=True)
    truth = read_masks(row, radiograph)[list(places)]
    preview = preview_for(radiograph, head)
    logits = logits_of(preview, head)
    chances = preview.enlarged(sigmoid(logits))
    masks = masks_of(preview, logits, head.spec.parts)
    seen = _seen(radiograph.pixels_sha256, head.spec)
    unit = "mm" if radiograph.geometry.spacing_mm else "px"
    pixel = pixel_size(radiograph)
    inside = chances_of(preview, logits, head)
    return [
        Measured(
            row,
            name,
            seen,
            _mask_values(masks[k], truth[k], chances[k], pixel),
            unit,
            tuple(doubts_of({name: inside[name]}, head)),
        )
        for k, name in enumerate(head.spec.classes)
    ]


def _mask_values(
    mask: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    chances: NDArray[np.floating[Any]],
    pixel: tuple[float, float],
) -> dict[str, float]:
    mean, far = surface_distances(mask, truth, pixel)
    return {
        "dice": dice(mask, truth),
        "surface": mean,
        "surface_95": far,
        "brier": brier(truth.ravel(), chances.ravel()),
        "ece": calibration_error(truth.ravel(), chances.ravel()),
    }


def _of_findings(row: Labelled, head: Head, places: Sequence[int]) -> list[Measured]:
    radiograph = read_original(row.path, again=True)
    found = predict(radiograph, head).probabilities
    seen = _seen(radiograph.pixels_sha256, head.spec)
    return [
        Measured(
            row,
            name,
            seen,
            {"probability": found[name], "truth": row.findings[place]},
        )
        for name, place in zip(head.spec.classes, places, strict=True)
    ]


def _seen(pixels_sha256: str, spec: HeadSpec) -> bool:
    return short(pixels_sha256) in spec.training.get(SEEN, ())


def summarise(measured: Sequence[Measured]) -> list[TaskSummary]:
    """Return all measures of each class; images not trained on come first."""
    summaries = []
    for seen, group in GROUPS.items():
        for name in dict.fromkeys(m.name for m in measured):
            found = [m for m in measured if (m.seen, m.name) == (seen, name)]
            if found:
                summaries += _summaries(found, name, group)
    return summaries


def _summaries(found: list[Measured], name: str, group: str) -> list[TaskSummary]:
    patients = [m.row.patient for m in found]
    count = len(set(patients))

    def told(
        measure: str,
        value: Callable[[NDArray[np.intp]], float],
        worst: float = float("nan"),
        unit: str = "",
    ) -> TaskSummary:
        whole = value(np.arange(len(found)))
        ends = interval(patients, value)
        return TaskSummary(
            name, group, measure, whole, ends, worst, unit, len(found), count
        )

    values = {k: np.array([m.values[k] for m in found]) for k in found[0].values}
    if "probability" in values:
        truth, chances = values["truth"] > 0, values["probability"]
        return [
            told("AUC", lambda k: auc(truth[k], chances[k])),
            told("Brier score", lambda k: brier(truth[k], chances[k])),
            told(
                "calibration error", lambda k: calibration_error(truth[k], chances[k])
            ),
        ]
    units = {m.unit for m in found}
    unit = units.pop() if len(units) == 1 else "mm or px"
    return [
        told("Dice", _mean_of(values["dice"]), float(values["dice"].min())),
        *(
            told(label, _mean_of(values[key]), _largest(values[key]), unit)
            for key, label in (
                ("surface", "mean surface distance"),
                ("surface_95", "95 % surface distance"),
            )
        ),
        *(
            told(label, _mean_of(values[key]), _largest(values[key]))
            for key, label in (("brier", "Brier score"), ("ece", "calibration error"))
        ),
    ]


def _mean_of(values: NDArray[Any]) -> Callable[[NDArray[np.intp]], float]:
    def mean(chosen: NDArray[np.intp]) -> float:
        known = values[chosen][np.isfinite(values[chosen])]
        return float(known.mean()) if len(known) else float("nan")

    return mean


def _largest(values: NDArray[Any]) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if len(known) else float("nan")


def write_evaluation(
    folder: Path,
    head: Head,
    measured: Sequence[Measured],
    summaries: Sequence[TaskSummary],
) -> list[Path]:
    """Write results.json, and results.csv with one row for each image and class."""
    about = {
        "head": head.spec.name,
        "head_sha256": head.spec.sha256,
        "summaries": [summary.as_json() for summary in summaries],
    }
    rows: list[dict[str, Any]] = [
        {
            "file": m.row.name,
            "class": m.name,
            "group": GROUPS[m.seen],
            **{k: round(v, 6) for k, v in m.values.items()},
            "unit": m.unit,
            **({"doubtful": int(bool(m.doubts))} if "dice" in m.values else {}),
        }
        for m in measured
    ]
    columns = list(dict.fromkeys(k for row in rows for k in row))
    return write_texts(
        folder,
        {
            "results.json": json.dumps(about, indent=2) + "\n",
            "results.csv": csv_text(columns, rows),
        },
    )
