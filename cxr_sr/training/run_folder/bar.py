"""Show the progress of a run on a terminal."""

from __future__ import annotations

from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cxr_sr.training.course import Course


class Bar(Callback):
    """Shows the share of the budget (steps or wall time) that is used up."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=console,
        )
        self._task = self._bar.add_task("starting", total=1.0)
        self._gain = ""

    def on_train_start(self, trainer: Trainer, learner: LightningModule) -> None:  # noqa: ARG002
        """Show the bar."""
        self._bar.start()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        learner: LightningModule,
        *_: Any,  # noqa: ANN401 - Lightning's
    ) -> None:
        """Update the bar."""
        if not isinstance(learner, Course):
            return
        loss = f"step {trainer.global_step}, loss {learner.latest['loss']:.4f}"
        self._bar.update(
            self._task, completed=learner.progress, description=loss + self._gain
        )

    def on_validation_end(self, trainer: Trainer, learner: LightningModule) -> None:
        """Show the newest validation."""
        if isinstance(learner, Course):
            best = float(trainer.callback_metrics[learner.monitor])
            self._gain = f", {learner.told(best)}"

    def on_train_end(self, trainer: Trainer, learner: LightningModule) -> None:  # noqa: ARG002
        """Stop the bar; it stays on the screen."""
        self._bar.stop()

    def on_exception(
        self,
        trainer: Trainer,  # noqa: ARG002
        learner: LightningModule,  # noqa: ARG002
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Stop the bar after an error."""
        self._bar.stop()
