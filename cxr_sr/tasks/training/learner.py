"""One training step and one validation step of a head, as a Lightning module."""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cxr_sr.tasks.infer import masks_of, pooled
from cxr_sr.tasks.measures import auc, dice
from cxr_sr.tasks.training.data import Example, SampleBatch
from cxr_sr.tasks.training.network import TaskNetwork
from cxr_sr.tasks.training.run import TaskRun
from cxr_sr.training.course import Course

TRUNK_RATE = 0.1
"""Learning rate of a tuned trunk, relative to the learning rate of the head."""
WEIGHT_DECAY = 0.01


class HeadLearner(Course):
    """Trains a head, and its trunk unless the trunk is fixed.

    Parameters
    ----------
    network : head and trunk
    run : settings of the training
    """

    monitor: ClassVar[str] = "score"
    curves: ClassVar[tuple[str, str]] = ("score_", "Dice or AUC")

    def __init__(self, network: TaskNetwork, run: TaskRun) -> None:
        network.trunk.requires_grad_(requires_grad=run.trunk_weights != "shipped")
        super().__init__(network, run)
        self.run = run
        self._seen: list[tuple[Example, np.ndarray]] = []

    def told(self, best: float) -> str:
        """Return the last validation in words, for the progress bar."""
        name = "Dice" if self.run.kind == "segmentation" else "AUC"
        return f"{name} {best:.4f}"

    @property
    def averaged(self) -> TaskNetwork:
        """The network with its averaged weights."""
        return cast("TaskNetwork", self.average.module)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser; its rates are set step by step from `progress`."""
        network = cast("TaskNetwork", self.network)
        trunk = {id(p) for p in network.trunk.parameters()}
        head = [p for p in network.parameters() if id(p) not in trunk]
        groups = [{"params": head, "lr": self.run.lr, "peak": self.run.lr}]
        if self.run.trunk_weights != "shipped":
            tuned = self.run.trunk_weights == "tuned"
            rate = self.run.lr * (TRUNK_RATE if tuned else 1)
            under = list(network.trunk.parameters())
            groups.append({"params": under, "lr": rate, "peak": rate})
        return torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)

    def training_step(self, batch: SampleBatch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the mean loss of a batch.

        Raises
        ------
        TrainingError
            If the loss is not finite.
        """
        half = self.run.precision == "bf16"
        with torch.autocast(batch.images.device.type, torch.bfloat16, enabled=half):
            logits = self.network(batch.images)
        loss = loss_of(logits.float(), batch.truth)
        self.note("loss", loss)
        return loss

    def transfer_batch_to_device(
        self,
        batch: SampleBatch | Example,
        device: torch.device,
        dataloader_idx: int,  # noqa: ARG002
    ) -> SampleBatch | Example:
        """Move a training batch to the device, but no validation example."""
        if isinstance(batch, Example):
            return batch
        return SampleBatch(batch.images.to(device), batch.truth.to(device))

    def on_validation_epoch_start(self) -> None:
        """Delete the results of the last validation."""
        self._seen = []

    def validation_step(self, batch: Example, batch_idx: int) -> None:  # noqa: ARG002
        """Keep the logits of one whole image."""
        image = torch.from_numpy(batch.preview.planes)[None].to(self.device)
        logits = self.averaged(image)[0].float().cpu().numpy()
        self._seen.append((batch, logits))

    def on_validation_epoch_end(self) -> None:
        """Log the mean Dice, or the AUC, of each class."""
        scores = self._dices() if self.run.kind == "segmentation" else self._aucs()
        known = {f"score_{k}": v for k, v in scores.items() if np.isfinite(v)}
        score = float(np.mean(list(known.values()))) if known else 0.0
        self.log_dict({**known, "score": score})

    def _dices(self) -> dict[str, float]:
        found = [
            [
                dice(mask, truth)
                for mask, truth in zip(
                    masks_of(e.preview, logits, self.run.parts), e.masks, strict=True
                )
            ]
            for e, logits in self._seen
        ]
        return dict(zip(self.run.classes, np.nanmean(found, 0).tolist(), strict=True))

    def _aucs(self) -> dict[str, float]:
        scores = np.array([pooled(e.preview, logits) for e, logits in self._seen])
        truth = np.array([e.row.findings for e, _ in self._seen]) > 0
        return {
            name: auc(truth[:, k], scores[:, k])
            for k, name in enumerate(self.run.classes)
        }


def loss_of(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the cross entropy; for masks, plus the Dice loss.

    No class is weighted, so the probabilities stay calibrated.

    Parameters
    ----------
    logits : (N, classes, H, W)
    truth : masks (N, classes, H, W); or findings (N, classes), which are compared
        with the mean logits

    References
    ----------
    F. Milletari, N. Navab, S. Ahmadi, "V-Net", 3DV 2016: the Dice loss.
    """
    if truth.ndim == 2:
        mean = logits.mean((2, 3))
        return functional.binary_cross_entropy_with_logits(mean, truth)
    cross = functional.binary_cross_entropy_with_logits(logits, truth)
    chances = torch.sigmoid(logits)
    both = (chances * truth).sum((2, 3))
    overlap = (2 * both + 1) / (chances.sum((2, 3)) + truth.sum((2, 3)) + 1)
    return cross + 1 - overlap.mean()
