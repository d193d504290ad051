"""Define the specification of a model, in the zoo and inside a weights file."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from cxr_sr.errors import ModelError, SettingsError
from cxr_sr.names import SCALES, Precision

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

METADATA_KEY = "cxr_sr"
"""Key of the specification (JSON) in a weights file (.safetensors, .onnx)."""
HASHES = ("sha256", "safetensors_sha256", "int8_sha256", "clean")
"""Fields that a weights file cannot hold: its own hashes, and the facts about the other
set of weights."""

NetworkGrid = Literal["input", "output", "none"]


@dataclass(frozen=True)
class ModelSpec:
    """All facts about a model; a caller need not load its network."""

    name: str
    summary: str
    """One sentence for `cxr-sr models`."""
    network: str = ""
    """Key in `networks.NETWORKS`; "" for an interpolator, which has no weights."""
    settings: dict[str, int] = field(default_factory=dict)
    """Keyword arguments for the network's class: width, depth, noise."""
    scales: tuple[int, ...] = SCALES
    """The factors that the model supports."""
    channels: int = 1
    """Number of planes in one input; a gray network computes an RGB image plane by
    plane."""
    grid: NetworkGrid = "none"
    """The image that the network reads. input: the input, with a tail for each scale;
    output: the bicubic image at output size, with one network for all scales."""
    radius_px: int = 0
    """Radius of the receptive field in pixels of `grid`; the halo of a tile."""
    parameters: int = 0
    """Number of trainable parameters, with all tails."""
    sha256: str = ""
    """SHA-256 of the ONNX file; "" only while a model is being trained."""
    safetensors_sha256: str = ""
    """SHA-256 of the safetensors file."""
    int8_sha256: str = ""
    """SHA-256 of the int8 graph; "" where there is none."""
    int8_limit: float = 0.25
    """Largest residual, in units times the image's gain, that the int8 graph computes
    well. A larger residual saturates, and `saturation` computes that part again."""
    training: dict[str, Any] = field(default_factory=dict)
    """Provenance: data and its terms, hash, degradations, loss, steps, seed."""
    licence: str = ""
    """Licence of the weights; "" if nobody stated a licence."""
    clean: Self | None = None
    """Facts about a second set of weights, for images without noise; None if the model
    has only one set. The second set has the name of the model."""

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
        """The supported scales for messages, such as "x2, x3"."""
        return ", ".join(f"x{scale}" for scale in self.scales)

    def check_scale(self, scale: int) -> None:
        """Refuse a scale that the model does not support.

        Raises
        ------
        SettingsError
            If the scale is not among `scales`.
        """
        if scale not in self.scales:
            raise SettingsError(
                f"model {self.name!r} was not made for x{scale}; expected one of "
                f"{self.made_for}"
            )

    def check_precision(self, precision: Precision) -> None:
        """Refuse int8 for a model without int8 weights.

        Raises
        ------
        SettingsError
            If the model has no int8 weights.
        """
        if precision == "int8" and not self.int8_sha256:
            raise SettingsError(
                f"model {self.name!r} has no int8 weights; use the precision fp32 or "
                "auto"
            )

    def check_planes(self, planes: tuple[int, ...]) -> None:
        """Refuse an image whose number of colour planes does not suit the model.

        Parameters
        ----------
        planes : shape of a pixel: () for gray, (3,) for RGB

        Raises
        ------
        SettingsError
            If the model takes another number of planes.
        """
        if self.channels not in {1, *planes}:
            raise SettingsError(
                f"model {self.name!r} takes {self.channels} planes together, but the "
                f"image has {math.prod(planes)}; use a model that takes one"
            )

    @property
    def hashes(self) -> dict[str, str]:
        """The hashes of the files, by the names of their fields."""
        names = ("sha256", "safetensors_sha256", "int8_sha256")
        return {name: getattr(self, name) for name in names}

    @property
    def noise_planes(self) -> int:
        """Number of additional planes that tell the network the noise of the image."""
        return self.settings.get("noise", 0)

    @property
    def learned(self) -> bool:
        """True if the model has weights."""
        return bool(self.network)

    def to_json(self) -> str:
        """Return the specification for a weights file, without `HASHES`."""
        return json_of(self, HASHES)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the output of `to_json`.

        Raises
        ------
        ModelError
            If the text is no specification of this version.
        """
        try:
            fields = fields_of(text, HASHES, FIELDS)
            return cls(**{**fields, "scales": tuple(fields["scales"])})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as e:
            raise ModelError(
                f"the weights file's {METADATA_KEY!r} metadata is not a model "
                "specification of this version; use weights that `cxr-sr train` wrote"
            ) from e


def json_of(spec: DataclassInstance, left_out: Collection[str]) -> str:
    """Return the fields of a specification as JSON, without the fields `left_out`."""
    fields = dataclasses.asdict(spec)
    return json.dumps(
        {k: v for k, v in fields.items() if k not in left_out}, sort_keys=True
    )


def fields_of(
    text: str, left_out: Collection[str], checks: Mapping[str, Callable[[Any], bool]]
) -> dict[str, Any]:
    """Read the output of `json_of`; anybody may have written the file.

    Parameters
    ----------
    left_out : fields to ignore
    checks : for each field, a function that tells whether a value is allowed

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError, RecursionError
        If the text is no JSON object, or a field is unknown, of another type, or out
        of its range.
    """
    given = json.loads(text)
    fields = {k: v for k, v in given.items() if k not in left_out}
    for name, value in fields.items():
        if not checks[name](value):
            raise ValueError(name)
    return fields


def is_count(value: object, most: int) -> bool:
    """Return whether a value from JSON is a whole number from 0 to `most`."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def is_text(value: object, most: int) -> bool:
    """Return whether a value is printable text of at most `most` characters."""
    return isinstance(value, str) and len(value) <= most and value.isprintable()


FIELDS: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: is_text(value, 64),
    "summary": lambda value: is_text(value, 500),
    "network": lambda value: is_text(value, 64),
    "settings": lambda value: (
        isinstance(value, dict) and all(is_count(v, 1024) for v in value.values())
    ),
    "scales": lambda value: (
        isinstance(value, list)
        and len(set(value)) == len(value) <= 16
        and all(is_count(scale, 16) for scale in value)
    ),
    "channels": lambda value: value in (1, 3),
    "grid": lambda value: value in get_args(NetworkGrid),
    "radius_px": lambda value: is_count(value, 1024),
    "parameters": lambda value: is_count(value, 2**32),
    "int8_limit": lambda value: isinstance(value, float) and 0 < value < math.inf,
    "training": lambda value: isinstance(value, dict),
    "licence": lambda value: is_text(value, 500),
}
"""Tell whether a value is allowed; anybody may have written the weights file."""
