"""Write the curve of a run: metrics.csv and curves.png."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from cxr_sr.files import replacing, save_figure
from cxr_sr.texts import Row, read_rows, write_rows
from cxr_sr.training.course import Course


class Clock:
    """Measures how large a share of the time the steps wait for data."""

    def __init__(self) -> None:
        self._waited = self._worked = 0.0
        self._since = time.monotonic()

    @property
    def share(self) -> float:
        """The share so far, 0 to 1."""
        return self._waited / max(self._waited + self._worked, 1e-9)

    def works(self) -> None:
        """Count the time since the last call as waiting."""
        self._waited += self._lap()

    def waits(self) -> None:
        """Count the time since the last call as work."""
        self._worked += self._lap()

    def _lap(self) -> float:
        began, self._since = self._since, time.monotonic()
        return self._since - began


class History(Callback):
    """Appends a row to metrics.csv, and redraws curves.png, after each validation."""

    def __init__(self, folder: Path) -> None:
        self.table = folder / "metrics.csv"
        self.picture = folder / "curves.png"
        self._clock = Clock()

    def on_train_start(self, trainer: Trainer, learner: LightningModule) -> None:  # noqa: ARG002
        """Delete the rows of steps that a resumed run repeats."""
        if not trainer.is_global_zero:
            return
        kept = [r for r in self.rows() if int(r["step"]) <= trainer.global_step]
        self.table.unlink(missing_ok=True)
        if kept:
            _write(self.table, kept)

    def on_train_epoch_start(self, *_: Any) -> None:  # noqa: ANN401 - Lightning's
        """Begin to measure the time until the next validation."""
        self._clock = Clock()

    def on_train_batch_start(self, *_: Any) -> None:  # noqa: ANN401 - Lightning's
        """Record that a batch has come."""
        self._clock.works()

    def on_train_batch_end(self, *_: Any) -> None:  # noqa: ANN401 - Lightning's
        """Record that the next batch is requested."""
        self._clock.waits()

    def on_validation_end(self, trainer: Trainer, learner: LightningModule) -> None:
        """Write the row."""
        if not isinstance(learner, Course) or not trainer.is_global_zero:
            return
        row: dict[str, Any] = {"step": trainer.global_step}
        row |= {"seconds": round(learner.elapsed_s, 1)}
        row |= {"waiting": round(self._clock.share, 4)}
        row |= {k: round(float(v), 4) for k, v in trainer.callback_metrics.items()}
        row |= {name: float(value) for name, value in learner.latest.items()}
        rows = [*self.rows(), row]
        _write(self.table, rows)
        draw_curves(rows, self.picture, learner.curves)

    def rows(self) -> list[Row]:
        """Return the rows of the table."""
        if not self.table.exists():
            return []
        with self.table.open(newline="", encoding="utf-8") as file:
            return read_rows(file)[1]


def draw_curves(rows: list[Row], picture: Path, curves: tuple[str, str]) -> None:
    """Draw the metrics of the validations, and the loss, against the step.

    Parameters
    ----------
    curves : prefix of the names of the metrics, and the label of their axis
    """
    # Not pyplot: it needs a window system and keeps figures.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    prefix, label = curves
    found, loss = figure.subplots(1, 2)
    steps = [int(row["step"]) for row in rows]
    for name in (n for n in rows[0] if n.startswith(prefix)):
        values = [float(r[name]) for r in rows]
        found.plot(steps, values, label=name.removeprefix(prefix))
    if prefix == "gain_":
        found.axhline(0, color="grey", linewidth=0.8)
    found.set(xlabel="step", ylabel=label, title="validation")
    found.legend()
    loss.semilogy(steps, [float(r["loss"]) for r in rows])
    loss.set(xlabel="step", ylabel="loss of that step", title="training")
    save_figure(picture, figure)


def _write(table: Path, rows: list[Row]) -> None:
    """Replace the table; a killed run leaves either the old or the new table."""
    with (
        replacing(table, overwrite=True) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        # Rows of a run that an older version began have fewer columns.
        columns = dict.fromkeys(name for row in rows for name in row)
        write_rows(file, list(columns), rows)
