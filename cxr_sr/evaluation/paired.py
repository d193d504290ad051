"""Compare two models image by image."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cxr_sr.evaluation.cases import Case
from cxr_sr.evaluation.evaluate import Measurement
from cxr_sr.evaluation.summary import Interval, mean_interval
from cxr_sr.texts import markdown_table

Metric = Literal["psnr", "ssim", "ms_ssim"]
METRICS: tuple[Metric, ...] = ("psnr", "ssim", "ms_ssim")
Verdict = Literal["better", "worse", "tie"]


@dataclass(frozen=True)
class Difference:
    """The mean difference between two models on the same images."""

    model: str
    rival: str
    metric: Metric
    """psnr in dB; ssim and ms_ssim have no unit."""
    degradation: str
    """Name of the degradation; with dose and width if it is noisy."""
    scale: int | None
    """None: the mean over all scales of both models."""
    n: int
    """Number of images."""
    mean: float
    ci: Interval
    """95 % confidence interval over patients; NaN with fewer than two patients."""

    @property
    def outcome(self) -> Verdict:
        """The verdict on the model: a tie if the interval contains zero."""
        low, high = self.ci
        if low > 0:
            return "better"
        return "worse" if high < 0 else "tie"

    def as_json(self) -> dict[str, Any]:
        """Return the fields for JSON, with None instead of NaN."""
        low, high = self.ci
        ci = None if math.isnan(low) else [low, high]
        return dataclasses.asdict(self) | {"ci": ci, "outcome": self.outcome}


def differences(
    measurements: Iterable[Measurement], model: str, rival: str
) -> list[Difference]:
    """Return the differences of two models for each metric, degradation and scale.

    If both models were measured at several scales, the mean over the scales comes
    first. An image that is too small for a metric does not count for that metric.
    """
    found = [m for m in measurements if m.model in (model, rival)]
    result: list[Difference] = []
    for degradation in dict.fromkeys(m.condition.name for m in found):
        here = [m for m in found if m.condition.name == degradation]
        for metric in METRICS:
            result += _of_metric(here, (model, rival), metric)
    return result


def _of_metric(
    found: Sequence[Measurement], names: tuple[str, str], metric: Metric
) -> list[Difference]:
    """Return the differences in one metric under one degradation."""
    values = {
        (m.model, m.case, m.condition.scale): getattr(m.score, metric) for m in found
    }
    model, rival = names
    gaps = {
        (case, scale): value - values[rival, case, scale]
        for (name, case, scale), value in values.items()
        if name == model and (rival, case, scale) in values and not math.isnan(value)
    }
    scales = list(dict.fromkeys(scale for _, scale in gaps))
    together: list[int | None] = [None] if len(scales) > 1 else []
    result: list[Difference] = []
    for scale in [*together, *scales]:
        by_case: dict[Case, list[float]] = {}
        for (case, measured_at), gap in gaps.items():
            if scale in (None, measured_at):
                by_case.setdefault(case, []).append(gap)
        means = np.array([np.mean(of_case) for of_case in by_case.values()])
        ci = mean_interval(means, np.array([case.patient for case in by_case]))
        degradation, mean = found[0].condition.name, float(means.mean())
        result.append(
            Difference(*names, metric, degradation, scale, len(means), mean, ci)
        )
    return result


def difference_table(found: Iterable[Difference]) -> str:
    """Return a Markdown table of differences, one row for each pair and scale."""
    rows: dict[tuple[str, str, str, str], dict[Metric, Difference]] = {}
    for d in found:
        scale = "all" if d.scale is None else f"x{d.scale}"
        rows.setdefault((d.model, d.rival, d.degradation, scale), {})[d.metric] = d
    head = ("model", "against", "degradation", "scale", "PSNR dB", "SSIM", "MS-SSIM")
    lines = (
        [*key, *(_cell(cells[m]) if m in cells else "-" for m in METRICS)]
        for key, cells in rows.items()
    )
    return markdown_table(head, lines, len(METRICS))


def _cell(d: Difference) -> str:
    digits = {"psnr": "+.2f", "ssim": "+.4f", "ms_ssim": "+.5f"}[d.metric]
    low, high = d.ci
    span = "" if math.isnan(low) else f" ({low:{digits}} to {high:{digits}})"
    return f"{d.mean:{digits}}{span}"
