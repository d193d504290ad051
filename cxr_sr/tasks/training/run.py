"""Define the settings of a head's training."""

from __future__ import annotations

from dataclasses import dataclass

from cxr_sr.errors import SettingsError
from cxr_sr.names import TaskKind, TrainingDevice, TrunkInput, TrunkWeights
from cxr_sr.training.budget import Budget

GRID = 32
"""The side of a head's preview is a multiple of this number of px."""
USUAL_SIZE_PX = 192
USUAL_STEPS = 1500


@dataclass(frozen=True, kw_only=True)
class TaskRun(Budget):
    """All settings that decide the training of a head; written to settings.json."""

    kind: TaskKind
    classes: tuple[str, ...] = ()
    """Names of the classes, from the labels."""
    name: str = ""
    """Name of the weights files; "" stands for the name of the kind."""
    trunk: str = "fine"
    """Name or file of a model that has a trunk."""
    trunk_weights: TrunkWeights = "shipped"
    trunk_input: TrunkInput = "reduced"
    """Image that the trunk sees; `full` is for a fixed trunk."""
    size_px: int = USUAL_SIZE_PX
    parts: int = 0
    """Number of connected parts of a mask to keep, the largest first; 0 keeps all."""
    batch: int = 6
    epoch_steps: int = 100
    """Steps between validations."""
    patience: int | None = None
    lr: float = 2e-3
    max_steps: int | None = USUAL_STEPS
    clip: float = 1.0
    ema: float = 0.99
    device: TrainingDevice = "auto"
    threads: int = 0
    """Threads of torch; 0 uses all processors that the process may use."""
    again: bool = False
    """Also train on results of this package."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size_px <= 0 or self.size_px % GRID:
            raise SettingsError(
                f"--size {self.size_px}: expected a multiple of {GRID} px, such as "
                f"{USUAL_SIZE_PX}"
            )
        if self.trunk_input == "full" and self.trunk_weights != "shipped":
            raise SettingsError(
                f"--trunk-weights {self.trunk_weights} trains the trunk, which --trunk-"
                "input full does not allow: super-resolution shares its own trunk; "
                "leave out one of the two"
            )
        if self.parts and self.kind == "classification":
            raise SettingsError("--parts is for masks; leave it out to classify")
