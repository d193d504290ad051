"""Super-resolve radiographs, classify the results, and print the scores.

    python examples/classify.py INPUT... --output FOLDER

This uses the DenseNet of torchxrayvision. It is not a part of cxr-sr: install it
yourself. It also installs torchvision, and downloads its weights at the first use.

    python examples/classify.py INPUT... --output FOLDER --classifier FILE.pt2

This uses a network of your own, stored by `torch.export.save`. It must map
(1, 1, 224, 224) to (1, number of labels). Both networks get the same input as from the
data sets of torchxrayvision: the central square, 224 x 224 px, black -1024, white 1024.
With --original, the inputs are classified without super-resolution, for comparison.

It needs PyTorch: pip install 'cxr-sr[train]'. For research only; not a medical device.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from cxr_sr.errors import InputError
from cxr_sr.texts import cell
from cxr_sr.torch_data import XRAYVISION, RadiographDataset

SIZE = 224
PRETRAINED = "densenet121-res224-all"
USABLE = (0, 4)
"""Exit codes of `cxr-sr upscale` that leave results: all done, or some failed."""


@dataclass(frozen=True)
class Classifier:
    """A network and the labels of its outputs."""

    network: Callable[[Tensor], Tensor]
    labels: Sequence[str] = ()
    """Names of the outputs; if empty, the outputs are numbered."""

    def scores(self, image: Tensor) -> Iterator[tuple[str, float]]:
        """Yield label and score of each output for one image (1, size, size)."""
        with torch.inference_mode():
            outputs = self.network(image[None])[0].tolist()
        labels = self.labels or [str(number) for number in range(len(outputs))]
        # torchxrayvision gives no name to outputs that a model does not use
        return ((k, v) for k, v in zip(labels, outputs, strict=True) if k)


def main(arguments: list[str]) -> None:
    """Print one line of CSV a file and label."""
    wanted = options(arguments)
    classifier = load(wanted.classifier)
    source = wanted.inputs
    if not wanted.original:
        source = [upscaled(wanted.inputs, wanted.output, wanted.model, wanted.scale)]
    dataset = RadiographDataset(source, SIZE, XRAYVISION)
    for name, reason in dataset.left_out:
        print(f"{name}: {reason}", file=sys.stderr)
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["file", "label", "score"])
    for number in range(len(dataset)):
        try:
            image, name = dataset[number]
        except InputError as error:  # a bad file gives one line
            print(error, file=sys.stderr)
            continue
        for label, score in classifier.scores(image):
            table.writerow([cell(name), cell(label), f"{score:.4f}"])


def options(arguments: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="Super-resolve and classify.")
    parser.add_argument("inputs", nargs="+", help="files and folders", metavar="INPUT")
    parser.add_argument("--output", "-o", type=Path, default=Path("finer"))
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--model", help="as for cxr-sr upscale")
    parser.add_argument("--classifier", type=Path, metavar="FILE.pt2")
    parser.add_argument("--original", action="store_true", help="do not upscale")
    return parser.parse_args(arguments)


def load(path: Path | None) -> Classifier:
    """Return the network stored at `path`, or torchxrayvision's."""
    if path is not None:
        return Classifier(torch.export.load(path).module())
    if find_spec("torchxrayvision") is None:
        raise SystemExit(
            "torchxrayvision is not installed; run: pip install torchxrayvision\n"
            "or give a network of your own with --classifier FILE.pt2"
        )
    xrayvision = import_module("torchxrayvision")
    network = xrayvision.models.DenseNet(weights=PRETRAINED).eval()
    return Classifier(network, network.pathologies)


def upscaled(inputs: list[str], output: Path, model: str | None, scale: int) -> Path:
    """Run `cxr-sr upscale` and return its report; results of earlier runs are kept."""
    command = [str(Path(sysconfig.get_path("scripts")) / "cxr-sr"), "upscale", *inputs]
    command += ["--output", str(output), "--scale", str(scale), "--resume"]
    command += ["--model", model] if model else []
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # noqa: S603
    if done.returncode not in USABLE:
        raise SystemExit(done.returncode)
    return output / "cxr-sr-report.jsonl"


if __name__ == "__main__":
    main(sys.argv[1:])
