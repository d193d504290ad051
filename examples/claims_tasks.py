"""Try the founding paper's claims about tasks, on a table of masks.

::

    python examples/claims.py sr-trunk ../shared/data/lungs/lungs.csv --max-steps 300
    python examples/claims.py shared-trunk ../shared/data/lungs/lungs.csv --limit 8
    python examples/claims.py sr-input ../shared/data/lungs/lungs.csv

Every arm of `sr-trunk` gets the same budget and three seeds. All arms are measured on
the same patients, whom no arm was trained on. `shared-trunk` trains nothing: it
measures processor time and memory. `sr-input` trains nothing: it uses the head lungs.
Intervals are over patients, after a mean over the seeds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from claims_arms import Budget
from claims_costs import costs_of
from claims_seeds import OverSeeds, seeds_table, trained_once

import cxr_sr
from cxr_sr.display.picture import resampled
from cxr_sr.errors import SettingsError
from cxr_sr.names import TrunkWeights
from cxr_sr.tasks.evaluate import measure_images
from cxr_sr.tasks.heads import Head, load_head
from cxr_sr.tasks.infer import region
from cxr_sr.tasks.labels import Labelled, Labels
from cxr_sr.tasks.masks import read_masks
from cxr_sr.tasks.measures import dice, interval
from cxr_sr.tasks.training.fit import fit_head
from cxr_sr.tasks.training.run import TaskRun

SENTENCES = {
    "sr-trunk": "A trunk that learned super-resolution helps a head to learn from few.",
    "shared-trunk": "One trunk for both tasks takes less time and memory than two.",
    "sr-input": "Super-resolved images are segmented better than bicubic ones.",
}
PATIENTS = (5, 10, 15, 20)
"""Numbers of labelled patients to train on; numbers above those in the table are left
out."""
STARTS: tuple[TrunkWeights, ...] = ("shipped", "tuned")
"""Trunks that learned super-resolution: fixed, or trained further with the head. Each
is compared with a trunk of random weights that is trained with the head."""
SEEDS = 3
SIZE_PX = 96
"""Side of the images in these trainings: a fourth of the usual number of pixels."""
FACTOR = 16
"""The factor that reduces images for `sr-input`; both arms enlarge them by 4."""
SCALE = 4

Scores = dict[str, dict[str, float]]
"""Dice by arm and image."""


def reproduce(name: str, table: Path, output: Path, budget: Budget) -> str:
    """Return the report on a claim about tasks, and write it.

    Raises
    ------
    SettingsError
        If the table has no masks, or `sr-trunk` has no budget.
    TrainingError
        If a training diverges.
    """
    labels = Labels.read(table, "segmentation", None, "1/4")
    sections = list(_sections(name, labels, output / name, budget))
    text = "\n\n".join([f"## {name}: {SENTENCES[name]}", *(s[0] for s in sections)])
    output.mkdir(parents=True, exist_ok=True)
    (output / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    numbers = json.dumps([s[1] for s in sections], indent=1) + "\n"
    (output / f"{name}.json").write_text(numbers, encoding="utf-8")
    return text + "\n"


def _sections(
    name: str, labels: Labels, folder: Path, budget: Budget
) -> Iterator[tuple[str, dict[str, object]]]:
    if name == "sr-trunk":
        yield from _trunks(labels, folder, budget)
    elif name == "shared-trunk":
        yield costs_of(labels, budget)
    else:
        yield _section(f"reduced by {FACTOR}", _inputs(labels), labels)


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
        seeds = len(seeds_of(budget))
        title = f"{count} patients, {budget.max_steps} steps, {seeds} seeds"
        rival = _by_seed(some, folder, budget, "random", count)
        for weights in STARTS:
            own = _by_seed(some, folder, budget, weights, count)
            rounds = {f"{weights} trunk": own, "random trunk": rival}
            yield _section_of_seeds(title, rounds, labels)


def _section_of_seeds(
    title: str, rounds: dict[str, list[dict[str, float]]], labels: Labels
) -> tuple[str, dict[str, object]]:
    """Return a comparison of two arms by means over seeds, and seed by seed."""
    scores = {
        arm: {name: float(np.mean([r[name] for r in each])) for name in each[0]}
        for arm, each in rounds.items()
    }
    text, numbers = _section(title, scores, labels)
    (one, first), (other, second) = rounds.items()
    gaps = [
        float(np.mean(list(a.values())) - np.mean(list(b.values())))
        for a, b in zip(first, second, strict=True)
    ]
    if len(gaps) < 2:
        return text, numbers
    by_seed = OverSeeds(one, other, "Dice", tuple(gaps))
    numbers["seeds"] = by_seed.as_json()
    return f"{text}\n\n{seeds_table([by_seed])}", numbers


def _by_seed(
    labels: Labels, folder: Path, budget: Budget, weights: TrunkWeights, count: int
) -> list[dict[str, float]]:
    """Return the Dice of each held-out image, in a dictionary for each seed."""
    rounds = []
    for seed in seeds_of(budget):
        run = TaskRun(
            kind="segmentation",
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
        print(f"{weights} trunk, {count} patients, seed {seed}", file=sys.stderr)
        fitted = partial(_fit, labels, place, run)
        head = trained_once(place, run, fitted, load_head)
        found = [
            measured
            for examined in measure_images(labels.of("val"), head, [0])
            for measured in examined.measured
        ]
        rounds.append({m.row.name: float(m.values["dice"]) for m in found})
    return rounds


def _fit(labels: Labels, place: Path, run: TaskRun, resume: bool) -> Head:  # noqa: FBT001
    return fit_head(labels, place, run, resume=resume, quiet=True)


def seeds_of(budget: Budget) -> range:
    """Return the seeds of each arm."""
    return range(budget.seed, budget.seed + (budget.seeds or SEEDS))


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
