"""What is known of a model, as data: in the zoo, and inside a weights file."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from cxr_sr.errors import ModelError, SettingsError
from cxr_sr.names import SCALES, Precision

METADATA_KEY = "cxr_sr"
"""Where a weights file (.safetensors, .onnx) keeps its specification, as JSON."""
HASHES = ("sha256", "safetensors_sha256", "int8_sha256")
"""Fields of a specification that no weights file can hold of itself."""

Grid = Literal["input", "output", "none"]


@dataclass(frozen=True)
class ModelSpec:
    """All a caller has to know of a model; nobody asks the network."""

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
    """Planes it takes together; a gray network sees an RGB image plane by plane."""
    grid: Grid = "none"
    """Where the network runs: on the input's pixels (with one tail a scale), or on
    the bicubic image at output size (one network for every scale)."""
    radius_px: int = 0
    """Receptive-field radius in pixels of `grid`: what a tile needs as its halo."""
    parameters: int = 0
    """Trainable parameters, all tails counted."""
    sha256: str = ""
    """SHA-256 of the ONNX file; "" only while a model is being trained."""
    safetensors_sha256: str = ""
    """SHA-256 of the safetensors file."""
    int8_sha256: str = ""
    """SHA-256 of the int8 graph; "" where there is none."""
    int8_limit: float = 0.25
    """Largest residual, in units times the image's gain, that the int8 graph is
    trusted with: beyond it codes saturate, and `saturation` computes again."""
    training: dict[str, Any] = field(default_factory=dict)
    """Provenance: data and its terms, hash, degradations, loss, steps, seed."""
    licence: str = "Apache-2.0"

    def weights_sha256(self, precision: str) -> str:
        """Return the hash of the graph that runs in a precision (fp32, int8)."""
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
        planes : what follows (H, W) in the image's shape: () for gray, (3,) for RGB

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
        """Read what `to_json` wrote.

        Raises
        ------
        ModelError
            If it is not a specification this version understands.
        """
        try:
            fields = json.loads(text)
            return cls(**{**fields, "scales": tuple(fields["scales"])})
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(
                f"the weights file's {METADATA_KEY!r} metadata is not a model "
                f"specification of this version ({error}); use weights that "
                "`cxr-sr train` wrote"
            ) from error
