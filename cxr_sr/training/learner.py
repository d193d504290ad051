"""One training step and one validation step, as a Lightning module."""

from __future__ import annotations

import math
import time
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import AveragedModel

from cxr_sr.errors import TrainingError
from cxr_sr.superres.models.networks import Network
from cxr_sr.training.data.dataset import CropBatch
from cxr_sr.training.data.degrade import Coarse, degrade
from cxr_sr.training.losses import LOSSES
from cxr_sr.training.muon import Muon
from cxr_sr.training.quantise import QuantisedTrunk, gains
from cxr_sr.training.run import Recipe

WARM_UP = 0.1
"""Share of the budget in which the learning rate rises."""
FIRST_RATE, LAST_RATE = 0.1, 0.001
"""Learning rate at the start and the end, as a share of its peak."""
MUON_RATE = 5.0
"""Muon's learning rate for inner layers, as a multiple of Adam's for the others."""
TAUGHT_SHARE = 0.5
"""Weight of the teacher's results in the loss; the truth has the rest."""
CLOSING_SECONDS = 5.0
"""Time to write the weights, their card and pictures."""


class Learner(LightningModule):
    """Trains `network` and keeps a running average of its weights.

    All random choices depend only on the seed and the number of the step, so that a
    resumed run continues exactly.

    Parameters
    ----------
    network : the network to train
    recipe : how to train it
    teacher : a trained network; its results have the weight `TAUGHT_SHARE` in the loss

    References
    ----------
    Q. Gao et al., "Image super-resolution using knowledge distillation", ACCV 2018.
    """

    def __init__(
        self, network: Network, recipe: Recipe, teacher: Network | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        # Not a submodule, so that no checkpoint holds its weights.
        self._teacher = (teacher,) if teacher else ()
        self.average = AveragedModel(network, multi_avg_fn=_averaging(recipe.ema))
        self.average.requires_grad_(requires_grad=False)
        self.latest: dict[str, float] = {}
        """Loss, learning rate and gradient norm of the newest step, for the log."""
        self.started = time.monotonic()
        """When the command began: reading the images is part of its wall time."""
        self._earlier_s = 0.0
        self._validation_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Wall time spent on this training, over all the runs that it resumes."""
        return self._earlier_s + time.monotonic() - self.started

    @property
    def progress(self) -> float:
        """The share of the budget that is used up, 0 to 1."""
        steps, seconds = self.recipe.max_steps, self.recipe.max_seconds
        by_steps = self.global_step / steps if steps else 0.0
        by_time = self.elapsed_s / self._usable_s(seconds) if seconds else 0.0
        return min(1.0, max(by_steps, by_time))

    def _usable_s(self, seconds: float) -> float:
        """Return the budget without what comes after the last step.

        That is another validation, and writing the weights.
        """
        closing = self._validation_s + min(CLOSING_SECONDS, seconds / 20)
        return seconds - min(closing, seconds / 2)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser; its rates are set step by step from `progress`."""
        lr = self.recipe.lr
        if self.recipe.optimiser == "adam":
            parameters = list(self.network.parameters())
            return torch.optim.Adam([{"params": parameters, "lr": lr, "peak": lr}])
        inner = self.network.inner_convolutions()
        known = {id(weight) for weight in inner}
        rest = [p for p in self.network.parameters() if id(p) not in known]
        return Muon(inner, rest, MUON_RATE * lr, lr)

    def on_fit_start(self) -> None:
        """Bring the teacher to the device of the network, too."""
        for teacher in self._teacher:
            teacher.to(self.device)

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:  # noqa: ARG002
        """Set this step's learning rate: by wall time, if that is the budget."""
        share = one_cycle(self.progress)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = share * group["peak"]
        self.latest["lr"] = share * self.recipe.lr

    def training_step(self, batch: CropBatch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the mean loss of a batch.

        Raises
        ------
        TrainingError
            If it is not finite.
        """
        random = torch.Generator().manual_seed(self._step_seed())
        settings = self.recipe.degradation
        coarse = degrade(batch.fine, batch.codes, batch.scale, settings, random)
        half = self.recipe.precision == "bf16"
        gain = gain_for(self.network, batch, coarse)
        with torch.autocast(batch.fine.device.type, torch.bfloat16, enabled=half):
            residual = predict(self.network, coarse.times(gain), batch.scale)
            taught = self._taught(coarse, batch.scale)
        base = enlarge(coarse.image, batch.scale)
        output = base + residual.float() / gain
        loss = LOSSES[self.recipe.loss](output, batch.fine)
        if taught is not None:
            apart = LOSSES[self.recipe.loss](output, base + taught.float())
            loss = torch.lerp(loss, apart, TAUGHT_SHARE)
        self.latest["loss"] = self._finite(float(loss.detach()), "loss")
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:  # noqa: ARG002
        """Clip the gradient.

        Raises
        ------
        TrainingError
            If it is not finite.
        """
        norm = float(clip_grad_norm_(self.network.parameters(), self.recipe.clip))
        self.latest["gradient"] = self._finite(norm, "gradient's norm")

    def on_train_batch_end(
        self,
        outputs: object,  # noqa: ARG002
        batch: object,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Average the weights, log, and stop when the budget is used up."""
        self.log_dict(self.latest)
        self.average.update_parameters(self.network)
        if self.progress >= 1:
            self.trainer.should_stop = True

    def on_validation_start(self) -> None:
        """Note when it starts."""
        self._validating = time.monotonic()

    def on_validation_end(self) -> None:
        """Note how long it took."""
        self._validation_s = time.monotonic() - self._validating

    def validation_step(self, batch: CropBatch, batch_idx: int) -> None:
        """Log PSNR and the gain over bicubic of one region at each scale."""
        scores = {}
        for scale in self.recipe.distinct_scales:
            random = torch.Generator().manual_seed(batch_idx)
            settings = self.recipe.degradation
            coarse = degrade(batch.fine, batch.codes, scale, settings, random)
            found = psnr(restored(self.averaged, batch, coarse), batch.fine)
            scores[f"psnr_x{scale}"] = found
            scores[f"gain_x{scale}"] = found - psnr(
                enlarge(coarse.image, scale), batch.fine
            )
        gains = [value for name, value in scores.items() if name.startswith("gain")]
        scores["gain"] = torch.stack(gains).mean()
        self.log_dict(scores, batch_size=1, sync_dist=True)

    @property
    def averaged(self) -> Network:
        """The network with its averaged weights."""
        return cast("Network", self.average.module)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember the wall time spent so far."""
        checkpoint["elapsed_s"] = self.elapsed_s

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from the wall time of the earlier runs."""
        self._earlier_s = checkpoint["elapsed_s"]

    @torch.no_grad()
    def _taught(self, coarse: Coarse, scale: int) -> Tensor | None:
        for teacher in self._teacher:
            return predict(teacher, coarse, scale)
        return None

    def _step_seed(self) -> int:
        return self.recipe.seed * 1_000_003 + self.global_step

    def _finite(self, value: float, what: str) -> float:
        if math.isfinite(value):
            return value
        raise TrainingError(
            f"the {what} became {value} at step {self.global_step}; the checkpoint "
            "before it is kept: resume with a lower learning rate"
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


def enlarge(coarse: Tensor, scale: int) -> Tensor:
    """Return the bicubic image (a = -0.5), to which the residual is added."""
    size = coarse.shape[-2] * scale, coarse.shape[-1] * scale
    return functional.interpolate(coarse, size=size, mode="bicubic", antialias=True)


def predict(network: Network, coarse: Coarse, scale: int) -> Tensor:
    """Return the residual (N, C, scale H, scale W) of coarse crops (N, C, H, W)."""
    image = coarse.image
    if network.grid == "output":
        image = enlarge(image, scale)
    elif network.noise_planes:
        image = torch.cat([image, coarse.noise], 1)
    residual: Tensor = network(image, scale)
    return residual


def reconstruct(network: Network, coarse: Coarse, scale: int) -> Tensor:
    """Return the super-resolved image (N, C, scale H, scale W) of (N, C, H, W)."""
    return enlarge(coarse.image, scale) + predict(network, coarse, scale)


def gain_for(network: Network, batch: CropBatch, coarse: Coarse) -> Tensor:
    """Return the gain of the network's input: 1 unless the network is quantised."""
    if not isinstance(network, QuantisedTrunk):
        return torch.ones(())
    return gains(batch.codes[:, 3], batch.fine, coarse.image)


def restored(network: Network, batch: CropBatch, coarse: Coarse) -> Tensor:
    """Return the super-resolved image of a coarse batch, as inference computes it."""
    gain = gain_for(network, batch, coarse)
    scale = batch.fine.shape[-1] // coarse.image.shape[-1]
    return reconstruct(network, coarse.times(gain), scale) / gain


def psnr(output: Tensor, target: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB for a peak of one unit."""
    return -10 * functional.mse_loss(output, target).log10()


def _eased(x: float) -> float:
    return 0.5 - 0.5 * math.cos(math.pi * x)


def _averaging(decay: float) -> Any:  # noqa: ANN401 - torch calls it as it likes
    """Return an averaging rule for torch; a ramp makes it forget the random start."""

    @torch.no_grad()
    def average(means: list[Tensor], values: list[Tensor], count: Tensor) -> None:
        reached = min(decay, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(means, values, 1 - reached)

    return average
