"""What a head is: its task, its classes, and the trunk that it has a copy of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, get_args

from cxr_sr.errors import ModelError
from cxr_sr.names import TaskKind, TrunkWeights
from cxr_sr.superres.models.spec import fields_of, is_count, is_text, json_of

METADATA_KEY = "cxr_sr_task"
"""Where a weights file of a head keeps its specification, as JSON."""
HASHES = ("sha256", "safetensors_sha256")
"""Fields that no weights file can hold of itself."""
SEEN = "images"
"""Key of the provenance that lists the images trained on, by `short` hashes."""
MOST_SIZE_PX = 2048
MOST_CLASSES = 64


@dataclass(frozen=True)
class HeadSpec:
    """All a caller has to know of a head."""

    name: str
    kind: TaskKind
    classes: tuple[str, ...]
    size_px: int
    """Side of the square that it sees a radiograph on."""
    trunk: str
    """The model whose trunk it has a copy of."""
    trunk_sha256: str
    """SHA-256 of that model's weights (safetensors); "" for random ones."""
    trunk_weights: TrunkWeights = "shipped"
    parts: int = 0
    """Of a mask, so many of the largest connected parts are kept; 0: all."""
    parameters: int = 0
    """All weights, the trunk's counted."""
    training: dict[str, Any] = field(default_factory=dict)
    """Provenance: data and its terms, settings, versions."""
    licence: str = ""
    """Terms of the weights; "" where nobody stated any."""
    sha256: str = ""
    """SHA-256 of the ONNX file."""
    safetensors_sha256: str = ""
    """SHA-256 of the safetensors file."""

    def to_json(self) -> str:
        """Return the specification for a weights file: all but the files' hashes."""
        return json_of(self, HASHES)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the output of `to_json`.

        Raises
        ------
        ModelError
            If it is not a specification that this version understands.
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
    """Return the beginning of a hash that tells an image from a million others."""
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
    "parameters": lambda value: is_count(value, 2**32),
    "training": lambda value: isinstance(value, dict),
    "licence": lambda value: is_text(value, 500),
}
"""Whether a value may stand in a weights file, which anybody may have written."""
