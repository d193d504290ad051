"""What was asked for: a scale, a pixel spacing, or a size in pixels."""

from __future__ import annotations

from dataclasses import dataclass

from cxr_sr.errors import SettingsError
from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.zoo import ModelSpec


@dataclass(frozen=True)
class Scale:
    """A whole factor that the model was made for."""

    factor: int


@dataclass(frozen=True)
class Spacing:
    """A distance between pixel centres, the same for rows and columns."""

    mm: float


@dataclass(frozen=True)
class LongSide:
    """The size of the longer side of the result."""

    px: int


Target = Scale | Spacing | LongSide


@dataclass(frozen=True)
class Size:
    """How to get there: super-resolve by `scale`, then resample to `shape`."""

    scale: int
    shape: tuple[int, int]
    """(rows, columns) of the result."""


def plan_size(radiograph: Radiograph, target: Target, spec: ModelSpec) -> Size:
    """Find the smallest scale of a model that suffices for a target.

    Raises
    ------
    SettingsError
        If the model has no such scale, the target is coarser than the input, or a
        spacing is asked of an image that states none.
    """
    rows, columns = radiograph.shape
    if isinstance(target, Scale):
        factors = (float(target.factor), float(target.factor))
        scale = target.factor if target.factor in spec.scales else None
    else:
        factors = _factors(radiograph, target)
        scale = min((s for s in spec.scales if s >= max(factors)), default=None)
    if scale is None:
        made_for = ", ".join(f"x{s}" for s in spec.scales)
        raise SettingsError(
            f"model {spec.name!r} cannot enlarge by {max(factors):g}; "
            f"it does {made_for}"
        )
    if min(factors) < 1:
        raise SettingsError(
            f"the target is {1 / min(factors):.3g} times coarser than the input; "
            "super-resolution only makes images finer: use `cxr-sr export` to reduce"
        )
    return Size(scale, (round(rows * factors[0]), round(columns * factors[1])))


def _factors(radiograph: Radiograph, target: Spacing | LongSide) -> tuple[float, float]:
    if isinstance(target, LongSide):
        factor = target.px / max(radiograph.shape)
        return factor, factor
    if not target.mm > 0:
        raise SettingsError(f"a spacing of {target.mm} mm; expected more than 0")
    spacing = radiograph.geometry.spacing_mm
    if spacing is None or min(spacing) <= 0:
        raise SettingsError(
            "the input states no usable pixel spacing, so that a spacing in mm cannot "
            "be reached; give a scale or a size in pixels instead"
        )
    return spacing[0] / target.mm, spacing[1] / target.mm
