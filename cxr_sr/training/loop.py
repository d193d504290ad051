"""Run the training loop of Lightning with the files of a run folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lightning import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console

from cxr_sr.errors import TrainingError
from cxr_sr.training.course import Course
from cxr_sr.training.run_folder.bar import Bar
from cxr_sr.training.run_folder.checkpoints import WholeCheckpoints, leading
from cxr_sr.training.run_folder.history import History


@dataclass(frozen=True)
class LoopSettings:
    """The device of a training, and the times of its validations."""

    accelerator: str
    """cpu or cuda."""
    devices: int
    """Number of processes that share the work."""
    epoch_steps: int
    """Steps between validations."""
    patience: int | None = None
    """Number of validations without improvement after which it ends; None: no limit."""


def trainer_of(
    folder: Path, learner: Course, settings: LoopSettings, *, quiet: bool
) -> Trainer:
    """Return a trainer that keeps checkpoints, curves and logs in a run folder."""
    # Lightning's save_last writes last.ckpt only after an improvement.
    checkpoint = partial(
        ModelCheckpoint,
        folder / "checkpoints",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    best = checkpoint(filename="best", monitor=learner.monitor, mode="max")
    last = checkpoint(filename="last")
    callbacks: list[Callback] = [History(folder), best, last]
    if settings.patience:
        early = EarlyStopping(learner.monitor, patience=settings.patience, mode="max")
        callbacks.append(early)
    console = Console(stderr=True)
    if console.is_terminal and leading() and not quiet:
        callbacks.append(Bar(console))
    return Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        # Each step trains one scale; the tails of other scales get no gradient.
        strategy="auto" if settings.devices == 1 else "ddp_find_unused_parameters_true",
        max_epochs=-1,
        logger=TensorBoardLogger(folder, name="tensorboard", version=""),
        callbacks=callbacks,
        plugins=[WholeCheckpoints()],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=min(50, settings.epoch_steps),
        use_distributed_sampler=False,
        # cuDNN then tries its algorithms once for each shape of a crop.
        benchmark=settings.accelerator == "cuda",
    )


def train(
    trainer: Trainer,
    learner: Course,
    batches: Iterable[Any],
    validation: Iterable[Any],
    checkpoint: Path | None,
) -> None:
    """Train until the budget is used up.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C; the last checkpoint is kept.
    TrainingError
        If one of several processes died.
    """
    try:
        trainer.fit(
            learner, batches, validation, ckpt_path=checkpoint, weights_only=True
        )
    except SystemExit as error:
        # Lightning raises this on Ctrl-C; the command line handles KeyboardInterrupt.
        raise KeyboardInterrupt from error
    except RuntimeError as error:
        # If a process dies, the others only see a broken connection.
        if trainer.num_devices == 1 or "gloo" not in str(error):
            raise
        raise TrainingError(
            f"one of the {trainer.num_devices} processes of this training has died "
            "(it was killed, or memory ran out); its last checkpoint is kept: give "
            "--resume"
        ) from error
