"""Summarise measurements in a few numbers with confidence intervals."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.evaluate import BASELINE, Measurement
from cxr_sr.names import Consistency

RESAMPLES = 2000
SEED = 0

Interval = tuple[float, float]


@dataclass(frozen=True)
class Summary:
    """One model under one condition; the fields are in the order of the tables."""

    model: str
    scale: int
    degradation: str
    n: int
    """Number of images."""
    psnr: float
    """Mean over the images, in dB; ssim and ms_ssim are also means over the images."""
    ssim: float
    ms_ssim: float
    consistency_max: float
    """Largest |reduced result - coarse image|, in stored codes; the reduction is that
    of the degradation."""
    worse_than_bicubic: int
    """Number of images with a lower PSNR than bicubic's."""
    patients: int
    psnr_ci: Interval
    """95 % confidence interval over patients; the same for all fields with _ci."""
    ssim_ci: Interval
    ms_ssim_ci: Interval
    psnr_gain: float
    """Mean of the images' differences to bicubic in PSNR, dB."""
    psnr_gain_ci: Interval
    ms_ssim_gain: float
    ms_ssim_gain_ci: Interval
    box_consistency_max: float
    """The same as consistency_max, but with the reduction box."""
    consistency: Consistency
    """The projection that was applied."""
    dose_ugy: float | None
    """Dose of a noisy degradation, in uGy of air kerma where the image is darkest."""
    noise_width_px: float | None
    """Sigma of the noise correlation of a noisy degradation, in coarse pixels."""
    psnr_median: float
    """In dB, like all fields up to the false structure."""
    psnr_gain_median: float
    anatomy_psnr: float
    """Mean PSNR without the 3 % of the pixels around the strongest edges."""
    anatomy_psnr_median: float
    anatomy_gain: float
    """Mean of the images' gains over bicubic in `anatomy_psnr`, dB."""
    anatomy_gain_ci: Interval
    anatomy_gain_median: float
    false_structure: float
    """Median strength of detail where the originals have none, in thousandths of the
    stored range."""
    seconds_per_megapixel: float
    """Median wall time of upscaling, in seconds for each megapixel of output."""
    region_psnr: float = math.nan
    """Mean PSNR within a region, dB; NaN without a region."""
    region_gain: float = math.nan
    """Mean of the images' gains over bicubic in `region_psnr`, dB."""
    region_gain_ci: Interval = (math.nan, math.nan)
    region_doubtful: int = 0
    """Number of images whose region may be wrong; they count nevertheless."""
    source: str = ""
    """Name of the images' data set; "" for all data sets."""

    @property
    def condition(self) -> str:
        """Name of the degradation in tables; with dose and width if it is noisy."""
        if self.dose_ugy is None:
            return self.degradation
        return f"{self.degradation} {self.dose_ugy:g} uGy {self.noise_width_px:g} px"

    def as_json(self) -> dict[str, Any]:
        """Return the fields for JSON; None replaces NaN, which JSON does not have."""
        return {k: _json(v) for k, v in dataclasses.asdict(self).items()}


def summarise(measurements: Iterable[Measurement]) -> list[Summary]:
    """Return a summary of each model under each condition, in order of appearance."""
    groups: dict[tuple[Condition, str], list[Measurement]] = {}
    for measurement in measurements:
        key = measurement.condition, measurement.model
        groups.setdefault(key, []).append(measurement)
    return [
        _summary(group, groups[condition, BASELINE])
        for (condition, _), group in groups.items()
    ]


def by_source(measurements: Sequence[Measurement]) -> list[Summary]:
    """Return the summaries for each source of the images, if there are several."""
    sources = dict.fromkeys(m.case.source for m in measurements)
    if len(sources) < 2:
        return []
    return [
        dataclasses.replace(summary, source=source or "unknown")
        for source in sources
        for summary in summarise(m for m in measurements if m.case.source == source)
    ]


def _summary(group: list[Measurement], baseline: list[Measurement]) -> Summary:
    """Summarise one group; `baseline` has the same images in the same order."""
    patients = np.array([m.case.patient for m in group])
    keys = ("psnr", "ssim", "ms_ssim", "anatomy_psnr", "region_psnr")
    values = {key: _values(group, key) for key in keys}
    gains = {key: values[key] - _values(baseline, key) for key in values}
    mean = {key: _mean(v) for key, v in values.items()}
    median = {key: float(np.median(v)) for key, v in values.items()}
    first = group[0]
    return Summary(
        model=first.model,
        scale=first.condition.scale,
        degradation=first.condition.degradation,
        n=len(group),
        psnr=mean["psnr"],
        ssim=mean["ssim"],
        ms_ssim=mean["ms_ssim"],
        anatomy_psnr=mean["anatomy_psnr"],
        consistency_max=max(m.score.consistency for m in group),
        worse_than_bicubic=int((gains["psnr"] < 0).sum()),
        patients=len(set(patients)),
        psnr_ci=mean_interval(values["psnr"], patients),
        ssim_ci=mean_interval(values["ssim"], patients),
        ms_ssim_ci=mean_interval(values["ms_ssim"], patients),
        psnr_gain=_mean(gains["psnr"]),
        psnr_gain_ci=mean_interval(gains["psnr"], patients),
        ms_ssim_gain=_mean(gains["ms_ssim"]),
        ms_ssim_gain_ci=mean_interval(gains["ms_ssim"], patients),
        box_consistency_max=max(m.score.box_consistency for m in group),
        consistency=first.consistency,
        dose_ugy=first.condition.noise["dose_ugy"],
        noise_width_px=first.condition.noise["noise_width_px"],
        seconds_per_megapixel=float(np.median([m.seconds for m in group])),
        psnr_median=median["psnr"],
        psnr_gain_median=float(np.median(gains["psnr"])),
        anatomy_psnr_median=median["anatomy_psnr"],
        anatomy_gain=_mean(gains["anatomy_psnr"]),
        anatomy_gain_ci=mean_interval(gains["anatomy_psnr"], patients),
        anatomy_gain_median=float(np.median(gains["anatomy_psnr"])),
        false_structure=float(np.median(_values(group, "false_structure"))),
        region_psnr=mean["region_psnr"],
        region_gain=_mean(gains["region_psnr"]),
        region_gain_ci=mean_interval(gains["region_psnr"], patients),
        region_doubtful=sum(m.doubtful for m in group),
    )


def mean_interval(
    values: NDArray[np.floating[Any]], patients: NDArray[np.str_]
) -> Interval:
    """Return the 95 % bootstrap interval of the mean of `values`, over patients.

    Patients, not images, are drawn with replacement, because images of the same patient
    resemble each other. The result has percentiles of 2,000 means; the draws are always
    the same. NaN with fewer than two patients.

    References
    ----------
    B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13.
    """
    known = ~np.isnan(values)
    _, groups = np.unique(patients[known], return_inverse=True)
    sums, counts = np.bincount(groups, values[known]), np.bincount(groups)
    if len(sums) < 2:
        return math.nan, math.nan
    random = np.random.default_rng(SEED)
    means = np.empty(RESAMPLES)
    for k in range(RESAMPLES):
        drawn = random.integers(len(sums), size=len(sums))
        means[k] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _values(group: list[Measurement], key: str) -> NDArray[np.float64]:
    return np.array([getattr(m.score, key) for m in group])


def _mean(values: NDArray[np.float64]) -> float:
    """Return the mean of the known values; NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _json(value: object) -> object:
    if isinstance(value, tuple):
        return [_json(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value
