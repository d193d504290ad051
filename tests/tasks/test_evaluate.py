"""Measures of a head on labelled images, apart for those that it has seen."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from cxr_sr.errors import SettingsError
from cxr_sr.tasks.evaluate import (
    GROUPS,
    matched,
    measure_images,
    summarise,
    write_evaluation,
)
from cxr_sr.tasks.heads import load_head
from cxr_sr.tasks.labels import Labels
from tests.tasks.builders import write_data


def labels(folder: Path, kind="segmentation", chosen="lungs=mask") -> Labels:
    return Labels.read(write_data(folder), kind, chosen, "none")


def test_images_of_the_training_are_told_apart(masker: Path, tmp_path: Path):
    """Four of the six drawn chests were trained on."""
    found = labels(tmp_path)
    measured = [
        m
        for e in measure_images(found.rows, load_head(masker), [0])
        for m in e.measured
    ]
    assert sum(m.seen for m in measured) == 4
    summaries = summarise(measured)
    assert [s.group for s in summaries] == [GROUPS[False]] * 5 + [GROUPS[True]] * 5
    dice = summaries[0]
    values = [m.values["dice"] for m in measured if not m.seen]
    assert dice.measure == "Dice"
    assert dice.value == pytest.approx(np.mean(values))
    assert dice.worst == min(values)
    assert dice.unit == ""
    assert summaries[1].unit == "px"


def test_findings_have_auc_and_calibration(classifier: Path, tmp_path: Path):
    head = load_head(classifier)
    found = labels(tmp_path, "classification", "Mass=finding,Edema=finding")
    places = matched(found, head.spec)
    assert places == [1, 0]
    measured = [m for e in measure_images(found.rows, head, places) for m in e.measured]
    assert [m.values["truth"] for m in measured[:4]] == [0, 0, 0, 1]
    assert {s.measure for s in summarise(measured)} == {
        *("AUC", "Brier score", "calibration error")
    }


def test_a_class_that_the_table_lacks_is_told(classifier: Path, tmp_path: Path):
    spec = load_head(classifier).spec
    with pytest.raises(SettingsError, match="the labels have no Edema"):
        matched(labels(tmp_path, "classification", "Mass=finding"), spec)


def test_a_bad_image_has_its_problem(masker: Path, tmp_path: Path):
    found = labels(tmp_path)
    (tmp_path / "2.png").write_bytes(b"damaged")
    examined = list(measure_images(found.rows, load_head(masker), [0]))
    assert [e.problem is not None for e in examined] == [n == 2 for n in range(6)]


def test_what_is_written_can_be_read(masker: Path, tmp_path: Path):
    head, found = load_head(masker), labels(tmp_path)
    measured = [m for e in measure_images(found.rows, head, [0]) for m in e.measured]
    summaries = summarise(measured)
    write_evaluation(tmp_path / "out", head, measured, summaries)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["head_sha256"] == head.spec.sha256
    assert results["summaries"][0]["interval"] == [None, None]  # of one patient
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [f"{n}.png" for n in range(6)]
