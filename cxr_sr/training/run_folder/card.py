"""Write the model card: the purpose, origin and limits of trained weights.

References
----------
M. Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from cxr_sr.superres.models.spec import ModelSpec
from cxr_sr.texts import Row

LIMITS = (
    "The network adds detail that it learned from other radiographs.",
    "It is untested on views, ages, manufacturers and detectors beyond the data above.",
)
NOISE_UNSEEN = (
    "Its training had no detector noise: on a noisy radiograph it is no better than "
    "bicubic, or worse."
)

RISING_DB = 0.01
"""Least gain in the last quarter of a run, in dB, to call its curve rising."""


def model_card(spec: ModelSpec, rows: Sequence[Row]) -> str:
    """Return the card of a trained network in Markdown.

    Parameters
    ----------
    spec : specification with hashes and with the facts about the training from `fit`
    rows : the rows of metrics.csv, one for each validation
    """
    training = spec.training
    best = next(r for r in rows if int(r["step"]) == training["steps"])
    sections = [
        f"# {spec.name}",
        _what(spec),
        "## Data",
        _data(training),
        "## Training",
        _course(training),
        _curve(rows, best) + _waiting(rows),
        "## Validation",
        _metrics(spec, training, best),
        "## Limits",
        _limits(training),
        "## Files",
        files_section(spec.name, spec.sha256, spec.safetensors_sha256),
    ]
    return "\n\n".join(sections) + "\n"


def _what(spec: ModelSpec) -> str:
    size = ", ".join(f"{name} {value}" for name, value in spec.settings.items())
    return (
        f"Super-resolution of {'gray' if spec.channels == 1 else 'RGB'} radiographs by "
        f"{spec.made_for}: the network `{spec.network}`{f' ({size})' if size else ''} "
        f"with {spec.parameters:,} parameters. It predicts the difference between the "
        "original and its bicubic interpolation.\n\n"
        "**For research only. Not a medical device; not for diagnosis.**"
    )


def _data(training: dict[str, Any]) -> str:
    lines = ["| source | licence | images to train on |", "|---|---|--:|"]
    lines += [
        f"| {d['source']} | {d['licence']} | {d['n']} |" for d in training["data"]
    ]
    splits = ", ".join(f"{n} in {split}" for split, n in training["splits"].items())
    return "\n".join(lines) + (
        f"\n\nImages: {splits}; the training images show {training['patients']} "
        "patients. "
        f"SHA-256 of the decoded pixels: `{training['data_sha256']}`."
    )


def _course(training: dict[str, Any]) -> str:
    settings, recipe = training["settings"], training["settings"]["recipe"]
    crop = settings["sampling"]["crop_px"]
    budget = [f"{recipe['max_steps']:,} steps"] if recipe["max_steps"] else []
    budget += [f"{recipe['max_seconds']:,.0f} s"] if recipe["max_seconds"] else []
    start = f"the weights of `{settings['init']}`" if settings["init"] else "chance"
    teacher = f", taught by `{settings['teacher']}`" if settings["teacher"] else ""
    versions = ", ".join(f"{k} {v}" for k, v in training["versions"].items())
    return (
        f"Budget: {' or '.join(budget)}; the averaged weights of step "
        f"{training['steps']:,}, after {training['seconds']:,} s, were kept. Each step "
        f"had {settings['batch']} {f'crops of {crop} px' if crop else 'whole images'} "
        f"in each of {settings['devices']} process(es). Degradation: "
        f"{', '.join(recipe['degradation']['kinds'])}; loss {recipe['loss']}; "
        f"{recipe['optimiser']} in {recipe['precision']}, peak learning rate "
        f"{recipe['lr']:g}; seed {recipe['seed']}; started from {start}{teacher}. "
        f"Versions: {versions}."
    )


def _curve(rows: Sequence[Row], best: Row) -> str:
    """Return a sentence about whether more training would have helped."""
    if best is not rows[-1]:
        return (
            f"The curve (metrics.csv) had its top at step {int(best['step']):,} of "
            f"{int(rows[-1]['step']):,}; after that it did not rise any more."
        )
    earlier = rows[3 * (len(rows) - 1) // 4]
    risen = float(best["gain"]) - float(earlier["gain"])
    still = "was still rising" if risen >= RISING_DB else "had flattened"
    return (
        f"The last validation was the best one: the curve (metrics.csv) {still}, with "
        f"{risen:.2f} dB since step {int(earlier['step']):,}."
    )


def _waiting(rows: Sequence[Row]) -> str:
    """Return a sentence about the time that the processor waited for data."""
    known = [float(row["waiting"]) for row in rows if row.get("waiting")]
    if not known:
        return ""
    return f" Waiting for data took {fmean(known):.1%} of the time between steps."


def _metrics(spec: ModelSpec, training: dict[str, Any], best: Row) -> str:
    lines = ["| scale | PSNR dB | over bicubic, dB |", "|---|--:|--:|"]
    lines += [
        f"| x{s} | {float(best[f'psnr_x{s}']):.2f} | {float(best[f'gain_x{s}']):+.2f} |"
        for s in spec.scales
    ]
    side = training["settings"]["validation_px"]
    part = f"the most detailed parts ({side} px) of " if side else ""
    return "\n".join(lines) + (
        f"\n\nMeans over {part}{training['splits']['val']} image(s). The same images "
        "chose the step. For an independent test, measure the split test with `cxr-sr "
        "evaluate`."
    )


def _limits(training: dict[str, Any]) -> str:
    limits = list(LIMITS)
    if "detector" not in training["settings"]["recipe"]["degradation"]["kinds"]:
        limits.append(NOISE_UNSEEN)
    return "\n".join(f"- {limit}" for limit in limits)


def files_section(name: str, onnx_sha256: str, safetensors_sha256: str) -> str:
    """Return the list of the weights files in a run's folder, in Markdown."""
    return (
        f"- `{name}.onnx`, SHA-256 `{onnx_sha256}`, checked against torch\n"
        f"- `{name}.safetensors`, SHA-256 `{safetensors_sha256}`"
    )
