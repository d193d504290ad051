"""The models there are, as data: no torch, no engine is loaded to list them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from cxr_sr.errors import ModelError

WEIGHTS = Path(__file__).parent / "weights"
INT8_SUFFIX = ".int8.onnx"
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
    scales: tuple[int, ...] = (2, 3, 4, 8)
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
    training: dict[str, Any] = field(default_factory=dict)
    """Provenance: data and its terms, hash, degradations, loss, steps, seed."""
    licence: str = "Apache-2.0"

    def weights_sha256(self, precision: str) -> str:
        """Return the hash of the graph that runs in a precision (fp32, int8)."""
        return self.int8_sha256 if precision == "int8" else self.sha256

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


INTERPOLATORS = {
    "nearest": "Pixel repetition; at x1 the identity.",
    "bilinear": "Linear interpolation.",
    "bicubic": "Cubic convolution, a = -0.5 (Keys 1981).",
    "lanczos": "Lanczos-windowed sinc, three lobes.",
    "bspline": "Interpolating cubic B-spline (Unser 1999).",
}

DATA = (
    "280 images of NIH ChestX-ray8 (https://nihcc.app.box.com/v/ChestXray-NIHCC), "
    "provided by the NIH Clinical Center without restrictions on use; Wang et al., "
    "CVPR 2017; "
    "20 images of Hannover (MHH), CC BY 3.0, doi 10.6084/m9.figshare.12275009; "
    "12 images of Kermany et al., CC BY 4.0, Mendeley Data rscbjbr9sj"
)
"""What the shipped weights were trained on, and its terms."""

TRAINED = (
    ModelSpec(
        "fine",
        "Our residual trunk at input size, trained for noisy images too; the default.",
        network="trunk",
        settings={"width": 32, "depth": 16},
        grid="input",
        radius_px=19,
        parameters=183_744,
        sha256="446b38d87475d8f8b77af671de3726079b1b856de763475b35a5f0ba991029c9",
        safetensors_sha256="c5f62f01118c152ef33c01a87cb53b744493163d0cbcfdf698cab1961f4d4755",
        training={
            "data": DATA,
            "degradation": "bicubic, box, detector",
            "loss": "Charbonnier",
            "optimiser": "Muon, bf16",
            "started_from": "9,227 steps with Adam on bicubic pairs, 5,325 s",
            "steps": 10228,
            "seconds": 2281,
            "seed": 4,
        },
    ),
    ModelSpec(
        "fine-bicubic",
        "The same trunk, trained on clean bicubic pairs alone, as the literature is.",
        network="trunk",
        settings={"width": 32, "depth": 16},
        grid="input",
        radius_px=19,
        parameters=183_744,
        sha256="d94363bca6ab0b17214d3654f63986c0d8809d189057e3d5fa2e6dcfc93372c2",
        safetensors_sha256="04143a37ebba22928dd569f6cc2d161d5deecfc9cd52674a1abeed971e191656",
        training={
            "data": DATA,
            "degradation": "bicubic",
            "loss": "Charbonnier",
            "optimiser": "Muon, bf16",
            "started_from": "9,227 steps with Adam on bicubic pairs, 5,325 s",
            "steps": 1200,
            "seconds": 153,
            "seed": 0,
        },
    ),
    ModelSpec(
        "hydra",
        "The founding paper's network, at output size; trained on bicubic pairs.",
        network="hydra",
        grid="output",
        radius_px=10,
        parameters=395_715,
        sha256="125f2d4ec598a2840c9abb8f0a593c6365475942e4ab26518ba675a344ae08df",
        safetensors_sha256="8e9d1cf802db8261371ea03355edf2b09beb06761c2d555551846e8b0cfbd315",
        training={
            "data": DATA,
            "degradation": "bicubic",
            "loss": "0.6 MAE + 0.4 (1 - MS-SSIM)",
            "steps": 2600,
            "seconds": 3840,
            "seed": 0,
        },
    ),
)

MODELS: dict[str, ModelSpec] = {
    name: ModelSpec(name, summary, scales=tuple(range(1, 9)))
    for name, summary in INTERPOLATORS.items()
} | {spec.name: spec for spec in TRAINED}


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Model:
    """A specification and the files that hold its weights."""

    spec: ModelSpec
    onnx: Path
    """What ONNX Runtime and OpenVINO load; an interpolator has no file there."""

    def __hash__(self) -> int:
        return hash((self.onnx, self.spec.name, self.spec.sha256))

    @property
    def safetensors(self) -> Path:
        """What torch loads."""
        return self.onnx.with_suffix(".safetensors")

    @property
    def int8(self) -> Path:
        """What OpenVINO loads for int8, if the specification has a hash of it."""
        return self.onnx.with_suffix(INT8_SUFFIX)


def load_model(name_or_file: str | Path) -> Model:
    """Find a model and verify its weights; nothing is loaded into an engine yet.

    Parameters
    ----------
    name_or_file : a name in `MODELS`, or a .onnx or .safetensors file that
        `cxr-sr train` wrote, or the run's folder

    Raises
    ------
    ModelError
        If there is no such model, or its files are missing, altered, or not ours.
    """
    spec = MODELS.get(str(name_or_file))
    if spec is None:
        return _load_file(Path(name_or_file))
    model = Model(spec, WEIGHTS / f"{spec.name}.onnx")
    if spec.learned:
        verify(model)
    return model


def verify(model: Model) -> None:
    """Check a shipped model's files against the hashes in the zoo.

    Raises
    ------
    ModelError
        If a file is missing or is not the one that was shipped.
    """
    expected = {
        model.onnx: model.spec.sha256,
        model.safetensors: model.spec.safetensors_sha256,
    }
    if model.spec.int8_sha256:
        expected[model.int8] = model.spec.int8_sha256
    for path, sha256 in expected.items():
        found = _sha256_or_complain(path)
        if found != sha256:
            raise ModelError(
                f"{path.name} has SHA-256 {found[:12]}..., expected {sha256[:12]}...: "
                "it was altered or damaged; reinstall cxr-sr"
            )


def _load_file(path: Path) -> Model:
    onnx = path
    if path.is_dir():
        found = (p for p in sorted(path.glob("*.onnx")) if not _is_int8(p))
        onnx = next(found, path / "weights.onnx")
    elif _is_int8(path):
        onnx = path.with_name(path.name.removesuffix(INT8_SUFFIX))
    onnx = onnx.with_suffix(".onnx")
    if onnx.suffix != path.suffix and not onnx.is_file():
        raise ModelError(
            f"no model is called {path.name!r}, and there is no such weights file; "
            f"expected one of {', '.join(MODELS)}, or a .onnx file or run folder of "
            "`cxr-sr train`"
        )
    sha256 = _sha256_or_complain(onnx)
    spec = ModelSpec.from_json(_onnx_metadata(onnx))
    model = Model(dataclasses.replace(spec, sha256=sha256), onnx)
    if not model.int8.is_file():
        return model
    spec = dataclasses.replace(model.spec, int8_sha256=sha256_of(model.int8))
    return Model(spec, onnx)


def _is_int8(path: Path) -> bool:
    return path.name.endswith(INT8_SUFFIX)


def _sha256_or_complain(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise ModelError(
            f"the weights {path.name} cannot be read ({error.strerror}); expected a "
            "file that `cxr-sr train` wrote"
        ) from error


def _onnx_metadata(path: Path) -> str:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        properties = onnx.load(path, load_external_data=False).metadata_props
    except DecodeError as error:
        raise ModelError(
            f"{path.name} is not an ONNX file ({error}); expected weights that "
            "`cxr-sr train` wrote"
        ) from error
    return next((p.value for p in properties if p.key == METADATA_KEY), "")
