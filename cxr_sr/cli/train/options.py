"""The options of `cxr-sr train`, as `--help` shows them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from cxr_sr.cli.options import Again, Quiet
from cxr_sr.names import LossName, NetworkName, Optimiser, TrainingPrecision

NETWORK = "Network"
SAMPLES = "Training images"
COURSE = "Schedule"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `cxr-sr train`."""

    data: Annotated[
        Path,
        Argument(
            metavar="DATA", help="An index (a CSV file), or a folder of radiographs."
        ),
    ]
    run: Annotated[Path, Option(metavar="DIR", help="Folder for all files of the run.")]

    model: Annotated[
        NetworkName, Option(help="The network to train.", rich_help_panel=NETWORK)
    ] = "trunk"
    name: Annotated[
        str,
        Option(
            help="Name of the weights [default: the name of the network].",
            rich_help_panel=NETWORK,
        ),
    ] = ""
    width: Annotated[
        int | None,
        Option(min=1, help="Number of channels of a trunk.", rich_help_panel=NETWORK),
    ] = None
    depth: Annotated[
        int | None,
        Option(
            min=0,
            help="Number of convolutions of a trunk; an even number.",
            rich_help_panel=NETWORK,
        ),
    ] = None
    noise_told: Annotated[
        bool,
        Option(
            "--noise-told",
            help="Tell a trunk the noise of each image, as a second input.",
            rich_help_panel=NETWORK,
        ),
    ] = False
    quantise: Annotated[
        bool,
        Option(
            "--quantise",
            help="Train a trunk for int8 arithmetic, and write int8 weights, too.",
            rich_help_panel=NETWORK,
        ),
    ] = False
    init: Annotated[
        Path | None,
        Option(
            metavar="WEIGHTS.safetensors",
            help="Start from these weights. Layers of another shape start at random.",
            rich_help_panel=NETWORK,
        ),
    ] = None
    teacher: Annotated[
        str | None,
        Option(
            metavar="NAME|FILE",
            help="Train with the results of this model as half of the target. A small "
            "network learns more in each step from a larger one; each step takes "
            "longer.",
            rich_help_panel=NETWORK,
        ),
    ] = None

    scales: Annotated[
        str,
        Option(
            metavar="N,N",
            help="Factors to train. Steps take them in turns: 2,2,4 trains x2 twice "
            "as often as x4.",
            rich_help_panel=SAMPLES,
        ),
    ] = "2,3,4,8"
    crop: Annotated[
        str | None,
        Option(
            metavar="none|PX",
            help="Side of a crop in pixels of the network's grid: 48 at input size; "
            "192, or another multiple of 24, at output size. none: train with whole "
            "images.",
            rich_help_panel=SAMPLES,
        ),
    ] = None
    batch: Annotated[
        int,
        Option(
            min=1,
            help="Number of crops in a step of each process.",
            rich_help_panel=SAMPLES,
        ),
    ] = 4
    degradation: Annotated[
        str,
        Option(
            metavar="NAME[,NAME]",
            help="How the images are made coarser: bicubic, box or detector. With "
            "several names, each crop gets one of them at random.",
            rich_help_panel=SAMPLES,
        ),
    ] = "bicubic"
    altered: Annotated[
        float,
        Option(
            min=0,
            max=1,
            help="Share of the crops that get another window and bit depth.",
            rich_help_panel=SAMPLES,
        ),
    ] = 0.5
    marked: Annotated[
        float,
        Option(
            min=0,
            max=1,
            help="Share of the crops that get side markers, text and shutters drawn "
            "into them.",
            rich_help_panel=SAMPLES,
        ),
    ] = 0.25
    noisy: Annotated[
        float,
        Option(
            min=0,
            max=1,
            help="Share of the coarse crops of bicubic and box that get noise, of "
            "any dose and correlation.",
            rich_help_panel=SAMPLES,
        ),
    ] = 0.0
    jpeg: Annotated[
        float,
        Option(
            min=0,
            max=1,
            help="Share of the coarse crops that are compressed by JPEG.",
            rich_help_panel=SAMPLES,
        ),
    ] = 0.0
    synthetic: Annotated[
        int,
        Option(
            min=0,
            help="Number of synthetic images (shapes, lines, letters) to train on "
            "beside the data.",
            rich_help_panel=SAMPLES,
        ),
    ] = 0

    loss: Annotated[
        LossName,
        Option(help="The loss to minimise.", rich_help_panel=COURSE),
    ] = "mae+ms-ssim"
    lr: Annotated[
        float | None,
        Option(
            min=0,
            help="Highest learning rate [default: 0.001; 2e-5 with --quantise and "
            "--init].",
            show_default=False,
            rich_help_panel=COURSE,
        ),
    ] = None
    optimiser: Annotated[
        Optimiser,
        Option(
            help="muon learns more in each step; the inner layers then take 5 times "
            "--lr.",
            rich_help_panel=COURSE,
        ),
    ] = "adam"
    precision: Annotated[
        TrainingPrecision,
        Option(
            help="Precision of the inner layers. bf16 is twice as fast on processors "
            "with AVX512-BF16.",
            rich_help_panel=COURSE,
        ),
    ] = "fp32"
    max_steps: Annotated[
        int | None,
        Option(min=1, help="Stop after this many steps.", rich_help_panel=COURSE),
    ] = None
    max_time: Annotated[
        str | None,
        Option(
            metavar="HH:MM:SS",
            help="Stop after this wall time, such as 01:30:00. It counts from the "
            "start of the command and leaves time for the last validation. The "
            "learning rate falls to its end within it.",
            rich_help_panel=COURSE,
        ),
    ] = None
    patience: Annotated[
        int | None,
        Option(
            min=1,
            help="Stop after this many validations without improvement.",
            rich_help_panel=COURSE,
        ),
    ] = None
    validation: Annotated[
        str | None,
        Option(
            metavar="none|PX",
            help="Validate on the most detailed part of each image; its side in "
            "pixels. none: on whole images, which takes long for networks at output "
            "size [default: none at input size, else 264].",
            rich_help_panel=COURSE,
        ),
    ] = None
    epoch: Annotated[
        int,
        Option(
            min=1,
            help="Number of steps between two checkpoints.",
            rich_help_panel=COURSE,
        ),
    ] = 500
    resume: Annotated[
        bool,
        Option(
            "--resume", help="Continue a run that was stopped.", rich_help_panel=COURSE
        ),
    ] = False
    seed: Annotated[
        int,
        Option(min=0, help="Seed of all random choices.", rich_help_panel=COURSE),
    ] = 0
    devices: Annotated[
        int, Option(min=1, help="Number of processes.", rich_help_panel=COURSE)
    ] = 1
    threads: Annotated[
        int,
        Option(
            min=0,
            help="Threads of each process; 0: as many as it may use.",
            rich_help_panel=COURSE,
        ),
    ] = 0
    again: Again = False
    quiet: Quiet = False
