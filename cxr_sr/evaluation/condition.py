"""Define the conditions of an evaluation: the factor and the kind of reduction."""

from __future__ import annotations

from dataclasses import dataclass

from cxr_sr.errors import SettingsError
from cxr_sr.evaluation.degradations import DEGRADATIONS, NOISY, Exposure
from cxr_sr.hints import did_you_mean
from cxr_sr.names import SCALES, Consistency


@dataclass(frozen=True)
class Condition:
    """The task for a model: a factor and a degradation."""

    scale: int
    degradation: str = "bicubic"
    """A key of `degradations.DEGRADATIONS`."""
    exposure: Exposure | None = None
    """Exposure of a noisy degradation; None: nominal. A clean degradation has None."""

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise SettingsError(
                f"x{self.scale} is not measured; expected a scale of "
                f"{', '.join(map(str, SCALES))}"
            )
        if self.degradation not in DEGRADATIONS:
            raise SettingsError(
                f"no degradation has the name {self.degradation!r};"
                f"{did_you_mean(self.degradation, DEGRADATIONS)} expected one of "
                f"{', '.join(DEGRADATIONS)}"
            )
        noisy = self.degradation in NOISY
        exposure = (self.exposure or Exposure()) if noisy else None
        object.__setattr__(self, "exposure", exposure)

    @property
    def name(self) -> str:
        """Name of the degradation in tables; with dose and width if it is noisy."""
        exposure = f" {self.exposure}" if self.exposure else ""
        return f"{self.degradation}{exposure}"

    @property
    def noise(self) -> dict[str, float | None]:
        """Dose and width of a noisy degradation, for results."""
        return {
            "dose_ugy": self.exposure.dose_ugy if self.exposure else None,
            "noise_width_px": self.exposure.width_px if self.exposure else None,
        }

    @property
    def reduction(self) -> Consistency:
        """The reduction for the comparison of a result with its coarse image."""
        return "bicubic" if self.degradation == "bicubic" else "box"
