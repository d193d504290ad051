"""Measure time and memory of super-resolution and segmentation with one or two trunks.

Three arms compute the residual of super-resolution by 2 and the logits of a mask, on
one thread of torch in fp32:

- shared: one trunk at full size; the tail and the head use its features;
- two networks: two trunks at full size, one after the other;
- reduced: as in `upscale --head`, the head has its own trunk on an image of 192 px.

The weights of the head are random, because time and memory do not depend on them. The
quality of the masks is not measured. Time is processor time, because other work on the
machine changes it only a little. Memory is the peak of a new process, minus its memory
before the computation (Linux only).
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from claims_arms import Budget
from numpy.typing import NDArray
from torch import Tensor

import cxr_sr
from cxr_sr.errors import SettingsError
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.models.networks import Trunk, load_network
from cxr_sr.superres.models.zoo import load_model
from cxr_sr.tasks.labels import Labelled, Labels
from cxr_sr.tasks.measures import interval
from cxr_sr.tasks.preview import preview_of
from cxr_sr.tasks.training.network import MULTIPLE, TaskNetwork, features_of
from cxr_sr.tasks.training.run import USUAL_SIZE_PX

SCALE = 2
REPEATS = 2
"""Passes of each arm on each image; the fastest counts."""
KIB_IN_MIB = 1024


@dataclass(frozen=True)
class Networks:
    """The networks that the arms run."""

    fine: Trunk
    head: TaskNetwork

    @classmethod
    def of(cls, model: str) -> Networks:
        """Return a trunk's network, and a head on a copy of it.

        Raises
        ------
        SettingsError
            If the model has no trunk of gray images.
        """
        network = load_network(load_model(model))
        if not isinstance(network, Trunk):
            raise SettingsError(f"--model {model} has no trunk; give fast or fine")
        torch.manual_seed(0)
        return cls(network, TaskNetwork(features_of(network), 1).eval())

    def shared(self, full: Tensor, _small: Tensor) -> tuple[Tensor, Tensor]:
        """Use the features of one pass for both."""
        features = self.fine.features(self._told(full))
        residual = self.fine.tails[f"x{SCALE}"](features)
        return residual, self.head.above(features, full)

    def two(self, full: Tensor, _small: Tensor) -> tuple[Tensor, Tensor]:
        """Run both networks at full size."""
        return self.fine(self._told(full), SCALE), self.head(full)

    def reduced(self, full: Tensor, small: Tensor) -> tuple[Tensor, Tensor]:
        """Run the head on the reduced image."""
        return self.fine(self._told(full), SCALE), self.head(small)

    def _told(self, image: Tensor) -> Tensor:
        """Return an image with the planes of its noise, which are zero here."""
        rows, columns = image.shape[-2:]
        planes = torch.zeros(1, self.fine.noise_planes, rows, columns)
        return torch.cat([image, planes], dim=1)

    @property
    def weights(self) -> dict[str, int]:
        """Number of weights of each arm."""
        fine, head = (
            sum(p.numel() for p in net.parameters()) for net in (self.fine, self.head)
        )
        trunk = sum(p.numel() for p in self.head.trunk.parameters())
        return {
            "shared": fine + head - trunk,
            "two networks": fine + head,
            "reduced": fine + head,
        }

    def arms(self) -> dict[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]]:
        """Return the function of each arm."""
        return {
            "shared": self.shared,
            "two networks": self.two,
            "reduced": self.reduced,
        }


def costs_of(labels: Labels, budget: Budget) -> tuple[str, dict[str, object]]:
    """Return the costs of the arms, in words and in numbers.

    Raises
    ------
    SettingsError
        If the model has no trunk that both could share.
    """
    model = "fast" if budget.model == "hydra" else budget.model
    rows = labels.rows[: budget.limit]
    networks = Networks.of(model)
    seconds = {row.name: _seconds(networks, row) for row in rows}
    arms = list(networks.arms())
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        asked = [(model, arm, rows[0]) for arm in arms]
        memory = dict(zip(arms, pool.starmap(peak_mib, asked, 1), strict=True))
    numbers: dict[str, Any] = {
        "model": model,
        "seconds": seconds,
        "peak_mib": memory,
        "weights": networks.weights,
    }
    return _told(model, rows, numbers, networks.weights), numbers


def _told(
    model: str, rows: list[Labelled], numbers: dict[str, Any], weights: dict[str, int]
) -> str:
    seconds: dict[str, dict[str, float]] = numbers["seconds"]
    memory: dict[str, float] = numbers["peak_mib"]
    mean = {a: np.mean([s[a] for s in seconds.values()]) for a in memory}
    title = f"### {model}, x{SCALE}: {len(rows)} images, one thread, the fastest of "
    lines = [
        f"{title}{REPEATS} passes",
        "",
        "| arm | processor seconds | peak memory MiB | weights |",
        "|---|--:|--:|--:|",
        *(
            f"| {a} | {mean[a]:.2f} | {memory[a]:.0f} | {weights[a]:,} |"
            for a in memory
        ),
        "",
    ]
    for rival in ("two networks", "reduced"):
        shares = np.array([s["shared"] / s[rival] for s in seconds.values()])
        low, high = interval([row.patient for row in rows], _mean_of(shares))
        verdict = "less" if high < 1 else "more" if low > 1 else "a tie"
        lines.append(
            f"- Shared by {rival}: time {shares.mean():.3f} ({low:.3f} to {high:.3f} "
            f"over patients), {verdict}; memory {memory['shared'] / memory[rival]:.2f}."
        )
    return "\n".join(lines)


def _mean_of(values: NDArray[np.float64]) -> Callable[[NDArray[np.intp]], float]:
    return lambda chosen: float(values[chosen].mean())


def _images(row: Labelled) -> tuple[Tensor, Tensor]:
    """Return an image at full size, its sides cut to a multiple, and reduced."""
    radiograph = cxr_sr.read(row.path)
    unit = Scaling.of(radiograph).normalise(radiograph.pixels).astype(np.float32)
    rows, columns = (n // MULTIPLE * MULTIPLE for n in unit.shape)
    small = preview_of(radiograph, USUAL_SIZE_PX).image
    full = np.ascontiguousarray(unit[:rows, :columns])
    return torch.from_numpy(full)[None, None], torch.from_numpy(small)[None, None]


@torch.inference_mode()
def _seconds(networks: Networks, row: Labelled) -> dict[str, float]:
    """Return the processor time of each arm on an image."""
    torch.set_num_threads(1)
    images = _images(row)
    found: dict[str, list[float]] = {}
    for _ in range(REPEATS):
        for arm, compute in networks.arms().items():
            begun = time.process_time()
            compute(*images)
            found.setdefault(arm, []).append(time.process_time() - begun)
    return {arm: min(times) for arm, times in found.items()}


@torch.inference_mode()
def peak_mib(model: str, arm: str, row: Labelled) -> float:
    """Return the memory in MiB that an arm needs for an image; run it in a new process.

    It first resets the peak that the kernel records. So the start of the process and
    the reading of the image do not count (Linux, proc(5): clear_refs).
    """
    torch.set_num_threads(1)
    compute = Networks.of(model).arms()[arm]
    images = _images(row)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _status_mib("VmRSS")
    compute(*images)
    return _status_mib("VmHWM") - before


def _status_mib(key: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith(f"{key}:"))
    return int(kib) / KIB_IN_MIB
