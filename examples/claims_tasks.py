"""The founding paper's claims about tasks, on a table of masks.

::

    python examples/claims.py sr-trunk ../shared/data/lungs/lungs.csv --max-steps 300
    python examples/claims.py sr-input ../shared/data/lungs/lungs.csv

Every arm of `sr-trunk` gets one budget, three seeds, and the same patients to be
measured on, whom none was trained on. `sr-input` trains nothing: the head lungs is
fixed. Intervals are over patients; seeds are averaged before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from claims_arms import Budget

import cxr_sr
from cxr_sr.display.picture import resampled
from cxr_sr.errors import SettingsError
from cxr_sr.names import TrunkWeights
from cxr_sr.tasks.evaluate import measure_images
from cxr_sr.tasks.heads import load_head
from cxr_sr.tasks.infer import region
from cxr_sr.tasks.labels import Labelled, Labels
from cxr_sr.tasks.masks import read_masks
from cxr_sr.tasks.measures import dice, interval
from cxr_sr.tasks.training.fit import fit_head
from cxr_sr.tasks.training.run import TaskRun

SENTENCES = {
    "sr-trunk": "A trunk that learned super-resolution helps a head to learn from few.",
    "sr-input": "Super-resolved images are segmented better than bicubic ones.",
}
PATIENTS = (5, 10, 15)
"""Labelled patients to train on."""
SEEDS = 3
SIZE_PX = 96
"""Side of the images in these trainings: a fourth of the usual work."""
FACTOR = 16
"""By which images are reduced for `sr-input`; both arms enlarge them by 4."""
SCALE = 4

Scores = dict[str, dict[str, float]]
"""By arm, and image: Dice."""


def reproduce(name: str, table: Path, output: Path, budget: Budget) -> str:
    """Return the report on a claim about tasks, and write it.

    Raises
    ------
    SettingsError
        If the table has no masks, or `sr-trunk` has no budget.
    TrainingError
        If `output` holds such a training already.
    """
    labels = Labels.read(table, "segmentation", None, "1/4")
    sections = (
        list(_trunks(labels, output / name, budget))
        if name == "sr-trunk"
        else [_section(f"reduced by {FACTOR}", _inputs(labels), labels)]
    )
    text = "\n\n".join([f"## {name}: {SENTENCES[name]}", *(s[0] for s in sections)])
    output.mkdir(parents=True, exist_ok=True)
    (output / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    numbers = json.dumps([s[1] for s in sections], indent=1) + "\n"
    (output / f"{name}.json").write_text(numbers, encoding="utf-8")
    return text + "\n"


def _trunks(
    labels: Labels, folder: Path, budget: Budget
) -> Iterator[tuple[str, dict[str, object]]]:
    if budget.max_steps is None:
        raise SettingsError("sr-trunk counts steps; give --max-steps, such as 300")
    patients = list(dict.fromkeys(row.patient for row in labels.of("train")))
    for count in PATIENTS:
        if count > len(patients):
            continue
        chosen = set(patients[:count])
        kept = [r for r in labels.rows if r.split == "val" or r.patient in chosen]
        some = Labels(kept, labels.classes)
        scores = {
            f"{weights} trunk": _mean_of_seeds(some, folder, budget, weights, count)
            for weights in ("shipped", "random")
        }
        title = f"{count} patients, {budget.max_steps} steps, {SEEDS} seeds"
        yield _section(title, scores, labels)


def _mean_of_seeds(
    labels: Labels, folder: Path, budget: Budget, weights: TrunkWeights, count: int
) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for seed in range(budget.seed, budget.seed + SEEDS):
        run = TaskRun(
            "segmentation",
            trunk="fast",
            trunk_weights=weights,
            size_px=SIZE_PX,
            max_steps=budget.max_steps,
            epoch_steps=budget.max_steps or 1,
            lr=budget.lr,
            precision=budget.precision,
            seed=seed,
            threads=1,
        )
        place = folder / f"{weights}-{count}-{seed}"
        head = fit_head(labels, place, run, quiet=True)
        for examined in measure_images(labels.of("val"), head, [0]):
            for measured in examined.measured:
                values = found.setdefault(measured.row.name, [])
                values.append(measured.values["dice"])
    return {name: float(np.mean(values)) for name, values in found.items()}


def _inputs(labels: Labels) -> Scores:
    """Return the Dice of the head lungs on images that were made coarse and fine."""
    scores: Scores = {"fine": {}, "bicubic": {}}
    head = load_head("lungs")
    for row in labels.rows:
        for model in scores:
            scores[model][row.name] = _dice_of(row, model, head)
    return scores


def _dice_of(row: Labelled, model: str, head: object) -> float:
    radiograph = cxr_sr.read(row.path)
    truth = read_masks(row, radiograph)[0]
    shape = tuple(max(8, n // FACTOR) for n in radiograph.shape)
    coarse = resampled(cxr_sr.render(radiograph, 8), (shape[0], shape[1]))
    finer = cxr_sr.upscale(cxr_sr.from_array(coarse), model, SCALE)
    mask = region(finer, head)  # type: ignore[arg-type]
    large = resampled(mask.astype(np.uint8) * np.uint8(255), radiograph.shape)
    return dice(large > 127, truth)


def _section(
    title: str, scores: Scores, labels: Labels
) -> tuple[str, dict[str, object]]:
    """Return a comparison of two arms, in words and in numbers."""
    (one, first), (other, second) = scores.items()
    names = [row.name for row in labels.rows if row.name in first]
    patients = [row.patient for row in labels.rows if row.name in first]
    gains = np.array([first[name] - second[name] for name in names])
    low, high = interval(patients, lambda k: float(gains[k].mean()))
    mean = float(gains.mean())
    verdict = "better" if low > 0 else "worse" if high < 0 else "a tie"
    lines = [
        f"### {title}: {len(names)} images of {len(set(patients))} patients",
        "",
        "| arm | Dice | worst |",
        "|---|--:|--:|",
        *(
            f"| {arm} | {np.mean([*d.values()]):.4f} | {min(d.values()):.4f} |"
            for arm, d in scores.items()
        ),
        "",
        f"{one} against {other}: {mean:+.4f} ({low:+.4f} to {high:+.4f}): {verdict}.",
    ]
    numbers = {"title": title, "gain": mean, "interval": [low, high], "scores": scores}
    return "\n".join(lines), {**numbers, "verdict": verdict}
