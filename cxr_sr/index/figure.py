"""Draw the counts of an index; needs matplotlib (the extra `figures`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cxr_sr.files import save_figure
from cxr_sr.index.summary import Counts, IndexSummary, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4
SHOWN = 10
"""Largest number of bars for one attribute; the last bar adds up the rest."""
LABEL_CHARACTERS = 24
COLOURS = {"train": "tab:blue", "val": "tab:orange", "test": "tab:green"}


def write_figure(summary: IndexSummary, path: Path) -> None:
    """Write a PNG with the counts as bars: one panel an attribute, one colour a split.

    Raises
    ------
    OutputError
        If the picture cannot be written.
    """
    save_figure(path, figure(summary), dpi=120)


def figure(summary: IndexSummary) -> Figure:
    """Return a figure with the counts as bars."""
    from matplotlib.figure import Figure

    lines = -(-len(summary.counts) // _COLUMNS)
    drawn = Figure(figsize=(4.5 * _COLUMNS, 3.2 * lines), layout="constrained")
    panels = drawn.subplots(lines, _COLUMNS, squeeze=False).flat
    for (name, counts), axes in zip(summary.counts.items(), panels, strict=False):
        _bars(axes, shortened(counts, SHOWN), list(summary.splits))
        axes.set_title(name)
    for unused in panels:
        unused.remove()
    sides = ", ".join(
        f"{side} {n['images']} / {n['patients']}" for side, n in summary.splits.items()
    )
    drawn.suptitle(
        f"{summary.images} images / {summary.patients} patients ({sides}); "
        f"{sum(summary.left_out.values())} files left out"
    )
    handles, labels = drawn.axes[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return drawn


def _bars(axes: Axes, counts: Counts, sides: list[str]) -> None:
    places = np.arange(len(counts))
    start = np.zeros(len(counts))
    for side in sides:
        lengths = np.array([count[side] for count in counts.values()])
        axes.barh(places, lengths, left=start, color=COLOURS[side], label=side)
        start += lengths
    axes.set_yticks(places, [_label(name) for name in counts])
    axes.invert_yaxis()  # the first on top
    axes.set_xlabel("images")


def _label(name: str) -> str:
    """Return a name without characters that the font lacks or matplotlib interprets."""
    plain = name[:LABEL_CHARACTERS].encode("ascii", "replace").decode()
    return plain.replace("$", r"\$")
