"""Draw pictures of an evaluation; needs matplotlib (the extra `figures`)."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.evaluate import (
    BASELINE,
    Comparison,
    Contender,
    Measurement,
)
from cxr_sr.evaluation.protocol import Trial, degraded
from cxr_sr.evaluation.summary import Summary
from cxr_sr.files import save_figure
from cxr_sr.formats import read
from cxr_sr.names import MULTIPLE
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.resample import box_down

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

BINS = 64
"""Number of bins of a radial spectrum, from 0 to 0.5 cycles a pixel."""
SPECTRUM_IMAGES = 8
"""Number of images for the mean spectra; more images hardly change the curves."""
WORST = 3
"""Number of worst cases in the picture of a condition."""
DETAIL_PX = 144
"""Side of the detail of a worst case, px."""

Unit = NDArray[np.floating[Any]]


MISSING = "no figures: they need matplotlib; run: pip install 'cxr-sr[figures]'"
"""The message if matplotlib is not installed."""


def has_matplotlib() -> bool:
    """Tell whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


@dataclass(frozen=True)
class Findings:
    """The data of an evaluation for the pictures."""

    comparison: Comparison
    measurements: Sequence[Measurement]
    summaries: Sequence[Summary]


def write_figures(folder: Path, findings: Findings) -> list[Path]:
    """Draw PNG pictures into `folder` and return their paths.

    The pictures show: PSNR by scale; the spectra of the results relative to the
    originals; and for each condition the images with the smallest gain of a network
    over bicubic. Spectra and worst cases are computed again for a few images.
    """
    return drawn(folder, _figures(findings))


def drawn(folder: Path, figures: Iterable[tuple[str, Figure]]) -> list[Path]:
    """Draw figures into PNG files by their names; return the paths.

    Without matplotlib, log a message, and draw none.
    """
    if not has_matplotlib():
        log.info(MISSING)
        return []
    paths = []
    for name, figure in figures:
        paths.append(folder / f"{name}.png")
        save_figure(paths[-1], figure, dpi=120)
    return paths


def _figures(findings: Findings) -> Iterator[tuple[str, Figure]]:
    yield "psnr", psnr_figure(findings.summaries)
    yield "spectrum", spectrum_figure(findings)
    for condition in findings.comparison.conditions:
        worst = worst_of(findings, condition)
        if worst:
            name = f"worst_x{condition.scale}_{condition.name}".replace(" ", "_")
            yield name, worst_figure(findings.comparison, worst)


def psnr_figure(summaries: Sequence[Summary]) -> Figure:
    """Draw each model's PSNR at each scale, one panel a degradation."""
    degradations = list(dict.fromkeys(s.condition for s in summaries))
    figure, axes_of = panels(len(degradations))
    for degradation, axes in zip(degradations, axes_of, strict=True):
        here = [s for s in summaries if s.condition == degradation]
        models = list(dict.fromkeys(s.model for s in here))
        scales = sorted({s.scale for s in here})
        for k, model in enumerate(models):
            curve = [s for s in here if s.model == model]
            # Draw intervals side by side, so that none hides another.
            shift = 0.4 * ((k + 0.5) / len(models) - 0.5)
            places = [scales.index(s.scale) + shift for s in curve]
            _psnr_curve(axes, places, curve)
        axes.set_xticks(range(len(scales)), [f"x{scale}" for scale in scales])
        axes.set(title=degradation, ylabel="PSNR, dB")
        axes.legend()
    return figure


def _psnr_curve(axes: Axes, places: list[float], summaries: list[Summary]) -> None:
    psnr = np.array([s.psnr for s in summaries])
    reach = np.abs(np.array([s.psnr_ci for s in summaries]).T - psnr)
    axes.errorbar(places, psnr, reach, marker="o", capsize=3, label=summaries[0].model)


def spectrum_figure(findings: Findings) -> Figure:
    """Draw the power of results relative to originals, one panel a condition."""
    conditions = findings.comparison.conditions
    figure, axes_of = panels(len(conditions))
    frequency = (np.arange(BINS) + 0.5) / BINS / 2
    for condition, axes in zip(conditions, axes_of, strict=True):
        for name, decibels in _spectra(findings, condition).items():
            axes.plot(frequency, decibels, label=name)
        axes.axhline(0, color="gray", linewidth=0.5)
        axes.axvline(0.5 / condition.scale, color="gray", linestyle=":")
        axes.set(
            title=f"x{condition.scale}, {condition.name}",
            xlabel="cycles a pixel (dotted: Nyquist of the coarse image)",
            ylabel="power over the original's, dB",
            ylim=(-40, 10),
        )
        axes.legend()
    return figure


def _spectra(findings: Findings, condition: Condition) -> dict[str, Unit]:
    """Return each model's mean power relative to the originals, in dB, (BINS,)."""
    ratios: dict[str, list[Unit]] = {}
    chosen = [
        m
        for m in findings.measurements
        if m.condition == condition and m.model == BASELINE
    ]
    for measurement in chosen[:SPECTRUM_IMAGES]:
        trial = _trial(measurement)
        original = radial_power(_shown(trial))
        for contender in findings.comparison.contenders_at(condition):
            power = radial_power(_shown(trial, contender))
            ratios.setdefault(contender.name, []).append(power / original)
    return {k: 10 * np.log10(v).mean(axis=0) for k, v in ratios.items()}


def radial_power(image: Unit) -> Unit:
    """Return the power spectrum of `image` (H, W) averaged over directions, (BINS,).

    The mean is removed. A Hann window hides the jump between opposite borders. Empty
    bins and powers of zero become tiny numbers, so that their logarithm exists.
    """
    height, width = image.shape
    window = np.hanning(height)[:, None] * np.hanning(width)
    power = np.abs(np.fft.rfft2((image - image.mean()) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    bins = (radius * 2 * BINS).astype(np.intp)
    inside = bins < BINS
    total = np.bincount(bins[inside], power[inside], BINS)
    count = np.bincount(bins[inside], minlength=BINS)
    return total / np.maximum(count, 1) + np.finfo(np.float64).tiny


def worst_of(
    findings: Findings, condition: Condition
) -> list[tuple[float, Measurement]]:
    """Return the measurements with the smallest gains over bicubic, worst first.

    Each measurement comes with its gain in PSNR, dB. They are measurements of networks;
    without a network among the contenders, of interpolators.
    """
    here = [m for m in findings.measurements if m.condition == condition]
    baseline = {m.case.name: m.score.psnr for m in here if m.model == BASELINE}
    learned = {c.name for c in findings.comparison.contenders if c.model.spec.learned}
    others = [m for m in here if m.model in learned] or [
        m for m in here if m.model != BASELINE
    ]
    gains = [(m.score.psnr - baseline[m.case.name], m) for m in others]
    return sorted(gains, key=lambda pair: pair[0])[:WORST]


def worst_figure(
    comparison: Comparison, worst: Sequence[tuple[float, Measurement]]
) -> Figure:
    """Draw original, bicubic and result side by side, where the result is worst."""
    figure, axes_of = panels(len(worst) * 3)
    contenders = {contender.name: contender for contender in comparison.contenders}
    for row, (gain, measurement) in enumerate(worst):
        trial = _trial(measurement)
        original = _shown(trial)
        bicubic = _shown(trial, comparison.contenders[0])
        result = _shown(trial, contenders[measurement.model])
        where = _detail((result - original) ** 2 - (bicubic - original) ** 2)
        shown = {
            measurement.case.name: original,
            BASELINE: bicubic,
            f"{measurement.model}, {gain:+.2f} dB": result,
        }
        ends = {"vmin": original[where].min(), "vmax": original[where].max()}
        for axes, (title, image) in zip(
            axes_of[3 * row : 3 * row + 3], shown.items(), strict=True
        ):
            axes.imshow(image[where], cmap="gray", **ends)
            axes.set_title(title, fontsize=8)
            axes.set_axis_off()
    return figure


def _detail(loss: Unit) -> tuple[slice, slice]:
    """Return the square detail around the block in which `loss` is largest."""
    height, width = (side // MULTIPLE * MULTIPLE for side in loss.shape)
    blocks = box_down(loss[:height, :width], MULTIPLE)
    block = np.unravel_index(blocks.argmax(), blocks.shape)
    row, column = (
        min(max(int(k) * MULTIPLE - DETAIL_PX // 2, 0), max(side - DETAIL_PX, 0))
        for k, side in zip(block, loss.shape, strict=True)
    )
    return slice(row, row + DETAIL_PX), slice(column, column + DETAIL_PX)


def _trial(measurement: Measurement) -> Trial:
    """Make the trial of a measurement again."""
    radiograph = read(measurement.case.path)
    return degraded(radiograph, measurement.condition, measurement.case.name)


def _shown(trial: Trial, contender: Contender | None = None) -> Unit:
    """Return a result, or the reference, in units, without the border.

    The metrics leave the same border out.
    """
    stored = trial.reference
    if contender is not None:
        stored = contender.upscale(trial.coarse, trial.condition.scale).pixels
    return Scaling.of(trial.coarse).normalise(stored[trial.inner])


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels, at most three a row."""
    from matplotlib.figure import Figure

    columns = min(count, 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(5 * columns, 4 * rows), layout="constrained")
    axes_of = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for unused in axes_of[count:]:
        unused.set_axis_off()
    return figure, axes_of[:count]
