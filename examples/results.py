"""Measure the tables of the README, and write them into it.

::

    python examples/results.py DATA             # what is missing in results.json
    python examples/results.py DATA --scale 2 --limit 4 --again
    python examples/results.py                  # only write results.json into README.md

DATA is an index or a folder, as for `cxr-sr evaluate`. Each scale is measured by one
`cxr-sr evaluate` without any setting, so that the tables show what `cxr-sr upscale`
gives, and is stored in examples/results.json when it is done. A scale that was measured
with the same weights and as many images is not measured again: a run that was
interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from cxr_sr.names import SCALES
from cxr_sr.superres.models.zoo import load_model

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "examples" / "results.json"
README = ROOT / "README.md"
MODELS = ("fine", "fast")
"""The default first; bicubic is always measured."""
KEPT = (
    *("model", "scale", "degradation", "dose_ugy", "noise_width_px", "consistency"),
    *("n", "patients", "psnr", "psnr_median", "anatomy_psnr", "ssim", "ms_ssim"),
    *("psnr_gain", "psnr_gain_median", "anatomy_gain", "worse_than_bicubic"),
    "false_structure",
)
"""Keys of a summary that results.json keeps."""

Row = dict[str, Any]


def main() -> None:
    """Measure what is asked for and missing, then write the section."""
    options = arguments()
    results = stored()
    if options.data is not None:
        for scale in options.scale or SCALES:
            measure(results, scale, options)
    readme = README.read_text(encoding="utf-8")
    README.write_text(with_section(readme, section(results)), encoding="utf-8")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure the tables of the README.")
    parser.add_argument("data", type=Path, nargs="?", help="an index or a folder")
    parser.add_argument("--scale", type=int, action="append", choices=SCALES)
    parser.add_argument("--limit", type=int, help="images; default: all")
    parser.add_argument("--again", action="store_true", help="measure anew")
    return parser.parse_args()


def stored() -> dict[str, Row]:
    """Return what was measured, by scale."""
    if not RESULTS.is_file():
        return {}
    found: dict[str, Row] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def measure(results: dict[str, Row], scale: int, options: argparse.Namespace) -> None:
    """Measure one scale, unless that is done, and store it."""
    wanted = {"weights": weights(), "limit": options.limit}
    before = results.get(f"x{scale}", {})
    if not options.again and all(before.get(k) == v for k, v in wanted.items()):
        return
    command = ["cxr-sr", "evaluate", str(options.data), "--scale", str(scale), "--json"]
    command += [word for model in MODELS for word in ("--model", model)]
    if options.limit:
        command += ["--limit", str(options.limit)]
    print(*command, file=sys.stderr)
    done = subprocess.run(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, text=True, check=True
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    kept = [{key: row[key] for key in KEPT} for row in rows]
    results[f"x{scale}"] = {**wanted, "rows": kept}
    text = json.dumps(dict(sorted(results.items())), indent=1)
    RESULTS.write_text(text + "\n", encoding="utf-8")


def weights() -> dict[str, str]:
    """Return the hash of each model's weights."""
    specs = [load_model(name).spec for name in MODELS]
    return {spec.name: spec.sha256 for spec in specs}


def section(results: dict[str, Row]) -> str:
    """Return the README's section on what was measured."""
    rows = [row for part in results.values() for row in part["rows"]]
    models = " ".join(f"--model {model}" for model in MODELS)
    said = (
        f"`cxr-sr evaluate DATA {models}` (made by `python "
        "examples/results.py DATA`). In each cell: PSNR in dB (PSNR of "
        "anatomy, without the 3 % of the pixels around the strongest edges), number of "
        "images with a lower PSNR than bicubic's."
    )
    return f"{textwrap.fill(said, 88)}\n\n{table(rows)}"


def table(rows: list[Row]) -> str:
    """Return a row for each degradation and model, the default first."""
    scales = sorted({row["scale"] for row in rows})
    counts = {row["scale"]: row["n"] for row in rows}
    places = [f"x{scale}, {counts[scale]} images" for scale in scales]
    head = ["degradation", "model", *places]
    lines = [head, ["---"] * len(head)]
    for condition in dict.fromkeys(map(condition_of, rows)):
        here = [row for row in rows if condition_of(row) == condition]
        for model in (*MODELS, "bicubic"):
            cells = {row["scale"]: cell(row) for row in here if row["model"] == model}
            lines.append([condition, model, *(cells.get(s, "-") for s in scales)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def condition_of(row: Row) -> str:
    """Return the degradation of a row, a noisy one with its dose and width."""
    if row["dose_ugy"] is None:
        return f"{row['degradation']}, clean"
    dose, width = row["dose_ugy"], row["noise_width_px"]
    return f"{row['degradation']}, {dose:g} uGy, noise of {width:g} px"


def cell(row: Row) -> str:
    """Return what a table shows of one model at one scale."""
    worse = "-" if row["model"] == "bicubic" else str(row["worse_than_bicubic"])
    return f"{row['psnr']:.2f} ({row['anatomy_psnr']:.2f}), {worse}"


def with_section(readme: str, text: str) -> str:
    """Return the README with the section between its two marks."""
    pattern = r"(<!-- results -->\n).*?(<!-- /results -->)"
    return re.sub(pattern, lambda m: f"{m[1]}{text}\n{m[2]}", readme, flags=re.DOTALL)


if __name__ == "__main__":
    main()
