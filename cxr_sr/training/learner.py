"""Define the training step and the validation step, as a Lightning module."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from cxr_sr.superres.models.networks import Network
from cxr_sr.training.course import Course
from cxr_sr.training.data.batches import CropBatch
from cxr_sr.training.data.degrade import Coarse, degrade
from cxr_sr.training.losses import LOSSES
from cxr_sr.training.muon import Muon
from cxr_sr.training.quantise import QuantisedTrunk, gains
from cxr_sr.training.run import Recipe

MUON_RATE = 5.0
"""Muon's learning rate for inner layers, as a multiple of Adam's for the others."""
TAUGHT_SHARE = 0.5
"""Weight of the teacher's results in the loss; the truth has the rest."""


class Learner(Course):
    """Trains a network for super-resolution.

    Parameters
    ----------
    network : the network to train
    recipe : the settings of the training
    teacher : a trained network; its results have the weight `TAUGHT_SHARE` in the loss

    References
    ----------
    Q. Gao et al., "Image super-resolution using knowledge distillation", ACCV 2018.
    """

    def __init__(
        self, network: Network, recipe: Recipe, teacher: Network | None = None
    ) -> None:
        super().__init__(network, recipe)
        self.network: Network = network
        self.recipe: Recipe = recipe
        # Not a submodule, so that no checkpoint holds its weights.
        self._teacher = (teacher,) if teacher else ()

    @property
    def averaged(self) -> Network:
        """The network with its averaged weights."""
        return cast("Network", self.average.module)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser; each step sets its learning rates from `progress`."""
        lr = self.recipe.lr
        if self.recipe.optimiser == "adam":
            parameters = list(self.network.parameters())
            return torch.optim.Adam([{"params": parameters, "lr": lr, "peak": lr}])
        inner = self.network.inner_convolutions()
        known = {id(weight) for weight in inner}
        rest = [p for p in self.network.parameters() if id(p) not in known]
        return Muon(inner, rest, MUON_RATE * lr, lr)

    def on_fit_start(self) -> None:
        """Move the teacher to the device of the network."""
        for teacher in self._teacher:
            teacher.to(self.device)

    def training_step(self, batch: CropBatch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the mean loss of a batch.

        Raises
        ------
        TrainingError
            If the loss is not finite.
        """
        seed = self.budget.seed * 1_000_003 + self.global_step
        random = torch.Generator().manual_seed(seed)
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
        self.note("loss", loss)
        return loss

    def validation_step(self, batch: CropBatch, batch_idx: int) -> None:
        """Log PSNR and gain over bicubic of one region, at each scale."""
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

    @torch.no_grad()
    def _taught(self, coarse: Coarse, scale: int) -> Tensor | None:
        for teacher in self._teacher:
            return predict(teacher, coarse, scale)
        return None


def enlarge(coarse: Tensor, scale: int) -> Tensor:
    """Return the bicubic image (a = -0.5), the base for the residual."""
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
    """Return the super-resolved image of a coarse batch, as in inference."""
    gain = gain_for(network, batch, coarse)
    scale = batch.fine.shape[-1] // coarse.image.shape[-1]
    return reconstruct(network, coarse.times(gain), scale) / gain


def psnr(output: Tensor, target: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB for a peak of one unit."""
    return -10 * functional.mse_loss(output, target).log10()
