"""`cxr-sr task train`: train a head on the features of a trunk."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from cxr_sr.cli import output
from cxr_sr.cli.errors import run_folder
from cxr_sr.cli.options import DEFAULT_MODEL, Again, Quiet, RunFolder, seconds_of
from cxr_sr.names import (
    TaskKind,
    TrainingDevice,
    TrainingPrecision,
    TrunkInput,
    TrunkWeights,
)

if TYPE_CHECKING:
    from cxr_sr.tasks.labels import Labels
    from cxr_sr.tasks.training.run import TaskRun

data = partial(Option, rich_help_panel="Data")
network = partial(Option, rich_help_panel="Network")
course = partial(Option, rich_help_panel="Schedule")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `cxr-sr task train`."""

    labels: Annotated[
        Path,
        Argument(
            metavar="LABELS.csv",
            help="A table with the columns image (or file) and patient, and with masks "
            "or findings. Paths in it are relative to its folder.",
        ),
    ]
    run: RunFolder
    kind: Annotated[
        TaskKind,
        Option(help="The task: segment makes masks, classify answers yes or no."),
    ]

    columns: Annotated[
        str | None,
        data(
            "--labels",
            metavar="COLUMN|CLASS=COLUMN,...",
            help="Columns with the labels. Masks: paths of images that are not 0 where "
            "the class is. Findings: 0 and 1, or words with | between them; each word "
            "becomes a class [default: mask and mask_CLASS, or finding].",
            show_default=False,
        ),
    ] = None
    hold_out: Annotated[
        str | None,
        data(
            metavar="I/N|none",
            help="Hold out part I of N of the patients for validation. none: train "
            "with all patients [default: the column split, or 1/5 without one].",
            show_default=False,
        ),
    ] = None

    trunk: Annotated[
        str, network(metavar="NAME|FILE", help="The model that gives the trunk.")
    ] = DEFAULT_MODEL
    trunk_weights: Annotated[
        TrunkWeights,
        network(
            help="shipped: the model's weights, fixed. tuned: train them further. "
            "random: start from random weights."
        ),
    ] = "shipped"
    trunk_input: Annotated[
        TrunkInput,
        network(
            help="The image that the trunk sees. reduced: the square input of the "
            "head, which is fast. full: the image at its own size, so that `upscale "
            "--head` runs a trunk once for both; only with shipped weights."
        ),
    ] = "reduced"
    size: Annotated[
        int,
        network(
            min=32,
            help="Side of the square input of the head, in pixels; each radiograph is "
            "reduced to it. A multiple of 32.",
        ),
    ] = 192
    parts: Annotated[
        int,
        network(
            min=0,
            help="Number of connected parts of a mask to keep: the largest ones. "
            "Their holes are filled. 0: keep all. 2: for both lungs.",
        ),
    ] = 0
    name: Annotated[
        str, network(help="Name of the weights [default: the kind of the task].")
    ] = ""

    max_steps: Annotated[
        int | None, course(min=1, help="Stop after this many steps.")
    ] = None
    max_time: Annotated[
        str | None, course(metavar="HH:MM:SS", help="Stop after this wall time.")
    ] = None
    batch: Annotated[int, course(min=2, help="Number of images in a step.")] = 6
    lr: Annotated[float, course(min=0, help="Highest learning rate.")] = 2e-3
    precision: Annotated[
        TrainingPrecision,
        course(help="bf16 is twice as fast on processors with AVX512-BF16."),
    ] = "fp32"
    patience: Annotated[
        int | None,
        course(min=1, help="Stop after this many validations without improvement."),
    ] = None
    epoch: Annotated[
        int, course(min=1, help="Number of steps between two validations.")
    ] = 100
    resume: Annotated[
        bool, course("--resume", help="Continue a run that was stopped.")
    ] = False
    seed: Annotated[int, course(min=0, help="Seed of all random choices.")] = 0
    device: Annotated[
        TrainingDevice,
        course(help="auto: a CUDA device if there is one, else the CPU."),
    ] = "auto"
    threads: Annotated[
        int, course(min=0, help="Number of threads; 0: as many as torch finds best.")
    ] = 0
    again: Again = False
    quiet: Quiet = False


def train(options: Options) -> None:
    """Train a head for segmentation or classification; print the path of its weights.

    A trunk that was trained for super-resolution makes the features, so the head can
    learn from few labelled patients. Held-out patients are not trained on. Without a
    budget, the training has 1,500 steps.
    """
    started = time.monotonic()  # loading torch is part of the wall time
    from cxr_sr.tasks.training.fit import fit_head

    run, labels = _run_of(options), _labels_of(options)
    with run_folder(options.run):
        head = fit_head(
            labels,
            options.run,
            run,
            resume=options.resume,
            quiet=options.quiet,
            started=started,
        )
    output.data(str(options.run / f"{head.spec.name}.onnx"))


def _labels_of(options: Options) -> "Labels":
    from cxr_sr.tasks.labels import Labels

    return Labels.read(options.labels, options.kind, options.columns, options.hold_out)


def _run_of(options: Options) -> "TaskRun":
    from cxr_sr.tasks.training.run import USUAL_STEPS, TaskRun

    steps = options.max_steps
    if steps is None and options.max_time is None:
        steps = USUAL_STEPS
    return TaskRun(
        kind=options.kind,
        name=options.name,
        trunk=options.trunk,
        trunk_weights=options.trunk_weights,
        trunk_input=options.trunk_input,
        size_px=options.size,
        parts=options.parts,
        batch=options.batch,
        epoch_steps=options.epoch,
        patience=options.patience,
        lr=options.lr,
        max_steps=steps,
        max_seconds=seconds_of(options.max_time),
        precision=options.precision,
        seed=options.seed,
        device=options.device,
        threads=options.threads,
        again=options.again,
    )
