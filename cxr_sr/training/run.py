"""Define the settings of a training: the network, the crops, and the budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cxr_sr.errors import SettingsError
from cxr_sr.names import (
    MULTIPLE,
    SCALES,
    LossName,
    Optimiser,
    TrainingDevice,
)
from cxr_sr.superres.models.networks import network_class
from cxr_sr.training.budget import Budget
from cxr_sr.training.data.dataset import Sampling
from cxr_sr.training.data.degrade import Degradation

REGION_PX = 264
"""Side of the region for pictures and for a fast validation, px."""


@dataclass(frozen=True)
class Recipe(Budget):
    """The settings of a training, apart from the network and the data."""

    scales: tuple[int, ...] = SCALES
    """Factors to train. The steps use them in turn, in this order; a factor that is
    named twice is trained twice as often."""
    degradation: Degradation = field(default_factory=Degradation)
    loss: LossName = "mae+ms-ssim"
    optimiser: Optimiser = "adam"
    """With `muon`, Muon trains the inner convolutions of a trunk, with MUON_RATE times
    `lr`, and Adam the rest."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.scales or not set(self.scales) <= set(SCALES):
            raise SettingsError(
                f"the scales {self.scales} cannot be trained; choose among {SCALES}"
            )

    @property
    def distinct_scales(self) -> tuple[int, ...]:
        """Each scale once, the smallest first."""
        return tuple(sorted(set(self.scales)))


@dataclass(frozen=True)
class Run:
    """All settings that decide a training; settings.json of the run holds them."""

    recipe: Recipe
    model: str = "trunk"
    """A key of `networks.NETWORKS`."""
    name: str = ""
    """Name of the weights files; "" stands for the name of the network."""
    network: dict[str, int] = field(default_factory=dict)
    """Settings of the network: width, depth."""
    channels: Literal[1, 3] = 1
    """1 for gray radiographs; 3 for experiments with colour pictures."""
    sampling: Sampling = field(default_factory=Sampling)
    batch: int = 4
    """Number of crops in a step, in each process."""
    epoch_steps: int = 500
    """Steps between validations; a killed run loses at most this number of steps."""
    patience: int | None = None
    """The run ends early after this number of validations without a better gain."""
    validation_images: int = 8
    validation_px: int | None = REGION_PX
    """Side of the most detailed part of an image, for validation; None: the whole
    image."""
    device: TrainingDevice = "auto"
    """Device of the steps. A run may be resumed on another device."""
    devices: int = 1
    """Number of processes that share the work; with cuda, each has its own device."""
    threads: int = 0
    """Threads of torch in each process; 0: the share of the process in the allowed
    processors, or fewer if torch prefers fewer."""
    quantise: bool = False
    """Train a trunk for int8, and also write int8 weights."""
    init: Path | None = None
    """Weights to start from; layers that do not fit start at random."""
    synthetic: int = 0
    """Number of synthetic images to add; see `training.data.synthetic`."""
    teacher: str | None = None
    """Name or weights file of a model; its results are half of the target."""
    again: bool = False
    """Also train on results of this package."""

    def __post_init__(self) -> None:
        self.sampling.sides(network_class(self.model).grid, self.recipe.scales)
        if self.sampling.crop_px is None and self.batch > 1:
            raise SettingsError(
                f"a step cannot take {self.batch} whole images, because their sizes "
                "differ; use --batch 1 (one image a step), or a --crop"
            )
        if self.channels == 3 and self.synthetic:
            raise SettingsError(
                "synthetic images are gray and do not mix with a run of 3 channels; "
                "leave one of the two out"
            )
        if self.quantise and self.recipe.precision != "fp32":
            raise SettingsError(
                f"--quantise with --precision {self.recipe.precision} would round "
                "twice; leave the precision at fp32"
            )

    @property
    def sides(self) -> dict[int, int | None]:
        """For each scale the side of a crop on the fine grid; None: the whole image."""
        grid = network_class(self.model).grid
        return self.sampling.sides(grid, self.recipe.scales)

    @property
    def least_px(self) -> int:
        """Least length of the shorter side of a training image, in px."""
        return max(side or MULTIPLE for side in self.sides.values())
