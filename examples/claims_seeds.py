"""Train the arms of a claim with several seeds; compute means and intervals."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from cxr_sr.errors import SettingsError
from cxr_sr.evaluation.evaluate import Measurement
from cxr_sr.evaluation.paired import Difference
from cxr_sr.evaluation.protocol import Score

STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365}
"""The 97.5 % quantile of Student's distribution, by number of seeds."""
ASKED, DONE = "asked.json", "done"
"""Files in the folder of a training: its settings, and a mark that it is finished."""

Weights = TypeVar("Weights")


def trained_once(
    folder: Path,
    run: Any,  # noqa: ANN401 - the dataclass of any training
    fit: Callable[[bool], Weights],
    load: Callable[[Path], Weights],
) -> Weights:
    """Train, or load the weights that an earlier call of the same command finished.

    Parameters
    ----------
    run : settings of the training
    fit : trains; if its argument is True, it continues from a checkpoint
    load : reads the weights of a finished training

    Raises
    ------
    SettingsError
        If the folder holds a training with other settings.
    """
    asked = json.dumps(dataclasses.asdict(run), sort_keys=True, default=str)
    stated = folder / ASKED
    if stated.is_file() and stated.read_text(encoding="utf-8") != asked:
        raise SettingsError(
            f"{folder} holds a training with other settings; give another --output, "
            "or remove the folder"
        )
    if (folder / DONE).is_file():
        return load(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stated.write_text(asked, encoding="utf-8")
    weights = fit((folder / "checkpoints" / "last.ckpt").is_file())
    (folder / DONE).touch()
    return weights


def averaged(rounds: Iterable[Iterable[Measurement]]) -> list[Measurement]:
    """Return each measurement with the mean score and time over the seeds."""
    found: dict[tuple[Any, ...], list[Measurement]] = {}
    for measured in rounds:
        for m in measured:
            key = m.case, m.condition, m.model, m.consistency
            found.setdefault(key, []).append(m)
    return [
        dataclasses.replace(
            same[0],
            score=Score(*np.mean([dataclasses.astuple(m.score) for m in same], 0)),
            seconds=statistics.fmean(m.seconds for m in same),
        )
        for same in found.values()
    ]


@dataclass(frozen=True)
class OverSeeds:
    """The difference of a metric between two arms, for each seed, over all scales."""

    model: str
    rival: str
    metric: str
    values: tuple[float, ...]

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of Student's distribution over the seeds."""
        mean, count = statistics.fmean(self.values), len(self.values)
        reach = STUDENT.get(count, 2.3) * statistics.stdev(self.values) / count**0.5
        return mean - reach, mean + reach

    @property
    def outcome(self) -> str:
        """The verdict on the model: a tie if the interval contains zero."""
        low, high = self.interval
        return "better" if low > 0 else "worse" if high < 0 else "tie"

    def as_json(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        fields = dataclasses.asdict(self)
        return fields | {"ci": list(self.interval), "outcome": self.outcome}


def over_seeds(rounds: Sequence[Sequence[Difference]]) -> list[OverSeeds]:
    """Return the differences of all seeds; none for a single seed.

    Parameters
    ----------
    rounds : for each seed, the differences from `paired.differences`
    """
    found: dict[tuple[str, str, str], list[float]] = {}
    for differences in rounds if len(rounds) > 1 else ():
        overall: dict[tuple[str, str, str], float] = {}
        for d in differences:
            # If there are several scales, the mean over all scales comes first.
            overall.setdefault((d.model, d.rival, d.metric), d.mean)
        for key, mean in overall.items():
            found.setdefault(key, []).append(mean)
    return [OverSeeds(*key, tuple(values)) for key, values in found.items()]


def seeds_table(found: Sequence[OverSeeds]) -> str:
    """Return the differences seed by seed in Markdown; "" if there are none."""
    if not found:
        return ""
    lines = [
        "The same differences, seed by seed (95 % interval of Student over seeds):",
        "",
        "| model | against | metric | seeds | mean | interval | outcome |",
        "|---|---|---|---|--:|---|---|",
    ]
    for each in found:
        digits = "+.3f" if each.metric == "psnr" else "+.5f"
        values = ", ".join(f"{value:{digits}}" for value in each.values)
        mean = f"{statistics.fmean(each.values):{digits}}"
        low, high = each.interval
        span = f"{low:{digits}} to {high:{digits}}"
        names = f"{each.model} | {each.rival} | {each.metric}"
        lines.append(f"| {names} | {values} | {mean} | {span} | {each.outcome} |")
    return "\n".join(lines)
