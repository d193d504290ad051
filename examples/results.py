"""Measure the tables of README.md and docs/evaluation.md, and write them there.

::

    python examples/results.py DATA             # the scales missing in results.json
    python examples/results.py DATA --scale 2 --limit 4 --again
    python examples/results.py DATA --table founding
    python examples/results.py                  # only write results.json into the pages

DATA is an index or a folder, as for `cxr-sr evaluate`. One `cxr-sr evaluate` measures
each scale with the default settings; the tables therefore describe the results of
`cxr-sr upscale`. Each finished scale is stored in examples/results.json. A scale with a
stored result for the same weights and number of images is not measured again: an
interrupted run continues at the first missing scale.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_sr.names import SCALES
from cxr_sr.superres.models.zoo import load_model

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "examples" / "results.json"
KEPT = (
    *("model", "scale", "degradation", "dose_ugy", "noise_width_px", "consistency"),
    *("n", "patients", "psnr", "psnr_median", "anatomy_psnr", "ssim", "ms_ssim"),
    *("psnr_gain", "psnr_gain_median", "anatomy_gain", "worse_than_bicubic"),
    "false_structure",
)
"""Keys of a summary that results.json keeps."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """One table, and its page: the table is between two marks with its name."""

    name: str
    page: Path
    models: tuple[str, ...]
    """The default comes first; bicubic is always measured."""
    scales: tuple[int, ...] = SCALES
    options: tuple[str, ...] = ()
    """Options of `cxr-sr evaluate`."""

    def key(self, scale: int) -> str:
        """Return the name of one scale in results.json."""
        return f"x{scale}" if self.name == "results" else f"{self.name} x{scale}"

    def parts(self, results: dict[str, Row]) -> list[Row]:
        """Return the measured rows, one part a scale."""
        return [results[key] for key in map(self.key, self.scales) if key in results]


TABLES = {
    table.name: table
    for table in (
        Table("results", ROOT / "README.md", ("fine", "fast")),
        Table(
            "founding",
            ROOT / "docs" / "evaluation.md",
            ("fine", "hydra", "vdsr"),
            (2, 4),
            ("--degradation", "bicubic"),
        ),
        Table(
            "dicom",
            ROOT / "docs" / "evaluation.md",
            ("fine", "fast", "lanczos"),
            (2, 4),
            ("--degradation", "box", "--degradation", "detector"),
        ),
    )
}


def main() -> None:
    """Measure the wanted scales that are missing, then write the sections."""
    options = arguments()
    results = stored()
    asked = TABLES[options.table]
    if options.data is not None:
        for scale in options.scale or asked.scales:
            measure(results, asked, scale, options)
    for table in TABLES.values():
        page = table.page.read_text(encoding="utf-8")
        new = with_section(page, table.name, section(results, table))
        table.page.write_text(new, encoding="utf-8")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure the tables.")
    parser.add_argument("data", type=Path, nargs="?", help="an index or a folder")
    parser.add_argument("--table", choices=TABLES, default="results")
    parser.add_argument("--scale", type=int, action="append", choices=SCALES)
    parser.add_argument("--limit", type=int, help="images; default: all")
    parser.add_argument("--again", action="store_true", help="measure anew")
    return parser.parse_args()


def stored() -> dict[str, Row]:
    """Return the contents of results.json."""
    if not RESULTS.is_file():
        return {}
    found: dict[str, Row] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def measure(
    results: dict[str, Row], table: Table, scale: int, options: argparse.Namespace
) -> None:
    """Measure one scale and store it, unless it is stored already."""
    wanted = {"weights": weights(table), "limit": options.limit}
    before = results.get(table.key(scale), {})
    if not options.again and all(before.get(k) == v for k, v in wanted.items()):
        return
    command = ["cxr-sr", "evaluate", str(options.data), "--scale", str(scale), "--json"]
    command += command_options(table)
    if options.limit:
        command += ["--limit", str(options.limit)]
    print(*command, file=sys.stderr)
    done = subprocess.run(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, text=True, check=True
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    kept = [{key: row[key] for key in KEPT} for row in rows]
    results[table.key(scale)] = {**wanted, "rows": kept}
    text = json.dumps(dict(sorted(results.items())), indent=1)
    RESULTS.write_text(text + "\n", encoding="utf-8")


def command_options(table: Table) -> list[str]:
    """Return the options of `cxr-sr evaluate` that a table needs."""
    models = [word for model in table.models for word in ("--model", model)]
    return [*models, *table.options]


def weights(table: Table) -> dict[str, str]:
    """Return the hash of each model's weights; "" for an interpolator."""
    specs = [load_model(name).spec for name in table.models]
    return {spec.name: spec.sha256 for spec in specs}


def section(results: dict[str, Row], table: Table = TABLES["results"]) -> str:
    """Return the section with the measurements."""
    parts = table.parts(results)
    rows = [row for part in parts for row in part["rows"]]
    which = "" if table.name == "results" else f" --table {table.name}"
    limits = [part["limit"] for part in parts if part.get("limit")]
    which += f" --limit {max(limits)}" if limits else ""
    if not rows:
        return f"Not measured yet: `python examples/results.py DATA{which}` does it."
    said = (
        f"`cxr-sr evaluate DATA {' '.join(command_options(table))}` (made by `python "
        f"examples/results.py DATA{which}`). In each cell: PSNR in dB (PSNR of "
        "anatomy, without the 3 % of the pixels around the strongest edges), number of "
        "images with a lower PSNR than bicubic's."
    )
    return f"{textwrap.fill(said, 88)}\n\n{lines(rows, table.models)}"


def lines(rows: list[Row], models: tuple[str, ...]) -> str:
    """Return a row for each degradation and model, the default first."""
    scales = sorted({row["scale"] for row in rows})
    counts = {row["scale"]: row["n"] for row in rows}
    places = [f"x{scale}, {counts[scale]} images" for scale in scales]
    head = ["degradation", "model", *places]
    shown = [head, ["---"] * len(head)]
    for condition in dict.fromkeys(map(condition_of, rows)):
        here = [row for row in rows if condition_of(row) == condition]
        for model in (*models, "bicubic"):
            cells = {row["scale"]: cell(row) for row in here if row["model"] == model}
            shown.append([condition, model, *(cells.get(s, "-") for s in scales)])
    return "\n".join(f"| {' | '.join(line)} |" for line in shown)


def condition_of(row: Row) -> str:
    """Return the degradation of a row; for noise, with dose and width."""
    if row["dose_ugy"] is None:
        return f"{row['degradation']}, clean"
    dose, width = row["dose_ugy"], row["noise_width_px"]
    return f"{row['degradation']}, {dose:g} uGy, noise of {width:g} px"


def cell(row: Row) -> str:
    """Return a table's cell for one model at one scale."""
    worse = "-" if row["model"] == "bicubic" else str(row["worse_than_bicubic"])
    return f"{row['psnr']:.2f} ({row['anatomy_psnr']:.2f}), {worse}"


def with_section(page: str, name: str, text: str) -> str:
    """Return a page with the section between its two marks."""
    pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    return re.sub(pattern, lambda m: f"{m[1]}{text}\n{m[2]}", page, flags=re.DOTALL)


if __name__ == "__main__":
    main()
