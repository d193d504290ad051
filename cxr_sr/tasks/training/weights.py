"""Write a trained head as safetensors and ONNX files, and draw its masks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from cxr_sr.files import save_figure, sha256_of
from cxr_sr.tasks.heads import OUTPUT, Head, load_head
from cxr_sr.tasks.infer import logits_of, masks_of
from cxr_sr.tasks.spec import METADATA_KEY, HeadSpec
from cxr_sr.tasks.training.data import Example
from cxr_sr.tasks.training.network import TaskNetwork
from cxr_sr.training.onnx import check_graph, write_graph
from cxr_sr.training.weights import write_safetensors

TOLERANCE = 1e-3
"""Largest error of a logit; a probability then errs by less than 0.0005."""
SHOWN = 12
"""Largest number of images in a picture."""


class _Logits(nn.Module):
    """A head as a function with one named output."""

    def __init__(self, network: TaskNetwork) -> None:
        super().__init__()
        self.network = network
        self.names = [OUTPUT]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the logits."""
        return (self.network(image),)


def write_head(network: TaskNetwork, spec: HeadSpec, folder: Path) -> Head:
    """Write `spec.name`.safetensors and .onnx; check the ONNX file, and load it.

    Raises
    ------
    ModelError
        If the written graph and torch compute different logits.
    """
    properties = {METADATA_KEY: spec.to_json()}
    onnx = folder / f"{spec.name}.onnx"
    write_safetensors(network, properties, onnx.with_suffix(".safetensors"))
    whole = _Logits(network.eval())
    write_graph(whole, (1 + spec.maps, len(spec.classes)), properties, onnx)
    shape = (1, 1 + spec.maps, spec.size_px, spec.size_px)
    check_graph(whole, shape, onnx, TOLERANCE)
    head = load_head(onnx)
    other = sha256_of(onnx.with_suffix(".safetensors"))
    spec = dataclasses.replace(head.spec, safetensors_sha256=other)
    return dataclasses.replace(head, spec=spec)


def draw_found(picture: Path, head: Head, examples: Sequence[Example]) -> None:
    """Draw outlines on images: the given masks in green, the head's masks in red."""
    from matplotlib.figure import Figure

    shown = examples[:SHOWN]
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(3.2 * columns, 3.2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    for panel, example in zip(panels, shown, strict=False):
        preview = example.preview
        masks = masks_of(preview, logits_of(preview, head), head.spec.parts)
        box = (-0.5, preview.shape[1] - 0.5, preview.shape[0] - 0.5, -0.5)
        panel.imshow(preview.pixels, cmap="gray", vmin=0, vmax=1, extent=box)
        for drawn, colour in ((example.masks, "lime"), (masks, "red")):
            for mask in drawn:
                if mask.any() and not mask.all():
                    panel.contour(mask, [0.5], colors=colour, linewidths=0.8)
    save_figure(picture, figure)
