"""List the shipped heads; load the weights of a head and verify them before use."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from cxr_sr.errors import ModelError
from cxr_sr.hints import did_you_mean
from cxr_sr.superres.models.graph import parse_onnx, subgraph
from cxr_sr.superres.models.parts import read_weights
from cxr_sr.superres.models.shipped import LICENCE
from cxr_sr.superres.models.zoo import Model, load_copy, refuse_pickle
from cxr_sr.tasks.spec import METADATA_KEY, HeadSpec

TRUNK = "trunk"
"""Folder of a run with the model whose feature maps the head reads."""
WEIGHTS = Path(__file__).parent / "weights"
OUTPUT = "logits"
"""Name of the output of a head's graph."""
SHIPPED: dict[str, tuple[str, str]] = {
    "lungs": (
        "1549515c81ef3ccc978c1274f15daac9157337765e0411217da39447e3f21457",
        "f80ecfe1e3bf82deedba175d78ae317e359d509c5b4e3e1e27860d62911dce2f",
    ),
}
"""SHA-256 of the ONNX file and of the safetensors file, by the head's name."""
DOUBTFUL = {"lungs": 0.93}
"""Mean probability in a mask below which the mask is doubtful, by the head's name.

Measured for `lungs`. Below the limit are: 8 of 124 chests (every fifth image of the
training data for super-resolution), of which five have clearly wrong masks; all of 21
chests with inverted gray values; and all of 16 files that show hands, hips, legs,
spines, teeth or breasts.
"""


@dataclass(frozen=True)
class Head:
    """A head: its specification, and the graph that computes it."""

    spec: HeadSpec
    graph: bytes
    """A checked ONNX model: previews (N, 1 + maps, H, W) -> logits (N, classes, H,
    W)."""
    trunk: Model | None = None
    """The model that makes the feature maps; None if the graph has its own trunk."""

    @property
    def label(self) -> str:
        """The name and the first digits of the hash, for reports."""
        return f"{self.spec.name} {self.spec.sha256[:12]}"

    @property
    def doubtful(self) -> float:
        """Mean probability in a mask below which it is doubtful; 0 if not measured."""
        name = self.spec.name
        shipped = self.spec.sha256 == SHIPPED.get(name, ("", ""))[0]
        return DOUBTFUL.get(name, 0.0) if shipped else 0.0


def load_head(name_or_file: str | Path) -> Head:
    """Find a head, verify its weights, and check its graph.

    Parameters
    ----------
    name_or_file : a name in `SHIPPED`, a run folder of `cxr-sr task train`, or one of
        the weights files in it

    Raises
    ------
    ModelError
        If no head has this name, or its file is missing, altered, or hostile.
    """
    name = str(name_or_file)
    if name in SHIPPED:
        return _opened(WEIGHTS / f"{name}.onnx", SHIPPED[name][0])
    return _opened(_onnx_of(Path(name_or_file)), "")


def _onnx_of(path: Path) -> Path:
    refuse_pickle(path)
    if path.is_dir():
        found = sorted(path.glob("*.onnx"))
        if not found:
            raise ModelError(
                f"the folder {path.name} holds no .onnx file; give the run folder of "
                "a training that `cxr-sr task train` finished"
            )
        return found[0]
    onnx = path.with_suffix(".onnx")
    if onnx.is_file():
        return onnx
    raise ModelError(
        f"no head has the name {path.name!r}, and no file has it either;"
        f"{did_you_mean(path.name, SHIPPED)} expected one of {', '.join(SHIPPED)}, or "
        "a run folder or .onnx file of `cxr-sr task train`"
    )


def _opened(path: Path, sha256: str) -> Head:
    weights = read_weights(path, sha256)
    model = parse_onnx(weights.content, path.name)
    properties = {p.key: p.value for p in model.metadata_props}
    if METADATA_KEY not in properties:
        raise ModelError(
            f"{path.name} is no head of a task; --head takes a file that `cxr-sr task "
            "train` wrote; a model for super-resolution needs --model"
        )
    spec = HeadSpec.from_json(properties[METADATA_KEY])
    planes = 1 + spec.maps, len(spec.classes)
    part = subgraph(model, path.name, OUTPUT, planes, 1)
    spec = dataclasses.replace(
        spec,
        sha256=weights.sha256,
        safetensors_sha256=SHIPPED.get(spec.name, ("", ""))[1] if sha256 else "",
        licence=LICENCE if sha256 else spec.licence,
    )
    return Head(spec, part.content, _trunk_of(spec, path) if spec.maps else None)


def _trunk_of(spec: HeadSpec, path: Path) -> Model:
    """Return the model in the folder `trunk` beside the weights of a head."""
    onnx = path.absolute().parent / TRUNK / f"{Path(spec.trunk).name}.onnx"
    try:
        return load_copy(onnx, spec.trunk_hashes)
    except ModelError as error:
        raise ModelError(
            f"{path.name} reads the features of a trunk in the folder {TRUNK} beside "
            f"it: {error}; copy the whole run folder of `cxr-sr task train`"
        ) from error
