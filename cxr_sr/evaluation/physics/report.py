"""Write tables of the measurements on simulated images."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from cxr_sr.evaluation.condition import Condition
from cxr_sr.evaluation.evaluate import Comparison
from cxr_sr.evaluation.physics.edge import CONTRASTS, EdgeResponse, edge_responses
from cxr_sr.evaluation.physics.flat import (
    BAND_NAMES,
    EXPOSURES,
    Amplification,
    amplifications,
)
from cxr_sr.files import write_texts
from cxr_sr.radiograph import Radiograph
from cxr_sr.texts import csv_text, markdown_table

VERSION = 1
"""Version of the layout of physics.json."""

PhysicsRow = Amplification | EdgeResponse
Table = tuple[list[str], list[list[str]]]
"""Columns and rows."""

NOISE_COLUMNS = [
    "scale",
    "dose uGy",
    "width px",
    "model",
    *BAND_NAMES,
    "spread",
    "uneven",
]
EDGE_COLUMNS = ["scale", "background", "contrast", "model", "MTF", "overshoot %"]
LEGEND = {
    "noise": "### Noise of flat fields\n\nNoise power relative to bicubic, by band of "
    "spatial frequency (cycles per pixel of the input; its Nyquist frequency is 1/2): "
    "above 1, the model amplifies noise. spread: coefficient of variation of the noise "
    "from place to place, relative to bicubic. uneven: standard deviation of the noise "
    "from place to place, relative to bicubic; above 1, the result has more blotches "
    "than bicubic. width: sigma of the noise's correlation, in pixels of the input.",
    "edge": "### Slanted edges\n\nMTF at the input's Nyquist frequency (the input's "
    "own pixels have 0.64 there), and the larger value of overshoot and undershoot, "
    "in per cent of the step. contrast: the step's height, in units of the window.",
}


def measure_physics(
    comparison: Comparison, anatomy: Sequence[Radiograph] = ()
) -> Generator[PhysicsRow]:
    """Yield the noise and edge measurements of each compared model, scale by scale.

    Parameters
    ----------
    comparison : the models and scales; its degradations are not used
    anatomy : gray originals for edges in anatomy

    Raises
    ------
    EngineError
        If the engine is not installed.
    """
    for scale in _scales(comparison):
        contenders = comparison.contenders_at(Condition(scale))
        yield from amplifications(contenders, scale, EXPOSURES)
        yield from edge_responses(contenders, scale, anatomy)


def count_of(comparison: Comparison, *, with_anatomy: bool) -> int:
    """Return the number of rows that `measure_physics` yields."""
    edges = 2 * len(CONTRASTS) + (len(CONTRASTS) - 1) * with_anatomy
    counts = [
        len(comparison.contenders_at(Condition(scale))) for scale in _scales(comparison)
    ]
    return sum((n - 1) * len(EXPOSURES) + n * edges for n in counts)


def _scales(comparison: Comparison) -> list[int]:
    return list(dict.fromkeys(condition.scale for condition in comparison.conditions))


def as_json(row: PhysicsRow) -> dict[str, Any]:
    """Return a row's kind and its fields."""
    kind = "noise" if isinstance(row, Amplification) else "edge"
    return {"kind": kind, **dataclasses.asdict(row)}


def tables(rows: Sequence[PhysicsRow]) -> dict[str, Table]:
    """Return the tables of noise and of edges that have rows."""
    noise = [_noise_cells(row) for row in rows if isinstance(row, Amplification)]
    edges = [_edge_cells(row) for row in rows if isinstance(row, EdgeResponse)]
    found = {"noise": (NOISE_COLUMNS, noise), "edge": (EDGE_COLUMNS, edges)}
    return {name: table for name, table in found.items() if table[1]}


def _noise_cells(row: Amplification) -> list[str]:
    place = [f"x{row.scale}", f"{row.dose_ugy:g}", f"{row.noise_width_px:g}", row.model]
    powers = [f"{ratio:.2f}" for ratio in row.power]
    spread = f"{row.spread / row.bicubic_spread:.2f}"
    return [*place, *powers, spread, f"{row.unevenness:.2f}"]


def _edge_cells(row: EdgeResponse) -> list[str]:
    place = [f"x{row.scale}", _background(row), f"{row.contrast:g}", row.model]
    return [*place, f"{row.mtf:.3f}", f"{row.overshoot:.1f}"]


def _background(row: EdgeResponse) -> str:
    if row.dose_ugy is None:
        return row.background
    return f"{row.background} {row.dose_ugy:g} uGy {row.noise_width_px:g} px"


def markdown(rows: Sequence[PhysicsRow]) -> str:
    """Return the tables in Markdown, each table with a description."""
    parts = [
        f"{LEGEND[name]}\n\n{markdown_table(columns, lines, len(columns) - 1)}"
        for name, (columns, lines) in tables(rows).items()
    ]
    return "\n\n".join(parts) + "\n"


def write_results(folder: Path, rows: Sequence[PhysicsRow]) -> list[Path]:
    """Write physics.json, physics.md and one CSV file a table; return their paths."""
    results = {"version": VERSION, "rows": [as_json(row) for row in rows]}
    texts = {
        "physics.json": json.dumps(results, indent=1) + "\n",
        "physics.md": markdown(rows),
    }
    for name, (columns, cells) in tables(rows).items():
        named = (dict(zip(columns, row, strict=True)) for row in cells)
        texts[f"physics-{name}.csv"] = csv_text(columns, named)
    return write_texts(folder, texts)
