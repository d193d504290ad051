"""Write the report of an evaluation, for programs (JSON) and people (Markdown)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from cxr_sr.evaluation.evaluate import BASELINE, Measurement
from cxr_sr.evaluation.paired import Difference, difference_table, differences
from cxr_sr.evaluation.summary import Summary, by_source
from cxr_sr.files import write_texts
from cxr_sr.texts import csv_text, markdown_table

VERSION = 1
"""Version of the layout of results.json."""

MEASURES = (
    "model",
    "PSNR dB",
    "median",
    "anatomy dB",
    "SSIM",
    "MS-SSIM",
    "gain dB",
    "95 % CI",
    "anatomy gain",
    "worse",
    "false",
    "s/MP",
)
REGION_COLUMNS = ("region dB", "region gain", "doubtful")
"""Columns for a region, only if the user asked for a region."""
LEGEND = (
    "PSNR, SSIM and MS-SSIM are means over the images. anatomy: PSNR without the 3 % "
    "of pixels around the strongest edges. Gains compare with `bicubic`, image by "
    "image; `worse` counts the images with a lower PSNR than bicubic's. false: the "
    "detail of a result where its original has none, in thousandths of the stored "
    "range. Confidence intervals are bootstrapped over patients. Noisy rows state the "
    "dose (air kerma where the image is darkest) and the width of the noise's "
    "correlation. region: PSNR of the pixels of the region alone, and its gain over "
    "bicubic; `doubtful` counts the images whose region may be wrong."
)


def write_results(
    folder: Path, summaries: Sequence[Summary], measurements: Sequence[Measurement]
) -> list[Path]:
    """Write results.json, results.md and results.csv; return their paths.

    They replace results of an earlier evaluation.
    """
    pairs = every_pair(measurements)
    sources = by_source(measurements)
    text = markdown(summaries) + sources_table(sources)
    if pairs:
        text += (
            "\n### Model against model, image by image\n\n"
            f"{difference_table(pairs)}\n\nPositive: the first model is better. The "
            "brackets have the 95 % confidence interval over patients; in a tie, it "
            "contains zero.\n"
        )
    results = {
        "version": VERSION,
        "summaries": [summary.as_json() for summary in summaries],
        "sources": [summary.as_json() for summary in sources],
        "differences": [difference.as_json() for difference in pairs],
        "images": [_image(measurement) for measurement in measurements],
    }
    return write_texts(
        folder,
        {
            "results.json": json.dumps(results, indent=1) + "\n",
            "results.md": text,
            "results.csv": as_csv([*summaries, *sources]),
        },
    )


def every_pair(measurements: Sequence[Measurement]) -> list[Difference]:
    """Return the differences of each model to each earlier model, without bicubic."""
    models = dict.fromkeys(m.model for m in measurements if m.model != BASELINE)
    return [
        difference
        for rival, model in combinations(models, 2)
        for difference in differences(measurements, model, rival)
    ]


def _image(measurement: Measurement) -> dict[str, Any]:
    score = measurement.score
    return {
        "file": measurement.case.name,
        "model": measurement.model,
        "scale": measurement.condition.scale,
        "degradation": measurement.condition.degradation,
        **measurement.condition.noise,
        "psnr": score.psnr,
        "ssim": score.ssim,
        "ms_ssim": None if math.isnan(score.ms_ssim) else score.ms_ssim,
        "consistency": score.consistency,
        "anatomy_psnr": score.anatomy_psnr,
        "false_structure": score.false_structure,
        "region_psnr": None if math.isnan(score.region_psnr) else score.region_psnr,
        "region_doubtful": measurement.doubtful,
    }


def markdown(summaries: Sequence[Summary]) -> str:
    """Return a table for each condition, with a description."""
    conditions = dict.fromkeys((s.scale, s.condition) for s in summaries)
    sections = [_section(summaries, *condition) for condition in conditions]
    return "\n\n".join([*sections, LEGEND]) + "\n"


def sources_table(summaries: Sequence[Summary]) -> str:
    """Return a Markdown table of each source's summaries; "" without any."""
    if not summaries:
        return ""
    columns = columns_of(summaries)
    head = ("scale", "degradation", "source", "images", *columns)
    rows = (
        (f"x{s.scale}", s.condition, s.source, str(s.n), *cells(s, columns))
        for s in summaries
    )
    return f"\n### By source\n\n{markdown_table(head, rows, len(columns) - 1)}\n"


def as_csv(summaries: Sequence[Summary]) -> str:
    """Return the summaries as CSV; an interval has two columns, for its two ends."""
    rows: list[dict[str, Any]] = [{} for _ in summaries]
    for row, summary in zip(rows, summaries, strict=True):
        for key, value in summary.as_json().items():
            if key.endswith("_ci"):
                row[f"{key}_low"], row[f"{key}_high"] = value
            else:
                row[key] = value
    return csv_text(list(rows[0]), rows)


def _section(summaries: Sequence[Summary], scale: int, condition: str) -> str:
    here = [s for s in summaries if (s.scale, s.condition) == (scale, condition)]
    images, patients = here[0].n, here[0].patients
    head = f"### x{scale}, {condition}: {images} images of {patients} patients"
    columns = columns_of(summaries)
    rows = (cells(s, columns) for s in here)
    return f"{head}\n\n{markdown_table(columns, rows, len(columns) - 1)}"


def columns_of(summaries: Iterable[Summary]) -> tuple[str, ...]:
    """Return the columns of a table; region columns only if a region was measured."""
    regional = any(
        not math.isnan(summary.region_psnr) or summary.region_doubtful
        for summary in summaries
    )
    return MEASURES + (REGION_COLUMNS if regional else ())


def cells(summary: Summary, columns: Sequence[str] = MEASURES) -> list[str]:
    """Return a summary's cells under `columns`, see `columns_of`."""
    found = [
        summary.model,
        f"{summary.psnr:.2f}",
        f"{summary.psnr_median:.2f}",
        f"{summary.anatomy_psnr:.2f}",
        f"{summary.ssim:.4f}",
        "-" if math.isnan(summary.ms_ssim) else f"{summary.ms_ssim:.5f}",
        f"{summary.psnr_gain:+.2f}",
        _span(summary.psnr_gain_ci, "+.2f"),
        f"{summary.anatomy_gain:+.2f}",
        str(summary.worse_than_bicubic),
        f"{summary.false_structure:.2f}",
        f"{summary.seconds_per_megapixel:.3f}",
        "-" if math.isnan(summary.region_psnr) else f"{summary.region_psnr:.2f}",
        "-" if math.isnan(summary.region_gain) else f"{summary.region_gain:+.2f}",
        str(summary.region_doubtful),
    ]
    return found[: len(columns)]


def _span(interval: tuple[float, float], digits: str) -> str:
    low, high = interval
    return "-" if math.isnan(low) else f"{low:{digits}} to {high:{digits}}"
