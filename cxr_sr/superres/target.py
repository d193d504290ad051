"""The target of an upscaling: a scale, a pixel spacing, or a size in pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from cxr_sr.errors import SettingsError
from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.models.spec import ModelSpec


@dataclass(frozen=True)
class Scale:
    """A whole factor; the model must support it."""

    factor: int


@dataclass(frozen=True)
class Spacing:
    """A distance between pixel centres, the same for rows and columns.

    The result has exactly this spacing. Its size is rounded to whole pixels. So its
    last row and column may end up to half a pixel outside or inside the edge of the
    input.
    """

    mm: float


@dataclass(frozen=True)
class LongSide:
    """The size of the longer side of the result."""

    px: int


Target = Scale | Spacing | LongSide


@dataclass(frozen=True)
class Size:
    """The two steps to a target: super-resolve by `scale`, then resample to `shape`."""

    scale: int
    shape: tuple[int, int]
    """(rows, columns) of the result."""
    factors: tuple[float, float] = field(default=(1.0, 1.0), compare=False)
    """Number of result pixels for one input pixel, along columns and along rows."""
    overhang_px: tuple[float, float] = field(default=(0.0, 0.0), compare=False)
    """Distance, in result pixels, of the last row and the last column outside the edge
    of the input; negative if they end inside the input."""
    spacing_mm: tuple[float, float] | None = field(default=None, compare=False)
    """The requested spacing; None if it follows from the factors."""

    @property
    def fine_factors(self) -> tuple[float, float]:
        """Number of result pixels for one pixel of the super-resolved image."""
        down, across = self.factors
        return down / self.scale, across / self.scale


def plan_size(radiograph: Radiograph, target: Target, spec: ModelSpec) -> Size:
    """Find the smallest scale of a model that suffices for a target.

    Raises
    ------
    SettingsError
        If the model has no such scale, the target is coarser than the input, or a
        spacing is requested but the image states none.
    """
    rows, columns = radiograph.shape
    factors = _factors(radiograph, target)
    shape = round(rows * factors[0]), round(columns * factors[1])
    # Compare pixels: a spacing with few digits must not need a larger scale than the
    # exact spacing.
    enough = (
        s for s in spec.scales if s * rows >= shape[0] and s * columns >= shape[1]
    )
    scale = min(enough, default=None)
    if isinstance(target, Scale):
        spec.check_scale(target.factor)
        scale = target.factor
    if scale is None:
        raise SettingsError(
            f"model {spec.name!r} cannot enlarge by {max(factors):g}; "
            f"it does {spec.made_for}"
        )
    if min(factors) < 1:
        raise SettingsError(
            f"the target is {1 / min(factors):.3g} times coarser than the input; "
            "super-resolution only makes images finer: use `cxr-sr export` to reduce"
        )
    if not isinstance(target, Spacing):  # the image keeps its edges
        exact = shape[0] / rows, shape[1] / columns
        return Size(scale, shape, exact)
    down, across = (
        round(px - n * factor, 6)
        for px, n, factor in zip(shape, radiograph.shape, factors, strict=True)
    )
    return Size(scale, shape, factors, (down, across), (target.mm, target.mm))


def _factors(radiograph: Radiograph, target: Target) -> tuple[float, float]:
    if isinstance(target, Scale):
        return target.factor, target.factor
    if isinstance(target, LongSide):
        if target.px < 1:
            raise SettingsError(f"a long side of {target.px} px; expected at least 1")
        factor = target.px / max(radiograph.shape)
        return factor, factor
    if not 0 < target.mm < math.inf:
        raise SettingsError(f"a spacing of {target.mm} mm; expected more than 0")
    spacing = radiograph.geometry.spacing_mm
    if spacing is None or min(spacing) <= 0:
        raise SettingsError(
            "the input states no usable pixel spacing, so that a spacing in mm is "
            "impossible; give a scale or a size in pixels instead"
        )
    return spacing[0] / target.mm, spacing[1] / target.mm
