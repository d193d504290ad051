"""Define the settings that all trainings share: budget, rates and averages."""

from __future__ import annotations

from dataclasses import dataclass

from cxr_sr.errors import SettingsError
from cxr_sr.names import TrainingPrecision


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The settings of a training that do not depend on its task."""

    lr: float = 1e-3
    """Peak learning rate of Adam."""
    max_steps: int | None = None
    """Number of steps; None if only the time is limited."""
    max_seconds: float | None = None
    """Wall time in seconds; None if only the steps are limited. With both limits, the
    run ends at the first limit."""
    clip: float = 0.1
    """Largest gradient norm without clipping; a crop with many edges has ten times the
    usual norm."""
    ema: float = 0.999
    """Decay of the averaged weights in each step; the averaged weights are validated
    and kept."""
    precision: TrainingPrecision = "fp32"
    """Precision of the network's inner layers in training; weights, base and loss stay
    in float32. bf16 halves the time of a step on a processor with AVX512-BF16."""
    seed: int = 0
    """Seed of all random choices."""

    def __post_init__(self) -> None:
        if not self.max_steps and not self.max_seconds:
            raise SettingsError(
                "the training has no end; give --max-steps, --max-time, or both"
            )
