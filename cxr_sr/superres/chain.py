"""From units to finer units: bicubic base, network, projection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cxr_sr.names import Consistency, EngineName, Precision
from cxr_sr.superres.consistency import RADIUS_PX, project
from cxr_sr.superres.engines import Engine, open_engine
from cxr_sr.superres.int8.gain import contrast_of, gain_of
from cxr_sr.superres.int8.saturation import SPREAD_PX, first_gain, without_saturation
from cxr_sr.superres.models.spec import ModelSpec
from cxr_sr.superres.models.zoo import Model
from cxr_sr.superres.resample import Image, Interpolation, radius_of, upsample

BASE: Interpolation = "bicubic"
"""What every network adds its residual to; computed here, never in the network, so
that a low-precision engine cannot damage a 16-bit image."""


@dataclass(frozen=True)
class Chain:
    """Everything that happens to a tile at one scale, as one function."""

    spec: ModelSpec
    scale: int
    engine: Engine | None
    """None for an interpolator."""
    consistency: Consistency

    @classmethod
    def open(
        cls,
        model: Model,
        scale: int,
        consistency: Consistency,
        engine: EngineName,
        precision: Precision = "auto",
        threads: int = 1,
    ) -> Chain:
        """Load what `model` needs at `scale`, for so many tiles at a time.

        Raises
        ------
        EngineError
            If the engine is not installed.
        SettingsError
            If the model does not do `scale` or the precision.
        """
        model.spec.check_scale(scale)
        model.spec.check_precision(precision)
        opened = None
        if model.spec.learned:
            opened = open_engine(model, scale, engine, precision, threads)
        return cls(model.spec, scale, opened, consistency)

    @property
    def halo_px(self) -> int:
        """How many input pixels away an output pixel looks."""
        radius = radius_of(self._interpolation)
        if self.spec.grid == "output":
            radius += -(-self.spec.radius_px // self.scale)
        return max(radius, self._trunk_radius) + RADIUS_PX[self.consistency]

    @property
    def _trunk_radius(self) -> int:
        if self.spec.grid == "output":
            return 0
        return self.spec.radius_px + (SPREAD_PX if self.precision == "int8" else 0)

    @property
    def _interpolation(self) -> Interpolation:
        return BASE if self.engine else cast("Interpolation", self.spec.name)

    @property
    def precision(self) -> str:
        """Of the network: fp32 or int8."""
        return self.engine.precision if self.engine else "fp32"

    def gain(self, planes: NDArray[Any], codes: float = 1.0) -> float:
        """Return what the network is to see an image multiplied by: 1 but for int8.

        Parameters
        ----------
        planes : (C, H, W), the whole image
        codes : its values for one unit
        """
        if self.precision != "int8":
            return 1.0
        return first_gain(gain_of(contrast_of(planes) / abs(codes)), self.scale)

    def __call__(self, unit: Image, gain: float = 1.0) -> Image:
        """Return the super-resolved image.

        Parameters
        ----------
        unit : (C, h, w) units, positive contrast; float32, or float64 to be exact
        gain : of the whole image that `unit` is a part of

        Returns
        -------
        (C, s*h, s*w) in the same units and type, not clipped
        """
        fine = upsample(unit, self.scale, self._interpolation)
        if self.engine is not None:
            fine = fine + self._residual(self.engine, unit, fine, gain)
        return project(fine, unit, self.scale, self.consistency)

    def _residual(
        self, engine: Engine, unit: Image, fine: Image, gain: float
    ) -> NDArray[Any]:
        """Run the network on the planes it takes: together, or one by one."""
        image = fine if self.spec.grid == "output" else unit
        together = self.spec.channels == image.shape[0]
        image = image[None] if together else image[:, None]
        if engine.precision == "int8":
            radius_px, limit = self.spec.radius_px, self.spec.int8_limit
            residual = without_saturation(engine, image, gain, radius_px, limit)
        else:
            residual = engine(image)
        return np.reshape(residual, fine.shape)
