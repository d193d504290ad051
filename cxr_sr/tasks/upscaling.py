"""Process one file for `upscale --head`: upscale it and run a head on it.

The file is read once for both. The mask equals the mask of `cxr-sr task run`: it has
the size of the source and refers to it.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cxr_sr.batch.beside import mask_path, picture_path
from cxr_sr.batch.pipeline import Stage
from cxr_sr.batch.upscaling import Upscaling, UpscalingRecipe
from cxr_sr.errors import CxrSrError
from cxr_sr.files import sha256_of
from cxr_sr.radiograph import Radiograph
from cxr_sr.report.entries import FileFacts
from cxr_sr.report.outcome import Job
from cxr_sr.superres.models.zoo import Model
from cxr_sr.superres.settings import Settings, resolved
from cxr_sr.tasks.heads import Head
from cxr_sr.tasks.infer import Prediction, predict
from cxr_sr.tasks.segmentation import is_segmentation, why_not, write_masks
from cxr_sr.tasks.trunk import empty_maps, weights_of


@dataclass(frozen=True, kw_only=True)
class HeadedRecipe(UpscalingRecipe):
    """The settings of `upscale`, and a head."""

    head: Head

    @classmethod
    def of(cls, recipe: UpscalingRecipe, head: Head) -> HeadedRecipe:
        """Return the settings with a head."""
        own = {f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe)}
        return cls(**own, head=head)

    def describe(self) -> dict[str, Any]:
        """Return the settings for the report."""
        spec = self.head.spec
        return super().describe() | {"head": spec.name, "head_sha256": spec.sha256}


@dataclass(frozen=True)
class _Both:
    """A super-resolved image, and the result of the head for its source."""

    radiograph: Radiograph
    upscaled: Any
    """The value that `Upscaling` passes to its last stage."""
    found: Prediction | None
    """The result of the head; None if the head failed."""
    reason: str = ""
    """The reason why there is no result of the head."""
    saved: dict[str, float] = dataclasses.field(default_factory=dict)
    shared: bool = False
    """True if the head used the features of super-resolution."""


def why_not_shared(radiograph: Radiograph, recipe: HeadedRecipe) -> str:
    """Return the reason why a head could not use the trunk of super-resolution.

    A head with `--trunk-input reduced` never shares. To average the features over the
    pixels of its image would take more time than its own trunk does: 0.06 against 0.03
    s for `fast` and 1024 px.
    """
    head, model = recipe.head.spec, recipe.model.spec
    weights = {part.spec.safetensors_sha256 for part in recipe.model.parts}
    if head.trunk_weights != "shipped" or head.trunk_sha256 not in weights:
        return f"the trunk of the head has other weights than {model.name}"
    if recipe.head.trunk is not None:
        return _why_other_maps(recipe, recipe.head.trunk)
    side = max(radiograph.shape)
    if side != head.size_px:
        return (
            f"super-resolution sees the image at {side} px, the head at "
            f"{head.size_px} px, so the features differ"
        )
    return "the head's trunk sees other gray values, and does not get the noise"


def _why_other_maps(recipe: HeadedRecipe, trunk: Model) -> str:
    """Return the reason why a model with the trunk's weights gave the head no maps."""
    model, ran = recipe.model, resolved(recipe.settings, recipe.model)
    own = resolved(Settings(), trunk).precision
    if ran.precision != own:
        return (
            f"super-resolution ran in {ran.precision}; the head takes features in "
            f"{own} on this machine"
        )
    hashes = {p.spec.weights_sha256(ran.engine, ran.precision) for p in model.parts}
    if not hashes & weights_of(trunk):
        return (
            f"the trunk of the head has other {own} weights than {model.spec.name}, "
            "perhaps from another version; train the head again to share the trunk"
        )
    return (
        f"{model.spec.name} has two sets of weights, with and without noise, and used "
        "the other set for this image"
    )


class UpscalingAndFinding:
    """Reads a file, upscales it, runs the head, and writes both results."""

    def __init__(self, recipe: HeadedRecipe) -> None:
        self._recipe = recipe
        self._upscaling = Upscaling(recipe)

    def __call__(self, job: Job) -> FileFacts:
        """Make one output, and a mask beside it.

        Raises
        ------
        CxrSrError
            If the file cannot be read, is no radiograph, or cannot be written.
        """
        value = None
        for stage in self.stages:
            value = stage(job, value)
        return cast("FileFacts", value)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The work in three stages, for three jobs at a time."""
        read, compute, write = self._upscaling.stages
        return read, partial(self._compute, compute), partial(self._write, write)

    def _compute(self, upscale: Stage, job: Job, before: Any) -> _Both:  # noqa: ANN401
        """Upscale, and run the head; upscale also an image that the head refuses.

        Parameters
        ----------
        before : the result of the stage `read`: a radiograph, and seconds by stage
        """
        saved = {"read": round(before.seconds["read"] + before.seconds["hash"], 3)}
        head, radiograph, maps = self._recipe.head, before.radiograph, None
        if head.trunk is not None:
            maps = empty_maps(radiograph, head.trunk, head.spec.size_px)
        upscaled = upscale(job, dataclasses.replace(before, maps=maps))
        shared = maps is not None and maps.values is not None
        saved["trunk"] = round(maps.saved_s, 3) if maps else 0.0
        begun, found, reason = time.perf_counter(), None, ""
        try:
            found = predict(radiograph, head, maps, self._recipe.settings)
        except CxrSrError as error:
            reason = f"no result of the head: {error}"
        before.seconds["head"] = round(time.perf_counter() - begun, 3)
        return _Both(radiograph, upscaled, found, reason, saved, shared)

    def _write(self, write: Stage, job: Job, both: _Both) -> FileFacts:
        """Write the mask, then the result; if the result exists, the mask exists."""
        facts: dict[str, Any] = {"head": self._recipe.head.label}
        doubts, found = [both.reason], both.found
        if found is not None:
            facts |= found.facts()
            doubts += found.doubts
            if found.masks is not None:
                mask, doubt = self._put_mask(job, both.radiograph, found.masks)
                facts |= mask
                doubts.append(doubt)
        facts |= {"saved_seconds": both.saved, "trunk_shared": both.shared}
        if not both.shared:
            reason = why_not_shared(both.radiograph, self._recipe)
            facts["trunk_not_shared"] = reason
        facts |= dict(write(job, both.upscaled))
        told = [*facts.get("warnings", ()), *filter(None, doubts)]
        return cast("FileFacts", facts | ({"warnings": told} if told else {}))

    def _put_mask(
        self, job: Job, radiograph: Radiograph, masks: NDArray[np.bool_]
    ) -> tuple[dict[str, Any], str]:
        """Write a mask; return its facts, and the reason if it is no DICOM file."""
        target, doubt = mask_path(job.target), ""
        reason = why_not(radiograph)
        if is_segmentation(target) and reason:
            target, doubt = picture_path(target), f"its mask is a PNG file: {reason}"
        now = self._recipe.settings.now or datetime.now().astimezone()
        target.parent.mkdir(parents=True, exist_ok=True)
        write_masks(radiograph, masks, self._recipe.head.spec, target, now)
        name = PurePosixPath(job.output).with_name(target.name)
        return {"mask": str(name), "mask_sha256": sha256_of(target)}, doubt
