"""Run a head on a radiograph with ONNX Runtime; torch is not needed."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cxr_sr.errors import EngineError, ModelError, SettingsError
from cxr_sr.radiograph import Radiograph, Region
from cxr_sr.superres.engines.telemetry import cpu_session
from cxr_sr.superres.maps import Maps
from cxr_sr.superres.settings import Settings
from cxr_sr.tasks.heads import Head
from cxr_sr.tasks.preview import Float, Preview, preview_of
from cxr_sr.tasks.trunk import previews_of

THRESHOLD = 0.5
"""Least probability of a pixel that belongs to a class."""


@dataclass(frozen=True)
class Prediction:
    """The result of a head for one radiograph."""

    probabilities: dict[str, float]
    """Probability of each class. Segmentation: the mean within the mask, 0 if empty."""
    masks: NDArray[np.bool_] | None
    """Masks (classes, rows, columns) of a segmentation; None for a classification."""
    seconds: float
    """Wall time of the head, in seconds."""
    doubts: tuple[str, ...] = ()
    """Reasons why a mask may be wrong, for the user."""

    def facts(self) -> dict[str, Any]:
        """Return the facts for a report: probabilities, and those about the masks."""
        chances = {name: round(p, 6) for name, p in self.probabilities.items()}
        if self.masks is None:
            return {"probabilities": chances}
        shares = self.masks.mean(axis=(1, 2)).round(6).tolist()
        return {
            "probabilities": chances,
            "mask_shares": dict(zip(chances, shares, strict=True)),
            "mask_doubtful": bool(self.doubts),
        }


def predict(
    radiograph: Radiograph,
    head: Head,
    maps: Maps | None = None,
    settings: Settings | None = None,
) -> Prediction:
    """Return the result of a head for a radiograph.

    Parameters
    ----------
    maps, settings : as for `preview_for`

    Raises
    ------
    NotARadiographError
        If the image is too small.
    EngineError, ModelError
        If the network cannot run, or its output has NaN or infinite values.
    """
    begun = time.perf_counter()
    spec = head.spec
    preview = preview_for(radiograph, head, maps, settings)
    logits = logits_of(preview, head)
    if spec.kind == "classification":
        values = sigmoid(pooled(preview, logits))
        chances = dict(zip(spec.classes, map(float, values), strict=True))
        return Prediction(chances, None, time.perf_counter() - begun)
    masks = masks_of(preview, logits, spec.parts)
    chances = chances_of(preview, logits, head)
    doubts = tuple(doubts_of(chances, head))
    return Prediction(chances, masks, time.perf_counter() - begun, doubts)


def preview_for(
    radiograph: Radiograph,
    head: Head,
    maps: Maps | None = None,
    settings: Settings | None = None,
) -> Preview:
    """Return the input of a head.

    Parameters
    ----------
    maps : feature maps that `upscale` has filled; otherwise the trunk makes them now
    settings : threads and memory for a trunk that sees the image at its own size

    Raises
    ------
    NotARadiographError
        If the image is too small.
    EngineError, ModelError, SettingsError
        If the trunk cannot run.
    """
    size = head.spec.size_px
    if maps is not None and maps.values is not None:
        return preview_of(radiograph, size).with_maps(maps.values)
    (preview,) = previews_of(radiograph, [size], head.trunk, settings)
    return preview


def chances_of(preview: Preview, logits: Float, head: Head) -> dict[str, float]:
    """Return the mean probability within the mask of each class; 0 if it is empty."""
    planes = logits[:, preview.rows, preview.columns]
    return dict(zip(head.spec.classes, map(mean_chance, planes), strict=True))


def doubts_of(chances: dict[str, float], head: Head) -> Iterator[str]:
    """Yield a warning for each mask whose mean probability is unusually low.

    Parameters
    ----------
    chances : by class, the mean probability within its mask
    """
    for name, chance in chances.items():
        if chance < head.doubtful:
            yield (
                f"the mask of {name} is doubtful: its mean probability is "
                f"{chance:.2f}, but most correct masks have more than "
                f"{head.doubtful:.2f}; the image may show another part of the body, be "
                "rotated, or state the wrong polarity"
            )


def check_masks(head: Head) -> None:
    """Refuse a head that makes no masks.

    Raises
    ------
    SettingsError
        If the head classifies.
    """
    if head.spec.kind != "segmentation":
        raise SettingsError(
            f"the head {head.spec.name!r} classifies and makes no masks; give a head "
            "for segmentation, such as lungs"
        )


def region(radiograph: Radiograph, head: Head) -> NDArray[np.bool_]:
    """Return one bool mask (rows, columns) for all classes of a segmentation together.

    Raises
    ------
    SettingsError
        If the head makes no masks.
    """
    return find_region(radiograph, head).mask


def find_region(radiograph: Radiograph, head: Head) -> Region:
    """Return the mask of `region`, and the reasons why it may be wrong.

    Raises
    ------
    SettingsError
        If the head makes no masks.
    """
    check_masks(head)
    found = predict(radiograph, head)
    masks = cast("NDArray[np.bool_]", found.masks)
    return Region(np.logical_or.reduce(masks), found.doubts)


def mean_chance(logits: Float) -> float:
    """Return the mean probability of all pixels above one half; 0 without any."""
    chances = sigmoid(logits)
    inside = chances > THRESHOLD
    return float(chances[inside].mean()) if inside.any() else 0.0


def masks_of(preview: Preview, logits: Float, parts: int) -> NDArray[np.bool_]:
    """Return the masks (classes, rows, columns) at the size of the radiograph.

    Parameters
    ----------
    logits : (classes, size, size) of the preview
    parts : as for `kept`
    """
    return np.stack(
        [
            kept(preview.enlarged(sigmoid(plane[None]))[0] > THRESHOLD, parts)
            for plane in logits
        ]
    )


def kept(mask: NDArray[np.bool_], parts: int) -> NDArray[np.bool_]:
    """Return the `parts` largest connected parts of a mask (H, W), without holes.

    Parameters
    ----------
    parts : number of parts; 0 returns the mask unchanged
    """
    if not parts or not mask.any():
        return mask
    sitk: Any = importlib.import_module("SimpleITK")
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    labels = sitk.RelabelComponent(sitk.ConnectedComponent(image))
    largest = sitk.BinaryThreshold(labels, 1, parts)
    filled = sitk.GetArrayFromImage(sitk.BinaryFillhole(largest))
    result: NDArray[np.bool_] = filled.astype(bool)
    return result


def pooled(preview: Preview, logits: Float) -> Float:
    """Return the mean logit (C,) over the radiograph, without the canvas around it."""
    mean: Float = logits[:, preview.rows, preview.columns].mean(axis=(1, 2))
    return mean


def sigmoid(logits: Float) -> Float:
    """Return the probabilities for logits of any shape."""
    chances: Float = 1 / (1 + np.exp(-logits.clip(-60, 60)))
    return chances


def logits_of(preview: Preview, head: Head) -> Float:
    """Return the logits (classes, size, size) of a preview.

    Raises
    ------
    EngineError
        If the network fails, or its output has NaN or infinite values.
    """
    try:
        (found,) = _session(head.graph).run(None, {"image": preview.planes[None]})
    except ModelError:
        raise
    except Exception as error:
        raise EngineError(
            f"the network of head {head.spec.name!r} cannot be run "
            f"({type(error).__name__}); use other weights"
        ) from error
    logits: Float = np.asarray(found)[0]
    expected = (len(head.spec.classes), *preview.image.shape)
    if logits.shape != expected or not np.isfinite(logits).all():
        raise EngineError(
            f"the network of head {head.spec.name!r} gave no number for some pixels, "
            "so its weights are damaged or unfit; use other weights"
        )
    return logits


@lru_cache(maxsize=8)
def _session(graph: bytes) -> Any:  # noqa: ANN401 - ONNX Runtime has no types
    try:
        return cpu_session(graph)
    except Exception as error:
        raise ModelError(
            f"the head's graph cannot be run ({type(error).__name__}); use weights "
            "that `cxr-sr task train` wrote"
        ) from error
