"""Every image, at every condition, given to every model."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import InputError, SettingsError
from cxr_sr.evaluation.cases import Case
from cxr_sr.evaluation.degradations import MATCHING
from cxr_sr.evaluation.protocol import Condition, Score, Trial, degraded, score
from cxr_sr.formats import read_original
from cxr_sr.names import Consistency, Matching, Precision
from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.models.zoo import Model, load_model
from cxr_sr.superres.settings import Settings
from cxr_sr.superres.upscale import super_resolve

BASELINE = "bicubic"
"""What every model is held against: the plain interpolator of that name."""


@dataclass(frozen=True)
class Contender:
    """One model as it is measured."""

    name: str
    """What tables call it."""
    model: Model
    consistency: Matching
    """The projection; auto: the one that undoes the degradation."""
    precision: Precision = "auto"
    """Of the network."""

    def consistency_at(self, condition: Condition) -> Consistency:
        """Return the projection under one condition."""
        if self.consistency == "auto":
            return MATCHING[condition.degradation]
        return self.consistency


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    contenders: tuple[Contender, ...]
    """The first is the plain bicubic baseline."""
    conditions: tuple[Condition, ...]
    settings: Settings
    again: bool = False
    """Measure on results of this package, too."""

    def contenders_at(self, condition: Condition) -> tuple[Contender, ...]:
        """Return those that were made for a condition's scale."""
        scale = condition.scale
        return tuple(c for c in self.contenders if scale in c.model.spec.scales)


@dataclass(frozen=True)
class Measurement:
    """One model on one image under one condition."""

    case: Case
    condition: Condition
    model: str
    consistency: Consistency
    score: Score
    seconds: float
    """Wall time a megapixel of output, reading and measuring left out."""


@dataclass(frozen=True)
class Examined:
    """What became of one image."""

    case: Case
    measurements: tuple[Measurement, ...] = ()
    problem: InputError | OSError | None = None
    """Why there are no measurements."""


def evaluate(cases: Iterable[Case], plan: Plan) -> Generator[Examined]:
    """Yield every case with what was measured on it, as it is finished.

    A file that cannot be used is yielded with its problem; the others go on. Each
    image counts at all conditions or at none, so that numbers can be compared.

    Raises
    ------
    EngineError
        If the engine is not installed.
    """
    for case in cases:
        try:
            radiograph = read_original(case.path, again=plan.again)
            measured = tuple(_measurements(radiograph, case, plan))
        except (InputError, OSError) as problem:
            yield Examined(case, problem=problem)
        else:
            yield Examined(case, measured)


def _measurements(
    radiograph: Radiograph, case: Case, plan: Plan
) -> Iterator[Measurement]:
    for condition in plan.conditions:
        trial = degraded(radiograph, condition, case.name)
        for contender in plan.contenders_at(condition):
            yield _measurement(case, trial, contender, plan.settings)


def _measurement(
    case: Case, trial: Trial, contender: Contender, settings: Settings
) -> Measurement:
    begun = time.perf_counter()
    unit = restore(trial, contender, settings)
    seconds = time.perf_counter() - begun
    return Measurement(
        case,
        trial.condition,
        contender.name,
        contender.consistency_at(trial.condition),
        score(trial, unit),
        seconds / (unit.size / 1e6),
    )


def restore(
    trial: Trial, contender: Contender, settings: Settings
) -> NDArray[np.floating[Any]]:
    """Return a trial's coarse image upscaled by one model, in units."""
    consistency = contender.consistency_at(trial.condition)
    settings = dataclasses.replace(
        settings, consistency=consistency, precision=contender.precision
    )
    return super_resolve(trial.unit, contender.model, trial.condition.scale, settings)


def plan(
    models: Iterable[str],
    conditions: Iterable[Condition],
    consistency: Matching = "auto",
    settings: Settings | None = None,
    precisions: Sequence[Precision] = ("auto",),
) -> Plan:
    """Return what to measure; the plain bicubic baseline is always part of it.

    Parameters
    ----------
    models : names of the zoo, weights files or run folders
    precisions : of each network; one without int8 weights is measured in fp32 alone

    Raises
    ------
    ModelError
        If there is no such model.
    SettingsError
        If a model does none of the scales asked for, or not the precision.
    """
    wanted = tuple(dict.fromkeys(conditions))
    baseline = Contender(BASELINE, load_model(BASELINE), "off")
    named = [_contender(name, consistency) for name in dict.fromkeys(models)]
    others = [
        contender
        for one in named
        if one.name != BASELINE
        for contender in _in_precisions(one, precisions)
    ]
    for contender in others:
        _check_scales(contender, {condition.scale for condition in wanted})
    return Plan((baseline, *others), wanted, settings or Settings())


def _contender(given: str, consistency: Matching) -> Contender:
    """Return a model as it was asked for, under a name fit for a table."""
    model = load_model(given)
    if given != model.spec.name:
        # Two runs of one network differ in their folders; no more of the path is told.
        name = "/".join(Path(given).with_suffix("").parts[-2:])
        return Contender(name, model, consistency)
    if model.spec.learned:
        return Contender(given, model, consistency)
    # By its plain name an interpolator is what the literature knows by that name.
    if consistency in ("auto", "off"):
        return Contender(given, model, "off")
    return Contender(f"{given}+{consistency}", model, consistency)


def _in_precisions(
    contender: Contender, precisions: Sequence[Precision]
) -> Iterator[Contender]:
    """Yield a model once for each precision it has, named by it among several."""
    spec = contender.model.spec
    if not spec.learned:
        yield contender
        return
    for precision in dict.fromkeys(precisions):
        several = len(precisions) > 1
        name = f"{contender.name} {precision}" if several else contender.name
        if not several or precision != "int8" or spec.int8_sha256:
            yield dataclasses.replace(contender, name=name, precision=precision)


def _check_scales(contender: Contender, scales: set[int]) -> None:
    if scales.isdisjoint(contender.model.spec.scales):
        wanted = ", ".join(f"x{s}" for s in sorted(scales))
        raise SettingsError(
            f"model {contender.name!r} was made for "
            f"{contender.model.spec.made_for}, not for {wanted}; choose another "
            "--scale or another --model"
        )
