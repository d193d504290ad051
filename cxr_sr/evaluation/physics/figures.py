"""Draw noise amplification and edge responses; needs matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_sr.evaluation.figures import drawn, panels
from cxr_sr.evaluation.physics.edge import EdgeResponse
from cxr_sr.evaluation.physics.flat import BAND_NAMES, Amplification
from cxr_sr.evaluation.physics.report import PhysicsRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_figures(folder: Path, rows: Sequence[PhysicsRow]) -> list[Path]:
    """Draw noise.png and edges.png into `folder`; return their paths."""
    return drawn(folder, _figures(rows))


def _figures(rows: Sequence[PhysicsRow]) -> Iterator[tuple[str, Figure]]:
    yield "noise", noise_figure([r for r in rows if isinstance(r, Amplification)])
    yield "edges", edge_figure([r for r in rows if isinstance(r, EdgeResponse)])


def noise_figure(rows: Sequence[Amplification]) -> Figure:
    """Draw the largest amplification in any band against the width, one panel a scale.

    The dose with the largest amplification counts.
    """
    scales = list(dict.fromkeys(row.scale for row in rows))
    figure, axes_of = panels(len(scales))
    for scale, axes in zip(scales, axes_of, strict=True):
        curves: dict[str, dict[float, float]] = {}
        for row in (row for row in rows if row.scale == scale):
            curve = curves.setdefault(row.model, {})
            worst = max(curve.get(row.noise_width_px, 0.0), *row.power)
            curve[row.noise_width_px] = worst
        for model, curve in curves.items():
            axes.plot(list(curve), list(curve.values()), marker="o", label=model)
        axes.axhline(1, color="gray", linewidth=0.5)
        axes.set(title=f"x{scale}", xlabel="width of the noise, pixels of the input")
        axes.set_ylabel(f"power over bicubic's, worst of {len(BAND_NAMES)} bands")
        axes.legend()
    return figure


def edge_figure(rows: Sequence[EdgeResponse]) -> Figure:
    """Draw MTF against overshoot: a panel a scale, a marker a background and step."""
    scales = list(dict.fromkeys(row.scale for row in rows))
    figure, axes_of = panels(len(scales))
    backgrounds = list(dict.fromkeys(row.background for row in rows))
    for scale, axes in zip(scales, axes_of, strict=True):
        models = list(dict.fromkeys(row.model for row in rows if row.scale == scale))
        for row in (row for row in rows if row.scale == scale):
            axes.plot(
                row.overshoot,
                row.mtf,
                color=f"C{models.index(row.model)}",
                marker="osD^"[backgrounds.index(row.background)],
                markersize=4 + 8 * row.contrast,
                linestyle="",
                label=f"{row.model}, {row.background}",
            )
        axes.set(title=f"x{scale}", xlabel="overshoot, % of the step")
        axes.set_ylabel("MTF at the input's Nyquist frequency")
        handles, labels = axes.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        axes.legend(unique.values(), unique.keys(), fontsize=7)
    return figure
