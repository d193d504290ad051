"""Whether a claim held, of the differences and the costs that were measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from claims_arms import Trained

from cxr_sr.evaluation.evaluate import BASELINE, Measurement
from cxr_sr.evaluation.paired import Difference
from cxr_sr.evaluation.summary import summarise


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
    """Return a warning where an arm was trained too little to be judged."""
    gains: dict[str, list[float]] = {}
    for summary in summarise(measured):
        gains.setdefault(summary.model, []).append(summary.psnr_gain)
    del gains[BASELINE]
    behind = [name for name, of_arm in gains.items() if statistics.fmean(of_arm) <= 0]
    if not behind:
        return ""
    return (
        f" But {', '.join(behind)}: no better than bicubic yet, so that the budget is "
        "too small to judge by."
    )
