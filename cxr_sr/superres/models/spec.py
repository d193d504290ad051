"""The specification of a model: in the zoo, and inside a weights file."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from cxr_sr.errors import ModelError, SettingsError
from cxr_sr.names import SCALES, Precision

METADATA_KEY = "cxr_sr"
"""Where a weights file (.safetensors, .onnx) keeps its specification, as JSON."""
HASHES = ("sha256", "safetensors_sha256", "int8_sha256")
"""Fields of a specification that no weights file can hold of itself."""

NetworkGrid = Literal["input", "output", "none"]


@dataclass(frozen=True)
class ModelSpec:
    """All facts about a model; callers need no access to the network."""

    name: str
    summary: str
    """One sentence for `cxr-sr models`."""
    network: str = ""
    """Key in `networks.NETWORKS`; "" for an interpolator, which has no weights."""
    settings: dict[str, int] = field(default_factory=dict)
    """Keyword arguments of the network's constructor: width, depth."""
    scales: tuple[int, ...] = SCALES
    """The factors it was made for."""
    channels: int = 1
    """Number of planes in one input; a gray network computes an RGB image plane by
    plane."""
    grid: NetworkGrid = "none"
    """Where the network runs: on the input's pixels (with one tail a scale), or on
    the bicubic image at output size (one network for every scale)."""
    radius_px: int = 0
    """Radius of the receptive field in pixels of `grid`; the halo of a tile."""
    parameters: int = 0
    """Trainable parameters, all tails counted."""
    sha256: str = ""
    """SHA-256 of the ONNX file; "" only while a model is being trained."""
    safetensors_sha256: str = ""
    """SHA-256 of the safetensors file."""
    int8_sha256: str = ""
    """SHA-256 of the int8 graph; "" where there is none."""
    int8_limit: float = 0.25
    """Largest residual, in units times the image's gain, that the int8 graph computes
    well. Beyond it codes saturate, and `saturation` computes the part again."""
    training: dict[str, Any] = field(default_factory=dict)
    """Provenance: data and its terms, hash, degradations, loss, steps, seed."""
    licence: str = ""
    """Terms of the weights; "" where nobody stated any."""

    def weights_sha256(self, engine: str, precision: str) -> str:
        """Return the hash of the file that an engine opens in a precision.

        Parameters
        ----------
        engine : torch opens the safetensors file, the others open an ONNX file
        precision : fp32 or int8
        """
        if engine == "torch":
            return self.safetensors_sha256
        return self.int8_sha256 if precision == "int8" else self.sha256

    @property
    def made_for(self) -> str:
        """Its scales, for messages: "x2, x3"."""
        return ", ".join(f"x{scale}" for scale in self.scales)

    def check_scale(self, scale: int) -> None:
        """Refuse a scale that the model was not made for.

        Raises
        ------
        SettingsError
        """
        if scale not in self.scales:
            raise SettingsError(
                f"model {self.name!r} was not made for x{scale}; expected one of "
                f"{self.made_for}"
            )

    def check_precision(self, precision: Precision) -> None:
        """Refuse int8 of a model that has no int8 weights.

        Raises
        ------
        SettingsError
        """
        if precision == "int8" and not self.int8_sha256:
            raise SettingsError(
                f"model {self.name!r} has no int8 weights; use the precision fp32 or "
                "auto"
            )

    def check_planes(self, planes: tuple[int, ...]) -> None:
        """Refuse an image of another number of colour planes than the model takes.

        Parameters
        ----------
        planes : shape of a pixel: () for gray, (3,) for RGB

        Raises
        ------
        SettingsError
        """
        if self.channels not in {1, *planes}:
            raise SettingsError(
                f"model {self.name!r} takes {self.channels} planes together, but the "
                f"image has {math.prod(planes)}; use a model that takes one"
            )

    @property
    def noise_planes(self) -> int:
        """Planes beside the image that tell the network the image's noise."""
        return self.settings.get("noise", 0)

    @property
    def learned(self) -> bool:
        """Whether there are weights."""
        return bool(self.network)

    def to_json(self) -> str:
        """Return the specification for a weights file: all but the files' hashes."""
        fields = dataclasses.asdict(self)
        for name in HASHES:
            del fields[name]
        return json.dumps(fields, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the output of `to_json`.

        Raises
        ------
        ModelError
            If it is not a specification of this version.
        """
        try:
            given = json.loads(text)
            fields = {k: v for k, v in given.items() if k not in HASHES}
            _check(fields)
            return cls(**{**fields, "scales": tuple(fields["scales"])})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as e:
            raise ModelError(
                f"the weights file's {METADATA_KEY!r} metadata is not a model "
                "specification of this version; use weights that `cxr-sr train` wrote"
            ) from e


def _check(fields: dict[str, Any]) -> None:
    """Raise ValueError where a field has another type, or a value out of its range."""
    for name, value in fields.items():
        if not FIELDS[name](value):
            raise ValueError(name)


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_text(value: object, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most and value.isprintable()


FIELDS: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: _is_text(value, 64),
    "summary": lambda value: _is_text(value, 500),
    "network": lambda value: _is_text(value, 64),
    "settings": lambda value: (
        isinstance(value, dict) and all(_is_count(v, 1024) for v in value.values())
    ),
    "scales": lambda value: (
        isinstance(value, list)
        and len(set(value)) == len(value) <= 16
        and all(_is_count(scale, 16) for scale in value)
    ),
    "channels": lambda value: value in (1, 3),
    "grid": lambda value: value in get_args(NetworkGrid),
    "radius_px": lambda value: _is_count(value, 1024),
    "parameters": lambda value: _is_count(value, 2**32),
    "int8_limit": lambda value: isinstance(value, float) and 0 < value < math.inf,
    "training": lambda value: isinstance(value, dict),
    "licence": lambda value: _is_text(value, 500),
}
"""Whether a value may stand in a weights file, which anybody may have written."""
