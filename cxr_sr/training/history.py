"""The curve of a run: a table that grows, and a picture of it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from cxr_sr.training.learner import Learner

Row = dict[str, str]


class History(Callback):
    """Appends a row to metrics.csv, and redraws curves.png, after each validation."""

    def __init__(self, folder: Path) -> None:
        self.table = folder / "metrics.csv"
        self.picture = folder / "curves.png"

    def on_train_start(self, trainer: Trainer, learner: LightningModule) -> None:  # noqa: ARG002
        """Drop the rows of steps that a resumed run repeats."""
        if not trainer.is_global_zero:
            return
        kept = [r for r in self.rows() if int(r["step"]) <= trainer.global_step]
        self.table.unlink(missing_ok=True)
        if kept:
            _write(self.table, kept)

    def on_validation_end(self, trainer: Trainer, learner: LightningModule) -> None:
        """Write the row."""
        if not isinstance(learner, Learner) or not trainer.is_global_zero:
            return
        row: dict[str, Any] = {"step": trainer.global_step}
        row |= {"seconds": round(learner.elapsed_s, 1)}
        row |= {k: round(float(v), 4) for k, v in trainer.callback_metrics.items()}
        row |= learner.latest
        rows = [*self.rows(), row]
        _write(self.table, rows)
        draw(rows, self.picture)

    def rows(self) -> list[Row]:
        """Return the table as it stands."""
        if not self.table.exists():
            return []
        with self.table.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def draw(rows: list[Row], picture: Path) -> None:
    """Draw the gain over bicubic at each scale, and the loss, against the step."""
    # Not pyplot: no window system is asked for, no figure is left behind.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    gains, loss = figure.subplots(1, 2)
    steps = [int(row["step"]) for row in rows]
    for name in (n for n in rows[0] if n.startswith("gain_")):
        gains.plot(steps, [float(r[name]) for r in rows], label=name[5:])
    gains.axhline(0, color="grey", linewidth=0.8)
    gains.set(xlabel="step", ylabel="PSNR over bicubic, dB", title="validation")
    gains.legend()
    loss.semilogy(steps, [float(r["loss"]) for r in rows])
    loss.set(xlabel="step", ylabel="loss of that step", title="training")
    figure.savefig(picture, dpi=100)


def _write(table: Path, rows: list[Row]) -> None:
    """Replace the table whole, so that a kill leaves the old one or the new one."""
    partial = table.with_suffix(".part")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(table)
