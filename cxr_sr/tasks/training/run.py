"""Define the settings of a head's training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxr_sr.errors import SettingsError
from cxr_sr.names import TaskKind, TrainingDevice, TrainingPrecision, TrunkWeights

if TYPE_CHECKING:
    from cxr_sr.training.course import Budget

GRID = 32
"""The side of a head's preview is a multiple of this number of px."""
USUAL_SIZE_PX = 192
USUAL_STEPS = 1500


@dataclass(frozen=True)
class TaskRun:
    """All settings that decide the training of a head; written to settings.json."""

    kind: TaskKind
    classes: tuple[str, ...] = ()
    """Names of the classes, from the labels."""
    name: str = ""
    """Name of the weights files; "" stands for the name of the kind."""
    trunk: str = "fine"
    """Name or file of a model that has a trunk."""
    trunk_weights: TrunkWeights = "shipped"
    size_px: int = USUAL_SIZE_PX
    parts: int = 0
    """Number of connected parts of a mask to keep, the largest first; 0 keeps all."""
    batch: int = 6
    epoch_steps: int = 100
    """Steps between validations."""
    patience: int | None = None
    lr: float = 2e-3
    max_steps: int | None = USUAL_STEPS
    max_seconds: float | None = None
    clip: float = 1.0
    ema: float = 0.99
    precision: TrainingPrecision = "fp32"
    seed: int = 0
    device: TrainingDevice = "auto"
    threads: int = 0
    """Threads of torch; 0 uses all processors that the process may use."""
    again: bool = False
    """Also train on results of this package."""

    def __post_init__(self) -> None:
        if self.size_px <= 0 or self.size_px % GRID:
            raise SettingsError(
                f"--size {self.size_px}: expected a multiple of {GRID} px, such as "
                f"{USUAL_SIZE_PX}"
            )
        if not self.max_steps and not self.max_seconds:
            raise SettingsError(
                "the training has no end; give --max-steps, --max-time, or both"
            )
        if self.parts and self.kind == "classification":
            raise SettingsError("--parts is for masks; leave it out to classify")

    @property
    def tuned(self) -> bool:
        """True if the trunk starts with trained weights and is trained further."""
        return self.trunk_weights == "tuned"


if TYPE_CHECKING:
    _check: Budget = TaskRun("segmentation")
