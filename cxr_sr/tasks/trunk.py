"""Give a head the feature maps of a trunk that sees the image at its own size.

A head on a reduced image holds its own copy of a trunk. A head of this kind holds none:
it reads the maps of a model in the folder `trunk` of its run. If super-resolution runs
the same weights on the same image, one pass is enough for both.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from cxr_sr.radiograph import Radiograph
from cxr_sr.superres.maps import Maps
from cxr_sr.superres.models.zoo import Model
from cxr_sr.superres.settings import Settings, resolved
from cxr_sr.superres.upscale import fill_maps
from cxr_sr.tasks.preview import Preview, preview_of, reduced_shape


def empty_maps(radiograph: Radiograph, trunk: Model, size: int) -> Maps:
    """Return maps on the grid of a preview of `size` px; `upscale` may fill them."""
    return Maps(radiograph.shape, reduced_shape(radiograph, size), weights_of(trunk))


def weights_of(trunk: Model) -> frozenset[str]:
    """Return the SHA-256 of the files with which a trunk makes the maps of a head.

    They have the precision that this machine chooses. So the masks of `upscale` and of
    `task run` are equal, whatever precision the user chooses for `upscale`.
    """
    spec, own = trunk.spec, resolved(Settings(), trunk)
    if own.precision == "int8":
        return frozenset({spec.int8_sha256})
    return frozenset({spec.sha256, spec.safetensors_sha256})


def previews_of(
    radiograph: Radiograph,
    sizes: Sequence[int],
    trunk: Model | None,
    settings: Settings | None = None,
) -> list[Preview]:
    """Return previews of these sizes; with a trunk, they have its feature maps.

    Parameters
    ----------
    settings : threads and memory for the trunk

    Raises
    ------
    NotARadiographError
        If the image is too small.
    EngineError, ModelError, SettingsError
        If the trunk cannot run.
    """
    previews = [preview_of(radiograph, size) for size in sizes]
    if trunk is None:
        return previews
    maps = [empty_maps(radiograph, trunk, size) for size in sizes]
    own = dataclasses.replace(settings or Settings(), engine="auto", precision="auto")
    fill_maps(radiograph, trunk, own, maps)
    return [p.with_maps(m.values) for p, m in zip(previews, maps, strict=True)]
