"""Define Muon, an optimiser with equal steps in all directions of a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the polynomial that moves singular values towards one (Jordan)."""
ITERATIONS = 5


class Muon(torch.optim.Adam):
    """Muon for the convolutions given to it, Adam for all other parameters.

    A convolution's momentum, as a matrix (out, in x kernel), is replaced by the nearest
    matrix with orthonormal rows. Each parameter group holds its peak rate in `peak`;
    the caller sets the rate `lr` before every step.

    Parameters
    ----------
    convolutions : weights of more than one dimension
    rest : all other parameters
    lr, adam_lr : the peak rates of both

    References
    ----------
    K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024.
    """

    def __init__(
        self,
        convolutions: Iterable[Tensor],
        rest: Iterable[Tensor],
        lr: float,
        adam_lr: float,
    ) -> None:
        groups = [
            {"params": list(convolutions), "lr": lr, "peak": lr, "orthogonal": True},
            {"params": list(rest), "lr": adam_lr, "peak": adam_lr, "orthogonal": False},
        ]
        super().__init__([group for group in groups if group["params"]])

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401 - as torch has it
        """Do one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["orthogonal"]:
                # Layers of one shape are one batch of matrices: a GPU computes them
                # together.
                for _, alike in groupby(sorted(group["params"], key=_shape), _shape):
                    self._follow(list(alike), group["lr"])
        super().step()
        return loss

    def _follow(self, weights: list[Tensor], lr: float) -> None:
        moved = [(w, w.grad) for w in weights if w.grad is not None]
        if not moved:
            return
        ahead = torch.stack([self._momentum(*each) for each in moved])
        steps = orthogonal(ahead.flatten(2)).view_as(ahead)
        for (weight, _), step in zip(moved, steps, strict=True):
            weight.sub_(step, alpha=lr)
            weight.grad = None  # so that Adam skips it

    def _momentum(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """Return Nesterov's momentum of a layer after its newest gradient."""
        state = self.state[weight]
        if not state:
            # Adam refuses to load a state without a number of steps.
            state["step"] = torch.tensor(0.0)
            state["momentum"] = torch.zeros_like(weight)
        state["step"] += 1
        momentum: Tensor = state["momentum"]
        momentum.lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(momentum, MOMENTUM)


def _shape(weight: Tensor) -> torch.Size:
    return weight.shape


def orthogonal(matrices: Tensor) -> Tensor:
    """Return `matrices` (..., M, N) with all singular values near one.

    References
    ----------
    The Newton-Schulz iteration of Muon.
    """
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.mT
    x = torch.div(x, torch.linalg.matrix_norm(x, keepdim=True) + 1e-12)
    a, b, c = NEWTON_SCHULZ
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide else x.mT
