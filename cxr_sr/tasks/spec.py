"""Describe a head: its task, its classes, and the trunk that it copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, get_args

from cxr_sr.errors import ModelError
from cxr_sr.names import TaskKind, TrunkWeights
from cxr_sr.superres.models.spec import fields_of, is_count, is_text, json_of

METADATA_KEY = "cxr_sr_task"
"""Metadata key of a weights file for the head's specification, as JSON."""
HASHES = ("sha256", "safetensors_sha256")
"""Fields that a weights file cannot hold: its own hash, for example."""
SEEN = "images"
"""Provenance key for the training images, which `short` hashes name."""
MOST_SIZE_PX = 2048
MOST_CLASSES = 64
MOST_MAPS = 1024


@dataclass(frozen=True)
class HeadSpec:
    """The specification of a head."""

    name: str
    kind: TaskKind
    classes: tuple[str, ...]
    size_px: int
    """Side of the square preview of a radiograph, in px."""
    trunk: str
    """Name of the model with the copied trunk."""
    trunk_sha256: str
    """SHA-256 of that model's weights (safetensors); "" for random ones."""
    trunk_weights: TrunkWeights = "shipped"
    parts: int = 0
    """Number of connected parts of a mask to keep, the largest first; 0 keeps all."""
    parameters: int = 0
    """Number of weights, with the trunk."""
    maps: int = 0
    """Number of feature maps that the head reads from a trunk that sees the image at
    its own size; 0: the head holds its trunk, which sees the reduced image."""
    trunk_hashes: dict[str, str] = field(default_factory=dict)
    """Hashes of the files of that trunk, as `ModelSpec.hashes` returns them."""
    training: dict[str, Any] = field(default_factory=dict)
    """Provenance: data and its terms, settings, versions."""
    licence: str = ""
    """Licence of the weights; "" if nobody stated a licence."""
    sha256: str = ""
    """SHA-256 of the ONNX file."""
    safetensors_sha256: str = ""
    """SHA-256 of the safetensors file."""

    def to_json(self) -> str:
        """Return the specification for a weights file, without the file hashes."""
        return json_of(self, HASHES)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the output of `to_json`.

        Raises
        ------
        ModelError
            If the text is no specification that this version understands.
        """
        try:
            fields = fields_of(text, HASHES, FIELDS)
            return cls(**{**fields, "classes": tuple(fields["classes"])})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as e:
            raise ModelError(
                "the weights file does not describe a head of this version; use the "
                "run folder of `cxr-sr task train`, or one of its weights files"
            ) from e


def short(pixels_sha256: str) -> str:
    """Return the first digits of a hash: enough to tell apart a million images."""
    return pixels_sha256[:16]


FIELDS: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: is_text(value, 64),
    "kind": lambda value: value in get_args(TaskKind),
    "classes": lambda value: (
        isinstance(value, list)
        and 0 < len(value) <= MOST_CLASSES
        and all(is_text(name, 64) and name for name in value)
    ),
    "size_px": lambda value: is_count(value, MOST_SIZE_PX) and value > 0,
    "trunk": lambda value: is_text(value, 64),
    "trunk_sha256": lambda value: is_text(value, 64),
    "trunk_weights": lambda value: value in get_args(TrunkWeights),
    "parts": lambda value: is_count(value, 1024),
    "maps": lambda value: is_count(value, MOST_MAPS),
    "trunk_hashes": lambda value: (
        isinstance(value, dict)
        and set(value) <= {"sha256", "safetensors_sha256", "int8_sha256"}
        and all(is_text(sha256, 64) for sha256 in value.values())
    ),
    "parameters": lambda value: is_count(value, 2**32),
    "training": lambda value: isinstance(value, dict),
    "licence": lambda value: is_text(value, 500),
}
"""Tell whether a value is allowed; the weights file may come from anyone."""
