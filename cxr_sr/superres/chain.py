"""Compute finer units from units: bicubic base, network, projection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cxr_sr.names import Consistency, EngineName, Precision
from cxr_sr.superres.consistency import (
    RADIUS_PX,
    UNTOLD_GRAIN,
    Agreement,
    agree,
    least_grain,
    project,
    usual_grain,
)
from cxr_sr.superres.engines import Engine, open_engine
from cxr_sr.superres.engines.checked import Checked
from cxr_sr.superres.engines.tapped import Tapped
from cxr_sr.superres.int8.gain import contrast_of, contrast_of_noise, gain_of
from cxr_sr.superres.int8.saturation import SPREAD_PX, without_saturation
from cxr_sr.superres.intensity import Scaling
from cxr_sr.superres.models.spec import ModelSpec
from cxr_sr.superres.models.zoo import Model
from cxr_sr.superres.noise import LEVEL_RADIUS_PX, Noise, level_of, with_noise
from cxr_sr.superres.resample import FloatImage, Interpolation, radius_of, upsample
from cxr_sr.superres.tiling import Part, with_halo

BASE: Interpolation = "bicubic"
"""The base image, to which a network adds its residual. No engine computes it, so low
precision cannot damage a 16-bit image."""


@dataclass(frozen=True)
class Whole:
    """Facts about a whole image; all of its tiles use the same facts."""

    gain: float = 1.0
    """Gain of the input of an int8 network."""
    noise: Noise | None = None
    """Noise of the image in units; None if it was not measured."""


NOTHING_KNOWN = Whole()


@dataclass(frozen=True)
class Chain:
    """A function that does all computations on a tile at one scale."""

    spec: ModelSpec
    scale: int
    engine: Engine | None
    """Engine of the network; None for an interpolator."""
    consistency: Consistency
    grain: float | None = None
    """Share of the measured grain to keep with `noise`; None: `usual_grain`."""
    tapped: Checked | None = None
    """The same engine, which also returns the feature maps; None if nobody asks."""

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
        """Open the engine of `model` at `scale`, for `threads` tiles at a time.

        Raises
        ------
        EngineError
            If the engine is not installed.
        SettingsError
            If the model does not support the scale or the precision.
        """
        model.spec.check_scale(scale)
        model.spec.check_precision(precision)
        opened = None
        if model.spec.learned:
            opened = open_engine(model, scale, engine, precision, threads)
        return cls(model.spec, scale, opened, consistency)

    @property
    def halo_px(self) -> int:
        """Largest distance, in input pixels, that an output pixel depends on."""
        radius = radius_of(self._interpolation)
        if self.spec.grid == "output":
            radius += -(-self.spec.radius_px // self.scale)
        radius = max(radius, self._trunk_radius)
        if self.consistency == "noise":
            radius = max(radius, LEVEL_RADIUS_PX)
        return radius + RADIUS_PX[self.consistency]

    @property
    def _trunk_radius(self) -> int:
        if self.spec.grid == "output":
            return 0
        # The first layer reads 3 x 3 pixels of the image, but only one of each noise
        # plane.
        told = LEVEL_RADIUS_PX - 1 if self.spec.noise_planes else 0
        spread = SPREAD_PX if self.precision == "int8" else 0
        return self.spec.radius_px + spread + told

    @property
    def _interpolation(self) -> Interpolation:
        return BASE if self.engine else cast("Interpolation", self.spec.name)

    @property
    def precision(self) -> str:
        """Precision of the network: fp32 or int8."""
        return self.engine.precision if self.engine else "fp32"

    def look(
        self, planes: NDArray[Any], scaling: Scaling, noise: Noise | None
    ) -> Whole:
        """Return the facts about a whole image that its tiles need.

        Parameters
        ----------
        planes : (C, H, W) stored values of the whole image
        scaling : scaling of the image
        noise : noise of the image, in units
        """
        if self.precision != "int8":
            return Whole(noise=noise)
        contrast, noisy = contrast_of(planes) / abs(scaling.slope), 0.0
        if noise:
            told = noise.usual * noise.weight
            noisy = contrast_of_noise(told, noise.correlation)
        return Whole(gain_of(contrast, noisy), noise)

    def grain_of(self, noise: Noise) -> float:
        """Return the mean share of the grain that the result keeps.

        The share is 1 with `box` and `bicubic`, and 0 with `off`.
        """
        if self.consistency != "noise":
            return 0.0 if self.consistency == "off" else 1.0
        sigma = noise.allowed(np.array(noise.levels))
        return float(np.mean(self._share(noise, sigma))) if sigma.any() else 1.0

    def _share(self, noise: Noise, sigma: FloatImage) -> FloatImage | float:
        """Return the share of a grain of the standard deviation `sigma` to keep."""
        if self.grain is not None:
            return self.grain
        if not noise.is_told:
            return UNTOLD_GRAIN
        return usual_grain(sigma, least_grain(noise.blocks))

    def __call__(
        self,
        unit: FloatImage,
        whole: Whole = NOTHING_KNOWN,
        tapped: Tapped | None = None,
        core: Part | None = None,
    ) -> Agreement:
        """Return the super-resolved image.

        Parameters
        ----------
        unit : (C, h, w) units, positive contrast; float32, or float64 to be exact
        whole : the result of `look` for the image that contains `unit`
        tapped : runs instead of `engine`, and keeps the feature maps
        core : (rows, columns) of `unit` whose result the caller uses; None: all

        Returns
        -------
        (C, s*h, s*w) in the same units and type, not clipped; with `noise` also its
        disagreement with `unit`
        """
        fine = upsample(unit, self.scale, self._interpolation)
        if self.engine is not None:
            used = self._used(core, unit)
            run = partial(self._run, tapped or self.engine, whole, used)
            fine = fine + self._residual(run, unit, fine)
        if self.consistency != "noise" or whole.noise is None or self.scale == 1:
            return Agreement(project(fine, unit, self.scale, self.consistency))
        sigma = whole.noise.allowed(level_of(unit)).astype(unit.dtype)
        return agree(fine, unit, self.scale, sigma, self._share(whole.noise, sigma))

    def _used(self, core: Part | None, unit: FloatImage) -> Part | None:
        """Return the part of `unit` whose residual the result of `core` reads."""
        if core is None or self.consistency == "bicubic":  # reads more, to be told
            return None
        return with_halo(core, unit.shape[-2:], RADIUS_PX[self.consistency]).padded

    def _residual(
        self,
        run: Callable[[FloatImage], NDArray[Any]],
        unit: FloatImage,
        fine: FloatImage,
    ) -> NDArray[Any]:
        """Run the network on all planes together, or on each plane alone."""
        image = fine if self.spec.grid == "output" else unit
        together = self.spec.channels == image.shape[0]
        parts = [image] if together else [plane[None] for plane in image]
        residuals = [run(part[None]) for part in parts]
        return np.reshape(residuals, fine.shape)

    def _run(
        self, engine: Engine, whole: Whole, used: Part | None, image: FloatImage
    ) -> NDArray[Any]:
        """Run the network on an image (1, C, h, w)."""
        image = self._told(image, whole)
        if engine.precision != "int8":
            return engine(image)
        radius_px, limit = self.spec.radius_px, self.spec.int8_limit
        return without_saturation(engine, image, whole.gain, radius_px, limit, used)

    def tap(self, unit: FloatImage, whole: Whole, tapped: Tapped) -> None:
        """Compute only the feature maps of `unit`, as `tapped` keeps them."""
        image = self._told(unit[None, : self.spec.channels], whole)
        tapped(image * image.dtype.type(whole.gain))

    def _told(self, image: FloatImage, whole: Whole) -> FloatImage:
        """Return an image (N, C, h, w) with the planes that tell its noise, if any."""
        return with_noise(image, whole.noise) if self.spec.noise_planes else image
