"""The options of `cxr-sr train`, as `--help` shows them."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from cxr_sr.cli.options import Again, Quiet, RunFolder
from cxr_sr.names import (
    LossName,
    NetworkName,
    Optimiser,
    TrainingDevice,
    TrainingPrecision,
)

network = partial(Option, rich_help_panel="Network")
samples = partial(Option, rich_help_panel="Training images")
course = partial(Option, rich_help_panel="Schedule")


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `cxr-sr train`."""

    data: Annotated[
        Path,
        Argument(
            metavar="DATA", help="An index (a CSV file), or a folder of radiographs."
        ),
    ]
    run: RunFolder

    model: Annotated[NetworkName, network(help="The network to train.")] = "trunk"
    name: Annotated[
        str, network(help="Name of the weights [default: the name of the network].")
    ] = ""
    width: Annotated[
        int | None, network(min=1, help="Number of channels of a trunk.")
    ] = None
    depth: Annotated[
        int | None,
        network(min=0, help="Number of convolutions of a trunk; an even number."),
    ] = None
    noise_told: Annotated[
        bool,
        network(
            "--noise-told",
            help="Give a trunk the noise of each image as a second input.",
        ),
    ] = False
    quantise: Annotated[
        bool,
        network(
            "--quantise",
            help="Train a trunk for int8 arithmetic, and also write int8 weights.",
        ),
    ] = False
    init: Annotated[
        Path | None,
        network(
            metavar="WEIGHTS.safetensors",
            help="Start from these weights. Layers of another shape start at random.",
        ),
    ] = None
    teacher: Annotated[
        str | None,
        network(
            metavar="NAME|FILE",
            help="Train with the results of this model as half of the target. A small "
            "network learns more in each step from a larger one; each step takes "
            "longer.",
        ),
    ] = None

    scales: Annotated[
        str,
        samples(
            metavar="N,N",
            help="Factors to train. The steps use them in turn: 2,2,4 trains x2 twice "
            "as often as x4.",
        ),
    ] = "2,3,4,8"
    crop: Annotated[
        str | None,
        samples(
            metavar="none|PX",
            help="Side of a crop in pixels of the network's grid: 48 at input size; "
            "192, or another multiple of 24, at output size. none: train with whole "
            "images.",
        ),
    ] = None
    batch: Annotated[
        int, samples(min=1, help="Number of crops in a step of each process.")
    ] = 4
    degradation: Annotated[
        str,
        samples(
            metavar="NAME[,NAME]",
            help="The way to make the images coarser: bicubic, box or detector. With "
            "several names, each crop gets one of them at random.",
        ),
    ] = "bicubic"
    altered: Annotated[
        float,
        samples(
            min=0,
            max=1,
            help="Share of the crops that get another window and bit depth.",
        ),
    ] = 0.5
    marked: Annotated[
        float,
        samples(
            min=0,
            max=1,
            help="Share of the crops that get side markers, text and shutters drawn "
            "into them.",
        ),
    ] = 0.25
    noisy: Annotated[
        float,
        samples(
            min=0,
            max=1,
            help="Share of the coarse crops of bicubic and box that get noise, of "
            "any dose and correlation.",
        ),
    ] = 0.0
    jpeg: Annotated[
        float,
        samples(
            min=0, max=1, help="Share of the coarse crops that are compressed by JPEG."
        ),
    ] = 0.0
    synthetic: Annotated[
        int,
        samples(
            min=0,
            help="Number of synthetic images (shapes, lines, letters) to add to "
            "the data.",
        ),
    ] = 0

    loss: Annotated[LossName, course(help="The loss to minimise.")] = "mae+ms-ssim"
    lr: Annotated[
        float | None,
        course(
            min=0,
            help="Highest learning rate [default: 0.001; 2e-5 with --quantise and "
            "--init].",
            show_default=False,
        ),
    ] = None
    optimiser: Annotated[
        Optimiser,
        course(
            help="muon learns more in each step; the inner layers then use 5 times "
            "--lr."
        ),
    ] = "adam"
    precision: Annotated[
        TrainingPrecision,
        course(
            help="Precision of the inner layers. bf16 is twice as fast on processors "
            "with AVX512-BF16."
        ),
    ] = "fp32"
    max_steps: Annotated[
        int | None, course(min=1, help="Stop after this many steps.")
    ] = None
    max_time: Annotated[
        str | None,
        course(
            metavar="HH:MM:SS",
            help="Stop after this wall time, such as 01:30:00. It counts from the "
            "start of the command and leaves time for the last validation. The "
            "learning rate falls to its end within it.",
        ),
    ] = None
    patience: Annotated[
        int | None,
        course(min=1, help="Stop after this many validations without improvement."),
    ] = None
    validation: Annotated[
        str | None,
        course(
            metavar="none|PX",
            help="Side of the part of each image for validation, in pixels: the part "
            "with most detail. none: whole images, slow for networks at output "
            "size [default: none at input size, else 264].",
        ),
    ] = None
    epoch: Annotated[
        int, course(min=1, help="Number of steps between two checkpoints.")
    ] = 500
    resume: Annotated[
        bool, course("--resume", help="Continue a run that was stopped.")
    ] = False
    seed: Annotated[int, course(min=0, help="Seed of all random choices.")] = 0
    device: Annotated[
        TrainingDevice,
        course(
            help="Device of the training. auto: a CUDA device if there is one, else "
            "the CPU. A run can be resumed on another device."
        ),
    ] = "auto"
    devices: Annotated[int, course(min=1, help="Number of processes.")] = 1
    threads: Annotated[
        int, course(min=0, help="Threads of each process; 0: as many as it may use.")
    ] = 0
    again: Again = False
    quiet: Quiet = False
