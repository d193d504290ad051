"""Measure masks and probabilities, with confidence intervals over patients."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10
"""Number of bins of equal width for the calibration error."""
RESAMPLES = 1000
"""Number of resamples of the patients for an interval."""
LEVEL = 0.95
"""Percentiles at the ends of an interval."""

Mask = NDArray[np.bool_]
Floats = NDArray[np.floating[Any]]


def dice(found: Mask, truth: Mask) -> float:
    """Return the overlap 2 |A and B| / (|A| + |B|), 0 to 1; 1 if both are empty.

    References
    ----------
    L. R. Dice, Ecology 26 (1945).
    """
    total = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / total if total else 1.0


def surface_distances(
    found: Mask, truth: Mask, pixel: tuple[float, float]
) -> tuple[float, float]:
    """Return the mean and the 95th percentile of the distances between two outlines.

    A distance goes from a pixel of one outline to the nearest pixel of the other
    outline; the distances in both directions are pooled.

    Parameters
    ----------
    pixel : (row, column) size of a pixel; the distances have the same unit

    Returns
    -------
    (mean, percentile); both NaN if one of the masks is empty
    """
    if not found.any() or not truth.any():
        return float("nan"), float("nan")
    one = _distance_to(_outline(truth), pixel)[_outline(found)]
    other = _distance_to(_outline(found), pixel)[_outline(truth)]
    both = np.concatenate([one, other])
    return float(both.mean()), float(np.percentile(both, 95))


def _outline(mask: Mask) -> Mask:
    """Return the mask's pixels next to other pixels; the border does not count."""
    inner = np.pad(mask, 1)
    whole = inner[:-2, 1:-1] & inner[2:, 1:-1] & inner[1:-1, :-2] & inner[1:-1, 2:]
    outline: Mask = mask & ~whole
    return outline


def _distance_to(outline: Mask, pixel: tuple[float, float]) -> Floats:
    sitk: Any = importlib.import_module("SimpleITK")
    image = sitk.GetImageFromArray(outline.astype(np.uint8))
    image.SetSpacing((pixel[1], pixel[0]))
    distance = sitk.SignedMaurerDistanceMap(
        image, squaredDistance=False, useImageSpacing=True
    )
    result: Floats = np.maximum(sitk.GetArrayFromImage(distance), 0)
    return result


def auc(truth: Mask, scores: Floats) -> float:
    """Return the area under the ROC curve; NaN if all images have one class.

    The area is the share of pairs in the right order; a tie counts half.

    References
    ----------
    J. A. Hanley, B. J. McNeil, Radiology 143 (1982).
    """
    positive, negative = scores[truth], scores[~truth]
    if not len(positive) or not len(negative):
        return float("nan")
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    up_to = np.searchsorted(ordered, positive, side="right")
    return float((below + up_to).sum() / (2 * len(positive) * len(negative)))


def brier(truth: Mask, chances: Floats) -> float:
    """Return the mean squared difference between probability and truth, 0 to 1.

    References
    ----------
    G. W. Brier, Monthly Weather Review 78 (1950).
    """
    return float(((chances - truth) ** 2).mean())


def calibration_error(truth: Mask, chances: Floats) -> float:
    """Return the expected calibration error over `BINS` bins, 0 to 1.

    References
    ----------
    M. P. Naeini, G. F. Cooper, M. Hauskrecht, AAAI 2015.
    """
    bins = (chances * BINS).astype(int).clip(0, BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    said = np.bincount(bins, weights=chances, minlength=BINS)
    was = np.bincount(bins, weights=truth, minlength=BINS)
    return float(np.abs(said - was).sum() / max(int(counts.sum()), 1))


def interval(
    patients: Sequence[str], measure: Callable[[NDArray[np.intp]], float]
) -> tuple[float, float]:
    """Return the interval of a measure from resampled patients with all their images.

    Parameters
    ----------
    patients : the patient of each image
    measure : returns the measure for image indices, which may repeat

    Returns
    -------
    The percentiles 2.5 and 97.5; NaN with one patient only, or if the measure has no
    value in most resamples.

    References
    ----------
    B. Efron, Annals of Statistics 7 (1979).
    """
    names = sorted(set(patients))
    images = [np.flatnonzero(np.array(patients) == name) for name in names]
    if len(names) < 2:
        return float("nan"), float("nan")
    random = np.random.default_rng(0)  # the same resamples in every run
    values = []
    for _ in range(RESAMPLES):
        drawn = random.integers(len(names), size=len(names))
        values.append(measure(np.concatenate([images[k] for k in drawn])))
    known = [value for value in values if np.isfinite(value)]
    if len(known) < RESAMPLES / 2:
        return float("nan"), float("nan")
    ends = 100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2
    low, high = np.percentile(known, ends)
    return float(low), float(high)
