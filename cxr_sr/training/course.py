"""Define the common part of all trainings: budget, learning rates, averages, clock."""

from __future__ import annotations

import math
import time
from typing import Any, ClassVar

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import AveragedModel

from cxr_sr.errors import TrainingError
from cxr_sr.training.budget import Budget

WARM_UP = 0.1
"""Share of the budget in which the learning rate rises."""
FIRST_RATE, LAST_RATE = 0.1, 0.001
"""Learning rate at the start and the end, as a share of its peak."""
LOOK_STEPS = 50
"""Steps after which loss and gradient are looked at on a GPU. Each look waits for all
work that the GPU was given."""
CLOSING_SECONDS = 5.0
"""Time to write the weights, their card and pictures, in seconds."""


class Course(LightningModule):
    """Trains `network` within a budget, and keeps a running average of its weights.

    All random choices depend only on the seed and the number of the step, so a resumed
    run continues exactly. A subclass defines the steps and the optimiser; each group of
    parameters has its peak learning rate in `peak`.
    """

    monitor: ClassVar[str] = "gain"
    """Name of the metric; the weights with its largest value are kept."""
    curves: ClassVar[tuple[str, str]] = ("gain_", "PSNR over bicubic, dB")
    """Prefix of the metrics in curves.png, and the label of their axis."""

    def __init__(self, network: nn.Module, budget: Budget) -> None:
        super().__init__()
        self.network = network
        self.budget = budget
        self.average = AveragedModel(network, multi_avg_fn=_averaging(budget.ema))
        self.average.requires_grad_(requires_grad=False)
        self.latest: dict[str, float | Tensor] = {}
        """Loss, learning rate and gradient norm of the newest step, for the log."""
        self.started = time.monotonic()
        """Start of the command: reading the images is part of the wall time."""
        self._earlier_s = 0.0
        self._validation_s = 0.0

    def told(self, best: float) -> str:
        """Return the last validation in words, for the progress bar."""
        return f"{best:+.2f} dB over bicubic"

    @property
    def elapsed_s(self) -> float:
        """Wall time spent on this training, over all the runs that it resumes."""
        return self._earlier_s + time.monotonic() - self.started

    @property
    def progress(self) -> float:
        """The share of the budget that is used up, 0 to 1."""
        steps, seconds = self.budget.max_steps, self.budget.max_seconds
        by_steps = self.global_step / steps if steps else 0.0
        by_time = self.elapsed_s / self._usable_s(seconds) if seconds else 0.0
        return min(1.0, max(by_steps, by_time))

    def _usable_s(self, seconds: float) -> float:
        """Return the seconds for steps; the rest is for a validation and writing."""
        closing = self._validation_s + min(CLOSING_SECONDS, seconds / 20)
        return seconds - min(closing, seconds / 2)

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:  # noqa: ARG002
        """Set the learning rate of this step, from the used share of the budget."""
        share = one_cycle(self.progress)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = share * group["peak"]
        self.latest["lr"] = share * self.budget.lr

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:  # noqa: ARG002
        """Clip the gradient.

        Raises
        ------
        TrainingError
            If the gradient is not finite.
        """
        norm = clip_grad_norm_(self.network.parameters(), self.budget.clip)
        self.note("gradient", norm)

    def on_train_batch_end(
        self,
        outputs: object,  # noqa: ARG002
        batch: object,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Average the weights, log the step, and stop at the end of the budget."""
        self.log_dict(self.latest)
        self.average.update_parameters(self.network)
        if self.progress >= 1:
            self.trainer.should_stop = True

    def note(self, name: str, value: Tensor) -> None:
        """Keep a value of this step for the log; on a GPU, do not wait for it.

        Raises
        ------
        TrainingError
            If the value is not finite; on a GPU, some of the next steps raise this.
        """
        self.latest[name] = value.detach()
        if value.device.type == "cpu" or self.global_step % LOOK_STEPS == 0:
            self._check_finite()

    def on_validation_start(self) -> None:
        """Look at the last step before its checkpoint; record the validation's start.

        Raises
        ------
        TrainingError
            If the loss or the gradient is not finite.
        """
        self._check_finite()
        self._validating = time.monotonic()

    def on_validation_end(self) -> None:
        """Record the duration of the validation."""
        self._validation_s = time.monotonic() - self._validating

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember the wall time spent so far."""
        checkpoint["elapsed_s"] = self.elapsed_s

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continue with the wall time of the earlier runs."""
        self._earlier_s = checkpoint["elapsed_s"]

    def _check_finite(self) -> None:
        for name, value in self.latest.items():
            if not math.isfinite(value):
                raise TrainingError(
                    f"the {name} became {float(value)} at step {self.global_step}; the "
                    "checkpoint before it is kept: resume with a lower learning rate"
                )


def one_cycle(progress: float) -> float:
    """Return the share of the peak learning rate at `progress` (0 to 1).

    References
    ----------
    L. N. Smith, N. Topin, "Super-convergence", arXiv 1708.07120 (2017).
    """
    if progress < WARM_UP:
        return FIRST_RATE + (1 - FIRST_RATE) * _eased(progress / WARM_UP)
    return 1 - (1 - LAST_RATE) * _eased((progress - WARM_UP) / (1 - WARM_UP))


def _eased(x: float) -> float:
    return 0.5 - 0.5 * math.cos(math.pi * x)


def _averaging(decay: float) -> Any:  # noqa: ANN401 - torch chooses the arguments
    """Return an averaging rule for torch; its decay is smaller in the first steps."""

    @torch.no_grad()
    def average(means: list[Tensor], values: list[Tensor], count: Tensor) -> None:
        reached = min(decay, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(means, values, 1 - reached)

    return average
