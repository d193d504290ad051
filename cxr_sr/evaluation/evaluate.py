"""Measure every model on every image under every condition."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_sr.errors import InputError, SettingsError
from cxr_sr.evaluation.cases import Case
from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.protocol import Score, Trial, centre, degraded, score
from cxr_sr.formats import is_lossy, read_original
from cxr_sr.names import Consistency, Precision
from cxr_sr.radiograph import Radiograph, Region, RegionFinder
from cxr_sr.superres.models.zoo import Model, load_model
from cxr_sr.superres.settings import Settings
from cxr_sr.superres.upscale import upscale

log = logging.getLogger(__name__)

BASELINE = "bicubic"
"""Every model is compared with this plain interpolator."""


@dataclass(frozen=True)
class Contender:
    """One model with its settings."""

    name: str
    """Name in tables."""
    model: Model
    settings: Settings
    """The settings for `upscale`."""

    def upscale(self, coarse: Radiograph, scale: int) -> Radiograph:
        """Return the result of `upscale` with this model and these settings."""
        return upscale(coarse, self.model, scale, self.settings)


@dataclass(frozen=True)
class Comparison:
    """The models and conditions to measure."""

    contenders: tuple[Contender, ...]
    """The first is the plain bicubic baseline."""
    conditions: tuple[Condition, ...]
    again: bool = False
    """Also measure on results of this package."""
    region: RegionFinder | None = None
    """Finds a region for a separate PSNR; None: no region."""

    def contenders_at(self, condition: Condition) -> tuple[Contender, ...]:
        """Return the contenders that support a condition's scale."""
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
    """Wall time of upscaling, in seconds for each megapixel of output."""
    doubtful: bool = False
    """True if the mask of the region may be wrong."""


@dataclass(frozen=True)
class Examined:
    """The measurements on one image, or the reason why there are none."""

    case: Case
    measurements: tuple[Measurement, ...] = ()
    problem: InputError | OSError | None = None
    """The reason why there are no measurements."""
    doubts: tuple[str, ...] = ()
    """Reasons why the mask of the region may be wrong."""


def evaluate(cases: Iterable[Case], comparison: Comparison) -> Generator[Examined]:
    """Yield every case with its measurements, as soon as it is finished.

    An unusable file is yielded with its problem, and the next file follows. An image
    counts under all conditions or under none, so that the numbers can be compared.

    Raises
    ------
    EngineError
        If the engine is not installed.
    """
    lossy = 0
    for case in cases:
        try:
            radiograph = read_original(case.path, again=comparison.again)
            lossy += is_lossy(radiograph)
            region = comparison.region(radiograph) if comparison.region else None
            measured = tuple(_measurements(radiograph, case, comparison, region))
        except (InputError, OSError) as problem:
            yield Examined(case, problem=problem)
        else:
            yield Examined(case, measured, doubts=region.doubts if region else ())
    if lossy:
        log.warning(
            "%d of the images were compressed with loss; here a model scores higher if "
            "it restores their blocks and ringing",
            lossy,
        )


def _measurements(
    radiograph: Radiograph, case: Case, comparison: Comparison, region: Region | None
) -> Iterator[Measurement]:
    inside = centre(region.mask) if region else None
    for condition in comparison.conditions:
        trial = degraded(radiograph, condition, case.name)
        trial = dataclasses.replace(trial, region=inside)
        for contender in comparison.contenders_at(condition):
            measured = _measurement(case, trial, contender)
            doubtful = bool(region and region.doubts)
            yield dataclasses.replace(measured, doubtful=doubtful)


def _measurement(case: Case, trial: Trial, contender: Contender) -> Measurement:
    begun = time.perf_counter()
    result = contender.upscale(trial.coarse, trial.condition.scale)
    seconds = time.perf_counter() - begun
    return Measurement(
        case,
        trial.condition,
        contender.name,
        contender.settings.consistency,
        score(trial, result),
        seconds / (result.pixels.size / 1e6),
    )


def compare(
    models: Iterable[str],
    conditions: Iterable[Condition],
    settings: Settings | None = None,
    *,
    precisions: Sequence[Precision] = ("auto",),
    project_all: bool = False,
) -> Comparison:
    """Return the comparison; the plain bicubic baseline is always part of it.

    Parameters
    ----------
    models : names of the zoo, weights files or run folders
    settings : settings of all models; None: the defaults of `upscale`
    precisions : precisions of each network; a network without int8 weights is measured
        only in fp32
    project_all : apply the projection in `settings` also to interpolators; False:
        interpolators are computed as in the literature

    Raises
    ------
    ModelError
        If no model has the given name.
    SettingsError
        If a model supports none of the scales, or not the precision.
    """
    settings = settings or Settings()
    wanted = tuple(dict.fromkeys(conditions))
    plain = dataclasses.replace(settings, consistency="off")
    baseline = Contender(BASELINE, load_model(BASELINE), plain)
    others: list[Contender] = []
    for given in dict.fromkeys(models):
        one = _contender(given, settings if project_all else plain, settings)
        if one.name != BASELINE:
            others += _in_precisions(one, precisions)
    for contender in others:
        _check_scales(contender, {condition.scale for condition in wanted})
    return Comparison((baseline, *others), wanted)


def _contender(given: str, interpolated: Settings, learned: Settings) -> Contender:
    """Return a model with its settings, and a name for tables."""
    model = load_model(given)
    if given != model.spec.name:
        # Two runs can have the same model name; their folders differ.
        name = "/".join(Path(given).with_suffix("").parts[-2:])
        return Contender(name, model, learned)
    if model.spec.learned:
        return Contender(given, model, learned)
    projection = interpolated.consistency
    name = given if projection == "off" else f"{given}+{projection}"
    return Contender(name, model, interpolated)


def _in_precisions(
    contender: Contender, precisions: Sequence[Precision]
) -> Iterator[Contender]:
    """Yield a model for each precision; several get the precision as suffix."""
    spec = contender.model.spec
    if not spec.learned:
        yield contender
        return
    for precision in dict.fromkeys(precisions):
        several = len(precisions) > 1
        name = f"{contender.name} {precision}" if several else contender.name
        if not several or precision != "int8" or spec.int8_sha256:
            settings = dataclasses.replace(contender.settings, precision=precision)
            yield dataclasses.replace(contender, name=name, settings=settings)


def _check_scales(contender: Contender, scales: set[int]) -> None:
    if scales.isdisjoint(contender.model.spec.scales):
        wanted = ", ".join(f"x{s}" for s in sorted(scales))
        raise SettingsError(
            f"model {contender.name!r} was made for "
            f"{contender.model.spec.made_for}, not for {wanted}; choose another "
            "--scale or another --model"
        )
