"""Try the founding paper's claims: one command trains and measures one claim.

::

    python examples/claims.py multi-scale DATA --max-steps 400 --seed 1
    python examples/claims.py hydra DATA --max-seconds 300 -o claims/

DATA is an index, as `cxr-sr index` writes it, or a folder of radiographs. Each image is
reduced until its shorter side has 240 px. Its central square is kept, in 8 bits. (The
paper's images had 256 x 256 px.)

`cxr_sr.training.fit` trains the rivals of a claim with the same budget, seed and
learning rate. The averaged weights of the last step are measured on the validation
split, by the protocol of `cxr-sr evaluate` without projection. A claim held if the
confidence interval over patients of each paired difference is above zero.

With --seeds N, each arm is trained N times. Scores are means over the seeds. The report
also has the differences of each seed, with an interval over the seeds. To continue
after a stop, repeat the command: OUTPUT keeps each finished training.

The example needs the extra `train`. It writes OUTPUT/CLAIM.md and OUTPUT/CLAIM.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import claims_tasks
from claims_arms import (
    Arm,
    Budget,
    Trained,
    costs,
    doubt,
    judge,
    measure,
    pace,
    train,
    verdict,
)
from claims_images import prepare
from claims_seeds import OverSeeds, averaged, over_seeds, seeds_table

from cxr_sr.errors import CxrSrError
from cxr_sr.evaluation import paired, report
from cxr_sr.evaluation.evaluate import Measurement
from cxr_sr.evaluation.paired import Difference
from cxr_sr.evaluation.summary import summarise
from cxr_sr.names import SCALES


@dataclass(frozen=True)
class Claim:
    """A claim, and the arms that are compared to try it."""

    sentence: str
    champion: Arm
    rivals: tuple[Arm, ...]
    cheaper: bool = False
    """True if the claim also states fewer parameters and less time."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arm that should be better, then its rivals."""
        return self.champion, *self.rivals


CLAIMS = {
    "multi-scale": Claim(
        "One network for all scales restores better than one for each.",
        Arm("one for all"),
        (Arm("one for each", apart=True),),
    ),
    "loss": Claim(
        "MAE + MS-SSIM restores better than MAE, MS-SSIM or MSE alone.",
        Arm("mae+ms-ssim"),
        tuple(Arm(name, loss=name) for name in ("mae", "ms-ssim", "mse")),
    ),
    # MAE, because MS-SSIM of a patch is another loss than MS-SSIM of an image. 25
    # patches of 48 px have as many pixels as one image.
    "whole-image": Claim(
        "Training on whole images restores better than on patches.",
        Arm("whole images", "hydra", "mae"),
        (Arm("patches", "hydra", "mae", crop_px=48, batch=25),),
    ),
    "raw-channels": Claim(
        "Raw RGB channels are restored better than luminance, chroma being bicubic.",
        Arm("rgb", pixels="rgb"),
        (Arm("ycbcr", pixels="luminance"),),
    ),
    "hydra": Claim(
        "Seven layers restore better than VDSR's twenty, with less of everything.",
        Arm("hydra", "hydra"),
        (Arm("vdsr", "vdsr"),),
        cheaper=True,
    ),
}


def main() -> None:
    """Train, measure, write and print; exit 2 if data or options cannot be used."""
    options = arguments()
    budget = Budget(
        **{f.name: getattr(options, f.name) for f in dataclasses.fields(Budget)}
    )
    try:
        of_tasks = options.claim in claims_tasks.SENTENCES
        report_on = claims_tasks.reproduce if of_tasks else reproduce
        print(report_on(options.claim, options.data, options.output, budget))
    except CxrSrError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Reproduce a claim of the paper.")
    parser.add_argument("claim", choices=[*CLAIMS, *claims_tasks.SENTENCES])
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("claims"))
    parser.add_argument("--max-steps", type=int, help="of each arm")
    parser.add_argument("--max-seconds", type=float, help="of each arm")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--seeds", type=int, default=0, help="trainings of each arm [1; sr-trunk: 3]"
    )
    parser.add_argument(
        "--model",
        default="hydra",
        help="network of the arms, if the claim does not name one",
    )
    parser.add_argument("--lr", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--optimiser", choices=("adam", "muon"), default="adam")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument(
        "--limit", type=count_of, default=64, help="images to train on, or none: all"
    )
    parser.add_argument("--validation", type=int, default=40, help="images to measure")
    parser.add_argument("--scales", type=int, nargs="+", default=SCALES)
    options = parser.parse_args()
    options.scales = tuple(options.scales)
    return options


def count_of(text: str) -> int | None:
    """Read a number of images; "none" is no limit."""
    return None if text == "none" else int(text)


def reproduce(name: str, data: Path, output: Path, budget: Budget) -> str:
    """Return the report on a claim, and write it.

    Raises
    ------
    SettingsError
        If no budget is given, no image can be used, or `output` holds a training with
        other settings.
    TrainingError
        If a training diverges.
    """
    claim, folder = CLAIMS[name], output / name
    wanted = {"train": budget.limit, "val": budget.validation}
    prepare(data, folder / "data", wanted)
    rounds = [_round(claim, folder, one) for one in each_seed(budget)]
    measured = averaged(each for _, each in rounds)
    found = _differences(claim, measured)
    by_seed = over_seeds([_differences(claim, each) for _, each in rounds])
    trained = rounds[0][0]
    outcomes = judge(found) + (costs(trained, measured) if claim.cheaper else [])
    said = verdict(outcomes) + doubt(measured)
    if by_seed:
        said += f" Over the seeds alone: {verdict([d.outcome for d in by_seed])}"
    result = Result(name, budget, trained, measured, found, said, by_seed)
    text = describe(result)
    (output / f"{name}.md").write_text(text, encoding="utf-8")
    numbers = json.dumps(as_json(result), indent=1) + "\n"
    (output / f"{name}.json").write_text(numbers, encoding="utf-8")
    return text


def each_seed(budget: Budget) -> list[Budget]:
    """Return the budget with each of its seeds."""
    last = budget.seed + max(1, budget.seeds)
    seeds = range(budget.seed, last)
    return [dataclasses.replace(budget, seed=seed) for seed in seeds]


def _round(
    claim: Claim, folder: Path, budget: Budget
) -> tuple[list[Trained], list[Measurement]]:
    """Return the arms of one seed and their measurements."""
    trained = [train(arm, folder, budget) for arm in claim.arms]
    return trained, list(measure(folder / "data", trained, budget.scales))


def _differences(claim: Claim, measured: Sequence[Measurement]) -> list[Difference]:
    return [
        difference
        for rival in claim.rivals
        for difference in paired.differences(measured, claim.champion.name, rival.name)
    ]


@dataclass(frozen=True)
class Result:
    """The contents of the report on a claim."""

    claim: str
    budget: Budget
    trained: Sequence[Trained]
    measured: Sequence[Measurement]
    differences: Sequence[Difference]
    verdict: str
    by_seed: Sequence[OverSeeds] = ()
    """Differences seed by seed; empty for a single seed."""


def describe(result: Result) -> str:
    """Return the report in Markdown."""
    parts = [
        f"## {result.claim}: {CLAIMS[result.claim].sentence}",
        f"**{result.verdict}** Counted over metrics and rivals, scales together.",
        spent(result),
        arms_table(result),
        report.markdown(summarise(result.measured)).strip(),
        "Differences, image by image (95 % confidence interval over patients):",
        paired.difference_table(result.differences),
        seeds_table(result.by_seed),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def spent(result: Result) -> str:
    """Return a sentence on the budget."""
    budget, entries = result.budget, result.trained[0].images
    each = [f"{budget.max_steps} steps"] if budget.max_steps else []
    each += [f"{budget.max_seconds:g} s"] if budget.max_seconds else []
    luck = "One run each: the luck of the seed is in the differences, and not in their "
    luck += "intervals."
    if budget.seeds > 1:
        luck = f"{budget.seeds} seeds, from this one on: scores are means over them; "
        luck += "the table of the arms is of the first."
    return (
        f"Budget of each arm: {' or '.join(each)} of one thread, {entries} images to "
        f"train on, seed {budget.seed}, {budget.optimiser.capitalize()} in "
        f"{budget.precision}, peak learning rate {budget.lr:g}. {luck}"
    )


def arms_table(result: Result) -> str:
    """Return a table of the arms: network, loss, parameters, steps and time."""
    lines = [
        "| arm | network | loss | parameters | steps | training s | s/MP |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for t in result.trained:
        network = t.arm.network or result.budget.model
        size = f"{t.parameters:,} | {t.steps} | {t.seconds:.0f}"
        speed = f"{pace(t, result.measured):.2f}"
        lines.append(f"| {t.arm.name} | {network} | {t.arm.loss} | {size} | {speed} |")
    return "\n".join(lines)


def as_json(result: Result) -> dict[str, object]:
    """Return the report for JSON."""
    return {
        "claim": result.claim,
        "sentence": CLAIMS[result.claim].sentence,
        "verdict": result.verdict,
        "budget": dataclasses.asdict(result.budget),
        "arms": [
            {
                **dataclasses.asdict(t.arm),
                "parameters": t.parameters,
                "steps": t.steps,
                "seconds": round(t.seconds, 1),
            }
            for t in result.trained
        ],
        "summaries": [summary.as_json() for summary in summarise(result.measured)],
        "differences": [d.as_json() for d in result.differences],
        "seeds": [d.as_json() for d in result.by_seed],
    }


if __name__ == "__main__":
    main()
