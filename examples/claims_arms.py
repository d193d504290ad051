"""Train, measure and judge the arms of a claim."""

from __future__ import annotations

import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from claims_images import LUMA, SIDE_PX, Pixels, forms
from claims_seeds import trained_once
from torch import Tensor

from cxr_sr import read
from cxr_sr.evaluation.cases import Case, find_cases
from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.evaluate import (
    BASELINE,
    Comparison,
    Contender,
    Measurement,
    evaluate,
)
from cxr_sr.evaluation.paired import Difference
from cxr_sr.evaluation.protocol import Score, as_stored, degraded, score
from cxr_sr.evaluation.summary import summarise
from cxr_sr.names import SCALES, LossName, Optimiser, TrainingPrecision
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.models.networks import Network, load_network
from cxr_sr.superres.models.zoo import Model, load_model
from cxr_sr.superres.settings import Settings
from cxr_sr.training.data.dataset import Sampling
from cxr_sr.training.data.degrade import Coarse
from cxr_sr.training.fit import fit
from cxr_sr.training.learner import enlarge, reconstruct
from cxr_sr.training.run import Recipe, Run


@dataclass(frozen=True)
class Arm:
    """One way of training, to be compared with another."""

    name: str
    network: str = ""
    """The network of --model, if this is empty."""
    loss: LossName = "mae+ms-ssim"
    crop_px: int | None = None
    """None: the whole image."""
    batch: int = 1
    apart: bool = False
    """True: a network for each scale; these networks share the budget evenly."""
    pixels: Pixels = "gray"


@dataclass(frozen=True)
class Budget:
    """The limits of each arm's training, and its images."""

    max_steps: int | None
    max_seconds: float | None
    seed: int
    model: str
    lr: float
    limit: int | None
    """Images to train on; None: all."""
    validation: int
    """Images to measure on."""
    scales: tuple[int, ...] = SCALES
    optimiser: Optimiser = "adam"
    precision: TrainingPrecision = "fp32"
    """The precision of the inner layers."""
    seeds: int = 0
    """Trainings of each arm, with `seed` and the numbers after it. 0: as many as the
    claim usually has."""


@dataclass
class Trained:
    """The networks of a trained arm."""

    arm: Arm
    models: dict[tuple[int, ...], Model] = field(default_factory=dict)
    """The key is the scales of the network."""

    @property
    def seconds(self) -> float:
        """Wall time of training."""
        return sum(float(m.spec.training["seconds"]) for m in self.models.values())

    @property
    def steps(self) -> int:
        """The steps of all its trainings together."""
        return sum(int(m.spec.training["steps"]) for m in self.models.values())

    @property
    def images(self) -> int:
        """The number of training images."""
        first = next(iter(self.models.values()))
        return int(first.spec.training["splits"]["train"])

    @property
    def parameters(self) -> int:
        """The parameters of all its networks together."""
        return sum(model.spec.parameters for model in self.models.values())


def train(arm: Arm, folder: Path, budget: Budget) -> Trained:
    """Train an arm's network, or a network for each scale with a share of the budget.

    A network that an earlier call of the same command finished is used again.
    """
    groups = [(s,) for s in budget.scales] if arm.apart else [budget.scales]
    result = Trained(arm)
    for scales in groups:
        print(f"{arm.name} for {scales}, seed {budget.seed}", file=sys.stderr)
        run = run_of(arm, budget, scales, len(groups))
        where = folder / arm.name.replace(" ", "-") / "-".join(map(str, scales))
        where /= f"seed-{budget.seed}"
        fitted = partial(_fit, folder / "data" / arm.pixels, where, run)
        result.models[scales] = trained_once(where, run, fitted, load_model)
    return result


def _fit(data: Path, where: Path, run: Run, resume: bool) -> Model:  # noqa: FBT001
    return fit(data, where, run, resume=resume)


def run_of(arm: Arm, budget: Budget, scales: tuple[int, ...], parts: int) -> Run:
    """Return the settings of one of an arm's `parts` trainings."""
    steps, seconds = budget.max_steps, budget.max_seconds
    recipe = Recipe(
        scales=scales,
        loss=arm.loss,
        lr=budget.lr,
        optimiser=budget.optimiser,
        precision=budget.precision,
        max_steps=steps and max(1, steps // parts),
        max_seconds=seconds and seconds / parts,
        seed=budget.seed,
    )
    return Run(
        recipe,
        model=arm.network or budget.model,
        channels=3 if arm.pixels == "rgb" else 1,
        sampling=Sampling(arm.crop_px, altered_share=0),
        batch=arm.batch,
        # Validate once, at the end: measured images must not choose the weights.
        epoch_steps=recipe.max_steps or 10**9,
        validation_images=1,
        validation_px=SIDE_PX,
        threads=1,
    )


def measure(
    data: Path, trained: Sequence[Trained], scales: tuple[int, ...]
) -> Iterator[Measurement]:
    """Yield every arm on every image of the validation split at every scale."""
    cases = find_cases(data / "gray")
    conditions = tuple(Condition(scale) for scale in scales)
    if any(t.arm.pixels != "gray" for t in trained):
        for case in cases:
            for condition in conditions:
                yield from in_colour(case, condition, trained)
        return
    settings = Settings(consistency="off", threads=1)
    contenders = [Contender(BASELINE, load_model(BASELINE), settings)]
    contenders += [
        Contender(t.arm.name, model, settings)
        for t in trained
        for model in t.models.values()
    ]
    for examined in evaluate(cases, Comparison(tuple(contenders), conditions)):
        yield from examined.measurements


def in_colour(
    case: Case, condition: Condition, trained: Sequence[Trained]
) -> Iterator[Measurement]:
    """Yield each arm on one colour image; scores are means over the three channels."""
    gray = read(case.path)
    rgb = forms(gray.pixels)["rgb"]
    channels = [gray.replace(pixels=rgb[..., c]) for c in range(3)]
    trials = [degraded(channel, condition, case.name) for channel in channels]
    units = [Scaling.of(t.coarse).normalise(t.coarse.pixels) for t in trials]
    coarse = torch.from_numpy(np.stack(units))[None]
    for name, restored in in_turn(coarse, condition.scale, trained):
        begun = time.perf_counter()
        fine = restored()[0].numpy()
        seconds = (time.perf_counter() - begun) / (fine[0].size / 1e6)
        pairs = zip(trials, fine, strict=True)
        each = [
            dataclasses.astuple(score(trial, as_stored(trial.coarse, unit)))
            for trial, unit in pairs
        ]
        mean = Score(*np.mean(each, axis=0).tolist())
        yield Measurement(case, condition, name, "off", mean, seconds)


def in_turn(
    coarse: Tensor, scale: int, trained: Sequence[Trained]
) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    """Yield bicubic and every arm, each with its function for RGB (1, 3, h, w)."""
    yield BASELINE, partial(enlarge, coarse, scale)
    for t in trained:
        model = next(m for scales, m in t.models.items() if scale in scales)
        network = load_network(model)
        restore = whole_colour if t.arm.pixels == "rgb" else by_luminance
        yield t.arm.name, partial(restore, network, coarse, scale)


@torch.inference_mode()
def whole_colour(network: Network, coarse: Tensor, scale: int) -> Tensor:
    """Return RGB that a network of three channels has restored."""
    return reconstruct(network, Coarse.of(coarse), scale)


@torch.inference_mode()
def by_luminance(network: Network, coarse: Tensor, scale: int) -> Tensor:
    """Return RGB: a network restores the luminance; Cb and Cr are bicubic.

    RGB less luminance is a linear map of Cb and Cr. Interpolating this difference
    therefore interpolates Cb and Cr.
    """
    luma = (coarse * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    restored = reconstruct(network, Coarse.of(luma), scale)
    return restored + enlarge(coarse - luma, scale)


def judge(found: Sequence[Difference]) -> list[str]:
    """Return better, worse or tie for each rival and metric, scales taken together."""
    overall: dict[tuple[str, str], str] = {}
    for difference in found:
        # The mean over all scales comes first, where there are several.
        key = difference.rival, difference.metric
        overall.setdefault(key, difference.outcome)
    return list(overall.values())


def costs(trained: Sequence[Trained], measured: Sequence[Measurement]) -> list[str]:
    """Return better or worse for the first arm's parameters and restoring time."""
    champion, *rivals = trained
    mine = champion.parameters, pace(champion, measured)
    return [
        "better" if own < other else "worse"
        for rival in rivals
        for own, other in zip(
            mine, (rival.parameters, pace(rival, measured)), strict=True
        )
    ]


def pace(trained: Trained, measured: Sequence[Measurement]) -> float:
    """Return the median time of restoring, seconds a megapixel of output."""
    own = (m.seconds for m in measured if m.model == trained.arm.name)
    return statistics.median(own)


def verdict(outcomes: Sequence[str]) -> str:
    """Return whether a claim held here, in a few words."""
    counts = {o: list(outcomes).count(o) for o in ("better", "worse", "tie")}
    tally = ", ".join(f"{n} {o}" for o, n in counts.items())
    if counts["better"] == len(outcomes):
        return f"It held here ({tally})."
    if counts["better"]:
        return f"It held in part only ({tally})."
    return f"{'It did not hold' if counts['worse'] else 'A tie'} here ({tally})."


def doubt(measured: Sequence[Measurement]) -> str:
    """Return a warning if an arm was not trained enough for a verdict; else ""."""
    gains: dict[str, list[float]] = {}
    for summary in summarise(measured):
        gains.setdefault(summary.model, []).append(summary.psnr_gain)
    del gains[BASELINE]
    behind = [name for name, of_arm in gains.items() if statistics.fmean(of_arm) <= 0]
    if not behind:
        return ""
    return (
        f" But {', '.join(behind)}: no better than bicubic yet, so the budget is "
        "too small for a verdict."
    )
