"""Find the models, and verify the files of their weights before use."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_sr.errors import ModelError
from cxr_sr.hints import did_you_mean
from cxr_sr.superres.models.parts import (
    check_together,
    read_weights,
    specification_of,
)
from cxr_sr.superres.models.shipped import (
    DATA,
    INTERPOLATORS,
    LICENCE,
    MORE_DATA,
    TRAINED,
)
from cxr_sr.superres.models.spec import ModelSpec

RETIRED = {
    "fine-bicubic": "fine now has such weights, and runs them where an image has no "
    "noise; use fine, with --consistency off for the network's result alone"
}
"""Models of earlier versions, and the advice for their users."""
WEIGHTS = Path(__file__).parent / "weights"
INT8_SUFFIX = ".int8.onnx"
CLEAN_SUFFIX = "-clean"
"""End of the file names, before the dot, of weights for images without noise."""

MODELS: dict[str, ModelSpec] = {
    name: ModelSpec(name, summary, scales=tuple(range(1, 9)), licence=LICENCE)
    for name, summary in INTERPOLATORS.items()
} | {spec.name: spec for spec in TRAINED}


@dataclass(frozen=True)
class Model:
    """A specification and the files that hold its weights."""

    spec: ModelSpec
    onnx: Path
    """File for ONNX Runtime and OpenVINO; it does not exist for an interpolator."""

    def __hash__(self) -> int:
        return hash((self.onnx, self.spec.name, self.spec.sha256))

    def file_of(self, engine: str, precision: str) -> Path:
        """Return the file that an engine opens in a precision (fp32, int8)."""
        if engine == "torch":
            return self.safetensors
        return self.int8 if precision == "int8" else self.onnx

    @property
    def clean(self) -> Model:
        """The model for images without noise; often this model itself."""
        if self.spec.clean is None:
            return self
        stem = f"{self.onnx.stem}{CLEAN_SUFFIX}"
        return Model(self.spec.clean, self.onnx.with_stem(stem))

    @property
    def parts(self) -> tuple[Model, ...]:
        """The one or two sets of weights."""
        return (self,) if self.spec.clean is None else (self, self.clean)

    @property
    def hashes(self) -> dict[Path, str]:
        """The files of this set of weights, with their expected hashes."""
        spec = self.spec
        found = {self.onnx: spec.sha256, self.safetensors: spec.safetensors_sha256}
        return found | ({self.int8: spec.int8_sha256} if spec.int8_sha256 else {})

    @property
    def safetensors(self) -> Path:
        """File for torch."""
        return self.onnx.with_suffix(".safetensors")

    @property
    def int8(self) -> Path:
        """File for int8 in OpenVINO; it exists only if `spec.int8_sha256` is set."""
        return self.onnx.with_suffix(INT8_SUFFIX)


def load_model(name_or_file: str | Path) -> Model:
    """Find a model and verify its weights; no engine loads them yet.

    Parameters
    ----------
    name_or_file : a name in `MODELS`; or a .onnx or .safetensors file that
        `cxr-sr train` wrote; or the run's folder

    Returns
    -------
    The specification and the files of the model.

    Raises
    ------
    ModelError
        If there is no such model, or its files are missing, altered, written by another
        program, or from several models.
    """
    spec = MODELS.get(str(name_or_file))
    if spec is None:
        return _load_file(Path(name_or_file))
    model = Model(spec, WEIGHTS / f"{spec.name}.onnx")
    if spec.learned:
        verify(model)
    return model


def load_copy(onnx: Path, hashes: Mapping[str, Any]) -> Model:
    """Return a model of which the hashes are known, such as one of an earlier version.

    Parameters
    ----------
    hashes : the fields of a specification that `ModelSpec.hashes` returned

    Raises
    ------
    ModelError
        If a file is missing, or has another hash.
    """
    text = specification_of(read_weights(onnx).content, onnx.name)
    spec = dataclasses.replace(_own(ModelSpec.from_json(text)), **hashes)
    model = Model(spec, onnx)
    verify(model)
    return model


def verify(model: Model) -> None:
    """Compare the files of a model with the hashes in its specification.

    Raises
    ------
    ModelError
        If a file is missing or has another hash.
    """
    for part in model.parts:
        for path, sha256 in part.hashes.items():
            read_weights(path, sha256)


def _load_file(path: Path) -> Model:
    onnx = path
    refuse_pickle(path)
    if path.is_dir():
        found = sorted(p for p in path.glob("*.onnx") if not _is_int8(p))
        found.sort(key=lambda p: p.stem.endswith(CLEAN_SUFFIX))
        onnx = next(iter(found), path / "weights.onnx")
    elif _is_int8(path):
        onnx = path.with_name(path.name.removesuffix(INT8_SUFFIX))
    onnx = onnx.with_suffix(".onnx")
    if not onnx.is_file():
        raise _missing(path, onnx)
    refuse_pickle(onnx)
    weights = read_weights(onnx)
    # About a copy of shipped weights, this package may know newer facts than the file.
    shipped = (s for spec in TRAINED for s in (spec, spec.clean) if s)
    spec = next((s for s in shipped if s.sha256 == weights.sha256), None)
    if spec is not None:
        return _copy_of(Model(spec, onnx))
    text = specification_of(weights.content, onnx.name)
    spec = dataclasses.replace(_own(ModelSpec.from_json(text)), sha256=weights.sha256)
    model = Model(spec, onnx)
    check_together(onnx, model.safetensors, model.int8)
    return _with_hashes(model)


def _copy_of(shipped: Model) -> Model:
    """Return a copy of shipped weights; refuse other weights beside it."""
    spec = shipped.spec
    expected = spec.safetensors_sha256, spec.int8_sha256
    for path, sha256 in zip((shipped.safetensors, shipped.int8), expected, strict=True):
        if path.is_file() and read_weights(path).sha256 != sha256:
            raise ModelError(
                f"{path.name} and {shipped.onnx.name} do not belong together: "
                f"{shipped.onnx.name} has the weights of {spec.name} in cxr-sr, "
                f"{path.name} has others; take all files of a model from one place"
            )
    clean = shipped.clean
    if clean is not shipped and clean.onnx.is_file():
        read_weights(clean.onnx, clean.spec.sha256)
        spec = dataclasses.replace(spec, clean=_copy_of(clean).spec)
    else:
        spec = dataclasses.replace(spec, clean=None)
    return _with_hashes(Model(spec, shipped.onnx))


def _with_hashes(model: Model) -> Model:
    """Return a model with the hashes of the files that lie beside its ONNX file."""
    safetensors, int8 = (
        read_weights(path).sha256 if path.is_file() else ""
        for path in (model.safetensors, model.int8)
    )
    spec = dataclasses.replace(
        model.spec, safetensors_sha256=safetensors, int8_sha256=int8
    )
    return Model(spec, model.onnx)


def _own(spec: ModelSpec) -> ModelSpec:
    """Return the specification of a user's own weights, without our licence and data.

    Version 0.1 wrote our licence if nobody had stated a licence. Other programs keep
    the metadata of the file from which they started.

    Raises
    ------
    ModelError
        If the specification names no network.
    """
    if not spec.network or spec.grid == "none":
        raise ModelError(
            "the weights file names no network; use weights that `cxr-sr train` wrote"
        )
    training = {} if spec.training.get("data") in (DATA, MORE_DATA) else spec.training
    licence = "" if spec.licence == LICENCE else spec.licence
    return dataclasses.replace(spec, training=training, licence=licence)


def _missing(path: Path, onnx: Path) -> ModelError:
    """Return the error for a path without an ONNX file."""
    if path.is_dir():
        return ModelError(
            f"the folder {path.name} holds no .onnx file; give the run folder of a "
            "training that `cxr-sr train` finished"
        )
    if path.exists():
        return ModelError(
            f"{path.name} is there, but inference needs {onnx.name} beside it; give "
            "the .onnx file that `cxr-sr train` wrote, or its run folder"
        )
    if path.name in RETIRED:
        return ModelError(
            f"there is no model {path.name} any more: {RETIRED[path.name]}"
        )
    return ModelError(
        f"no model is called {path.name!r}, and there is no such file;"
        f"{did_you_mean(path.name, MODELS)} expected one of {', '.join(MODELS)}, or a "
        ".onnx file or run folder of `cxr-sr train`"
    )


def refuse_pickle(path: Path) -> None:
    """Refuse weights that PyTorch pickled (.pth, .pt, .ckpt), under any name.

    Raises
    ------
    ModelError
        If the file begins like a pickle or like torch's archive of a pickle, or if its
        name has a suffix of such files.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        head = file.read(9)
    # A safetensors file begins with a length of 8 bytes, which can look like a pickle;
    # then "{" follows.
    bare = head[:2] in {b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5"} and head[8:] != b"{"
    named = path.suffix.lower() in {".pth", ".pt", ".ckpt", ".pkl", ".pickle"}
    if bare or named or head.startswith(b"PK\3\4"):
        raise ModelError(
            f"{path.name} is a pickle, as PyTorch saves it. Pickles are never loaded: "
            "loading one runs any code that is in it. Give the .onnx or .safetensors "
            "file that `cxr-sr train` wrote"
        )


def _is_int8(path: Path) -> bool:
    return path.name.endswith(INT8_SUFFIX)
